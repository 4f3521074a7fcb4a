//! The Policy in force, the choice of rules, and what is said of mistakes in either.

use crate::support::{Folder, POD};

fn policy(spec: &str) -> String {
    format!("apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {{name: default}}\nspec:\n{spec}")
}

#[test]
fn the_policy_is_found_upwards_and_by_name() {
    let off = policy("  rules:\n    privileged-container: {severity: off}\n");
    let folder = Folder::new(&[
        ("pod.yaml", POD),
        ("buttress.yaml", &off),
        ("sub/pod.yaml", POD),
        ("on.yaml", &policy("  priority: 1\n")),
    ]);
    assert_eq!(folder.run("lint pod.yaml --select privileged-container").code, 0);
    assert_eq!(folder.run("lint pod.yaml --select privileged-container --policy on.yaml").code, 1);
}

#[test]
fn a_policy_holds_for_its_namespaces() {
    let off = policy("  namespaces: [ml]\n  rules:\n    privileged-container: {severity: off}\n");
    let folder = Folder::new(&[("pod.yaml", POD), ("buttress.yaml", &off)]);
    let line = "lint pod.yaml --select privileged-container";
    assert_eq!(folder.run(line).code, 1);
    assert_eq!(folder.run(&format!("{line} --namespace ml")).code, 0);
}

#[test]
fn mistakes_in_a_policy_are_told_with_their_place() {
    let bad = policy("  preset: recomended\n  rules:\n    privileged-contaner: {severity: off}\n  enforcment: deny\n");
    let folder = Folder::new(&[("pod.yaml", POD), ("buttress.yaml", &bad)]);
    let ran = folder.run("lint pod.yaml");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    for told in
        ["buttress.yaml:5:3: ", "buttress.yaml:7:5: ", "buttress.yaml:8:3: ", "privileged-container", "recommended"]
    {
        assert!(ran.err.contains(told), "{told}\n{}", ran.err);
    }
    folder.write("buttress.yaml", "a: [\n");
    assert!(folder.run("lint pod.yaml").err.contains("buttress.yaml:1:4: is no YAML"));
    folder.write("buttress.yaml", "");
    assert!(folder.run("lint pod.yaml").err.contains("buttress.yaml: holds no Policy"));
    assert!(folder.run("lint pod.yaml --policy nowhere.yaml").err.contains("nowhere.yaml: cannot be read"));
}

#[test]
fn rules_are_chosen_by_name_and_category() {
    let folder = Folder::new(&[("pod.yaml", POD)]);
    let rules = |line: &str| {
        let ran = folder.run(&format!("lint --format json {line}"));
        ran.findings().iter().map(|found| found.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rules("--select pod-security,scheduling"), ["gpu-toleration-missing", "privileged-container"]);
    assert_eq!(
        rules("--select pod-security --select scheduling --ignore privileged-container"),
        ["gpu-toleration-missing"]
    );
    let ran = folder.run("lint --select privilegd-container --format json");
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("--select: unknown rule or category `privilegd-container`; did you mean `privileged-container`?")
    );
    assert!(folder.run("lint --ignore sekurity").err.contains("did you mean `security`?"));
}
