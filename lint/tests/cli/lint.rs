//! Findings, their form and order, and the exit code.

use serde_json::json;

use crate::support::{Folder, GOOD, POD};

const RULES: &str = "--select privileged-container,gpu-toleration-missing";

#[test]
fn the_exit_code_says_what_is_left() {
    let folder = Folder::new(&[("pod.yaml", POD), ("good.yaml", GOOD)]);
    assert_eq!(folder.run(&format!("lint {RULES}")).code, 1);
    assert_eq!(folder.run("lint good.yaml --select privileged-container").code, 0);
    let warnings = "lint --select gpu-toleration-missing";
    assert_eq!(folder.run(warnings).code, 0);
    assert_eq!(folder.run(&format!("{warnings} --fail-on warning")).code, 1);
    assert_eq!(folder.run(&format!("{warnings} --fail-on advice")).code, 1);
    assert_eq!(folder.run("lint --fail-on never").code, 0);
    assert_eq!(folder.run("lint nowhere.yaml pod.yaml").code, 2);
    assert_eq!(folder.run("lint --no-such-flag").code, 2);
}

#[test]
fn the_json_report_has_its_form() {
    let folder = Folder::new(&[("a/pod.yaml", POD)]);
    let ran = folder.run("lint --format json --select privileged-container,gpu-toleration-missing --namespace ml");
    let report = ran.json();
    assert_eq!(report["version"], 1);
    assert_eq!(
        report["summary"],
        json!({"files": 1, "documents": 1, "error": 1, "warning": 1, "advice": 0, "fixed": 0})
    );
    assert_eq!((&report["errors"], &report["skipped"]), (&json!([]), &json!([])));
    let finding = &report["findings"][1];
    assert_eq!(finding["rule"], "privileged-container");
    assert_eq!(finding["category"], "pod-security");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["object"], json!({"apiVersion": "v1", "kind": "Pod", "namespace": "ml", "name": "trainer"}));
    assert_eq!(finding["path"], "/spec/containers/0/securityContext/privileged");
    assert_eq!((&finding["file"], &finding["document"]), (&json!("a/pod.yaml"), &json!(0)));
    assert_eq!(finding["start"], json!({"line": 9, "column": 23}));
    assert_eq!(finding["end"], json!({"line": 9, "column": 39}));
    assert_eq!(finding["fix"], json!(null));
    assert!(finding["url"].as_str().unwrap().ends_with("#privileged-container"));
    let missing = &report["findings"][0];
    assert_eq!(missing["path"], "/spec/tolerations");
    assert_eq!(missing["start"], json!({"line": 5, "column": 1}));
    assert_eq!(missing["fix"]["safety"], "safe");
}

#[test]
fn documents_are_counted_from_zero_without_the_empty_ones() {
    let text = format!("# nothing\n---\na: 1\n---\n{GOOD}---\n{POD}");
    let folder = Folder::new(&[("all.yaml", &text)]);
    let ran = folder.run("lint --format json --select privileged-container");
    assert_eq!(ran.findings(), ["all.yaml 2 /spec/containers/0/securityContext/privileged privileged-container"]);
    assert_eq!(ran.json()["summary"]["documents"], 2);
}

#[test]
fn items_of_a_list_keep_their_place() {
    let item = POD.lines().collect::<Vec<_>>().join("\n  ");
    let folder = Folder::new(&[("list.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n- 1\n- {item}\n"))]);
    let ran = folder.run("lint --format json --select privileged-container");
    assert_eq!(
        ran.findings(),
        ["list.yaml 0 /items/1/spec/containers/0/securityContext/privileged privileged-container"]
    );
    assert_eq!(ran.json()["findings"][0]["start"]["line"], 13);
}

#[test]
fn stdin_is_an_input_like_others() {
    let folder = Folder::new(&[]);
    let ran = folder.run_with("lint - --format concise --select privileged-container", POD);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("-:9:23: error[privileged-container] "), "{}", ran.out);
}

#[test]
fn the_order_depends_on_neither_threads_nor_runs() {
    let folder = Folder::new(&[]);
    for number in 0..40 {
        folder.write(&format!("{}/pod-{number}.yaml", number % 3), POD);
    }
    let one = folder.process("lint --format json", 1, "");
    assert_eq!(one.code, 1);
    for _ in 0..3 {
        let four = folder.process("lint --format json", 4, "");
        assert_eq!(one.out, four.out);
    }
    let files: Vec<_> = one.findings().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert!(files.is_sorted() && files.len() >= 40);
}

#[test]
fn what_other_files_of_the_project_hold_counts() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  replicas: 3\n  \
        selector: {matchLabels: {app: llm}}\n  template:\n    metadata: {labels: {app: llm}}\n    spec:\n      \
        containers:\n      - {name: a, image: 'vllm/vllm-openai:v0.11.0', args: [--model, Qwen/Qwen3-8B]}\n";
    let folder = Folder::new(&[("app/deploy.yaml", deployment)]);
    let line = "lint app/deploy.yaml --format json --select missing-disruption-budget";
    assert_eq!(folder.run(line).findings().len(), 1);
    let diff = "lint app/deploy.yaml --diff --select missing-disruption-budget";
    assert!(folder.run(diff).out.contains("+kind: PodDisruptionBudget\n"));
    // Of what comes by a pipe nobody knows what stands beside it.
    assert!(
        folder.run_with("lint - --format json --select missing-disruption-budget", deployment).findings().is_empty()
    );
    folder.write(
        "elsewhere/budget.yaml",
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec:\n  maxUnavailable: 1\n  \
         selector: {matchLabels: {app: llm}}\n",
    );
    assert!(folder.run(line).findings().is_empty());
    assert_eq!(folder.run(diff).out, "");
}

#[test]
fn the_pretty_report_shows_the_place_and_hides_secrets() {
    let secret = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH";
    let text =
        POD.replace("    resources:", &format!("    env:\n    - {{name: HF_TOKEN, value: {secret}}}\n    resources:"));
    let folder = Folder::new(&[("pod.yaml", &text)]);
    let ran = folder.run("lint --select privileged-container,literal-secret");
    assert!(ran.out.contains("[pod.yaml:9:23]") && ran.out.contains("HF_TOKEN"), "{}", ran.out);
    assert!(!ran.out.contains(secret), "{}", ran.out);
    assert!(ran.out.ends_with("2 errors in 1 document of 1 file\n"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'));
    assert!(folder.run("lint --color always").out.contains('\u{1b}'));
    let capped = folder.run("lint --select privileged-container,literal-secret --max-diagnostics 1");
    assert!(capped.out.contains("1 finding more is not shown"), "{}", capped.out);
}

#[test]
fn a_report_may_go_to_a_file_beside_another() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let ran = folder.run("lint --format concise --format json=report.json --select privileged-container");
    assert!(ran.out.starts_with("pod.yaml:9:23: error["));
    let report: serde_json::Value = serde_json::from_str(&folder.read("report.json")).unwrap();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
}
