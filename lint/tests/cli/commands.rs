//! The other commands.

use serde_json::{Value, json};

use crate::support::{Folder, GOOD, POD};

const SERVER: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm, namespace: ml}
spec:
  replicas: 2
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
      - name: server
        image: vllm/vllm-openai:v0.11.0
        args: [--model, Qwen/Qwen3-8B]
        resources: {limits: {nvidia.com/gpu: 1}}
";

#[test]
fn inspect_tells_what_is_seen() {
    let folder = Folder::new(&[("llm.yaml", SERVER)]);
    let report = folder.run("inspect --format json").json();
    let seen = &report["workloads"][0];
    assert_eq!((&report["version"], &seen["file"], &seen["document"]), (&json!(1), &json!("llm.yaml"), &json!(0)));
    assert_eq!(seen["object"]["kind"], "Deployment");
    assert_eq!(seen["pod_path"], "/spec/template/spec");
    assert_eq!((&seen["ai"], &seen["role"], &seen["runtime"]), (&json!(true), &json!("inference"), &json!("vllm")));
    assert_eq!((&seen["container"], &seen["replicas"]), (&json!("server"), &json!(2)));
    assert_eq!(seen["accelerators"], json!([{"resource": "nvidia.com/gpu", "count": 1}]));
    assert_eq!(seen["model"]["name"], "Qwen/Qwen3-8B");
    assert_eq!(seen["probes"]["readiness"], json!({"type": "http", "path": "/health", "port": 8000}));
    let text = folder.run("inspect llm.yaml").out;
    assert!(text.starts_with("Deployment ml/llm  llm.yaml /spec/template/spec\n"), "{text}");
    assert!(text.contains("  readiness     http :8000/health\n"), "{text}");
}

#[test]
fn manifests_are_admitted_as_pods() {
    let folder = Folder::new(&[("llm.yaml", SERVER), ("pod.yaml", POD), ("good.yaml", GOOD)]);
    let ran = folder.run("admit llm.yaml");
    assert_eq!(ran.code, 0);
    let documents: Vec<&str> = ran.out.split("---\n").collect();
    assert_eq!(documents.len(), 2);
    assert!(documents[0].contains("kind: Deployment") && !documents[0].contains("startupProbe"));
    assert!(documents[1].contains("kind: Pod") && documents[1].contains("startupProbe"));
    assert!(ran.err.contains("note: there is no Policy"), "{}", ran.err);
    let denied = folder.run("admit pod.yaml");
    assert_eq!(denied.code, 1);
    assert!(
        denied.err.contains("Pod trainer: denied") && denied.err.contains("privileged-container"),
        "{}",
        denied.err
    );
    assert_eq!(folder.run("admit good.yaml").code, 0);
    assert_eq!(folder.run("admit nowhere.yaml").code, 2);
    assert_eq!(folder.run_with("admit", "a: [").code, 2);
}

#[test]
fn a_review_is_answered_by_a_review() {
    let folder = Folder::new(&[]);
    let review = |privileged: bool| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u1", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE", "namespace": "ml",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [
                {"name": "a", "image": "e.org/a:1", "securityContext": {"privileged": privileged}}]}}}})
        .to_string()
    };
    let ran = folder.run_with("admit -", &review(true));
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&answer["kind"], &answer["response"]["uid"]), (&json!("AdmissionReview"), &json!("u1")));
    assert_eq!((ran.code, &answer["response"]["allowed"]), (1, &json!(false)));
    assert_eq!(folder.run_with("admit -", &review(false)).code, 0);
    let without = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#;
    assert_eq!(folder.run_with("admit -", without).code, 2);
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = Folder::new(&[]);
    let rules = folder.run("rules --format json").json();
    let rules = rules["rules"].as_array().unwrap();
    let table = folder.run("rules").out;
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        assert!(table.contains(name));
        let explained = folder.run(&format!("explain {name}"));
        assert!(explained.code == 0 && explained.out.contains("\nBad\n") && explained.out.contains("\nGood"), "{name}");
    }
    let ran = folder.run("explain privilegd-container");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("did you mean `privileged-container`?"), "{}", ran.err);
}

#[test]
fn schema_and_completions_come_out() {
    let folder = Folder::new(&[]);
    let schema = folder.run("schema policy").json();
    assert!(schema["properties"]["spec"].is_object());
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = folder.run(&format!("completions {shell}"));
        assert!(ran.code == 0 && ran.out.contains("max-diagnostics"), "{shell}");
    }
    assert_eq!(folder.run("completions tcsh").code, 2);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_buttress"))
        .args(["schema", "policy"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}
