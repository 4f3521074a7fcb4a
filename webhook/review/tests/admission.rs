//! Reviews and plain pods through the public functions, without HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use buttress_policies::catalog::Catalog;
use buttress_policies::policy::{Enforcement, Policy};
use buttress_policies::rules::RULES;
use buttress_review::{
    ANNOTATION, Decision, Doubt, Injected, Outcome, Settings, admit_pod, mutate, pods_of, review, validate,
};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

const TODAY: Date = date(2026, 1, 1);

fn settings(enforcement: &str) -> Settings {
    let policy = json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy",
        "metadata": {"name": "test", "generation": 3}, "spec": {"enforcement": enforcement}});
    Settings::new(vec![Policy::from_value(&policy, RULES).unwrap()])
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "llm", "namespace": "ml"},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "server", "image": "vllm/vllm-openai:v0.9.0",
            "args": ["--model", "meta-llama/Llama-3.1-8B"], "ports": [{"containerPort": 8000}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}})
}

fn privileged() -> Value {
    let mut pod = pod();
    pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    pod
}

fn bytes(object: &Value) -> Vec<u8> {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "ml", "object": object}})
    .to_string()
    .into_bytes()
}

#[test]
fn a_summary_tells_what_was_done() {
    let answer = mutate(&bytes(&pod()), &settings("warn"), TODAY).unwrap();
    assert_eq!(answer.summary.decision, Decision::Patched);
    assert!(answer.summary.repairs.contains(&"gpu-toleration-missing"));
    assert_eq!((answer.summary.uid.as_str(), answer.summary.resource.as_str()), ("u", "pods"));
    assert!(answer.summary.doubt.is_none() && answer.summary.withheld.is_empty());
    // Who observes counts what he would have done.
    let answer = mutate(&bytes(&pod()), &settings("observe"), TODAY).unwrap();
    assert_eq!(answer.summary.decision, Decision::Observed);
    assert!(answer.summary.repairs.contains(&"gpu-toleration-missing"));

    let answer = validate(&bytes(&privileged()), &settings("deny"), TODAY).unwrap();
    assert_eq!(answer.summary.decision, Decision::Denied);
    let outcome = |rule: &str| answer.summary.findings.iter().find(|finding| finding.rule == rule).unwrap().outcome;
    assert_eq!(outcome("privileged-container"), Outcome::Denied);
    assert_eq!(outcome("gpu-toleration-missing"), Outcome::Warned);
}

#[test]
fn advice_is_recorded_and_not_told() {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [
        {"name": "web", "image": "registry.example.com/web:1.0"}],
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]}});
    for enforcement in ["warn", "deny"] {
        let answer = validate(&bytes(&pod), &settings(enforcement), TODAY).unwrap();
        let found: Vec<_> = answer.summary.findings.iter().map(|found| (found.rule, found.outcome)).collect();
        assert_eq!(found, [("surplus-gpu-toleration", Outcome::Observed)]);
        assert_eq!(answer.summary.decision, Decision::Observed);
        assert!(!String::from_utf8_lossy(&answer.body).contains("warnings"));
    }
    // Beside a warning it stays unsaid too.
    pod["spec"]["containers"][0]["image"] = json!("registry.example.com/web");
    let answer = validate(&bytes(&pod), &settings("warn"), TODAY).unwrap();
    assert_eq!(answer.summary.decision, Decision::Warned);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("floating-image-tag") && !body.contains("surplus-gpu-toleration: "));
}

#[test]
fn both_hooks_at_once_judge_the_patched_pod() {
    let answer = review(&bytes(&pod()), &settings("warn"), TODAY).unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["response"]["allowed"], true);
    assert_eq!(body["response"]["patchType"], "JSONPatch");
    assert!(!body["response"]["warnings"].to_string().contains("gpu-toleration-missing"), "{body}");
    assert!(answer.summary.repairs.contains(&"gpu-toleration-missing"));
    let refused = review(&bytes(&privileged()), &settings("deny"), TODAY).unwrap();
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["response"]["status"]["code"], 403);
    assert!(body["response"].get("patch").is_none());
}

#[test]
fn a_plain_pod_is_admitted_as_a_review_of_it_is() {
    let settings = settings("warn");
    let admitted = admit_pod(&pod(), &settings, TODAY);
    let answer: Value = serde_json::from_slice(&mutate(&bytes(&pod()), &settings, TODAY).unwrap().body).unwrap();
    let sent = STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), admitted.patch);
    assert!(admitted.allowed && admitted.doubt.is_none() && !admitted.repaired.is_empty());
    let injected = Injected::of(&admitted.pod).unwrap();
    assert_eq!(injected.policy, ["test@3"]);
    assert_eq!(injected.version, env!("CARGO_PKG_VERSION"));
    assert!(admitted.pod["metadata"]["annotations"][ANNOTATION].is_string());
    // What comes out needs nothing more.
    assert_eq!(admit_pod(&admitted.pod, &settings, TODAY).patch, json!([]));
}

#[test]
fn enforcement_can_be_shown_before_it_is_turned_on() {
    let settings = || Settings::new(Vec::new());
    let observed = admit_pod(&privileged(), &settings(), TODAY);
    assert!(observed.allowed && observed.patch == json!([]) && observed.pod == privileged());
    assert_eq!(observed.enforcement, Enforcement::Observe);
    let refused = admit_pod(&privileged(), &settings().with_enforcement(Enforcement::Deny), TODAY);
    assert!(!refused.allowed && refused.patch != json!([]));
    assert!(refused.message.unwrap().contains("privileged-container"));
}

#[test]
fn the_pods_of_a_workload_are_admitted_like_any_other() {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm", "namespace": "ml"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "llm"}},
            "template": {"metadata": {"labels": {"app": "llm"}}, "spec": pod()["spec"]}}});
    let pods = pods_of(&deployment, Catalog::builtin());
    assert_eq!(pods.len(), 1);
    let admitted = admit_pod(&pods[0], &settings("warn"), TODAY);
    let rules: Vec<&str> = admitted.repaired.iter().map(|finding| finding.rule.name).collect();
    assert!(rules.contains(&"gpu-toleration-missing") && rules.contains(&"missing-startup-probe"), "{rules:?}");
}

#[test]
fn pods_that_no_patch_can_mend_pass_with_a_warning() {
    let mut misshapen = pod();
    misshapen["metadata"]["annotations"] = json!(["none of these"]);
    let mut huge = pod();
    huge["spec"]["containers"] = Value::Array(vec![huge["spec"]["containers"][0].clone(); 1000]);
    for (pod, doubt) in [(misshapen, Doubt::Misshapen), (huge, Doubt::Oversized)] {
        let answer = mutate(&bytes(&pod), &settings("warn"), TODAY).unwrap();
        assert_eq!((answer.summary.decision, answer.summary.doubt), (Decision::Withheld, Some(doubt)));
        assert!(!doubt.is_defect());
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(body["response"]["allowed"] == true && body["response"].get("patch").is_none());
        assert!(body["response"]["warnings"][0].as_str().unwrap().starts_with("buttress: the pod was not repaired"));
    }
}

#[test]
fn broken_bytes_are_refused_or_answered_and_nothing_else() {
    let settings = settings("deny");
    let good = bytes(&privileged());
    let mut broken: Vec<Vec<u8>> = (0..good.len()).step_by(7).map(|end| good[..end].to_vec()).collect();
    for at in 0..good.len() {
        for byte in [b'"', b'[', b'0', b'\\', 0, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            broken.push(bytes);
        }
    }
    for bytes in broken {
        for hook in [mutate, validate, review] {
            let Ok(answer) = hook(&bytes, &settings, TODAY) else { continue };
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["response"]["uid"], answer.summary.uid.as_str());
            assert!(body["response"]["allowed"].is_boolean());
        }
    }
}
