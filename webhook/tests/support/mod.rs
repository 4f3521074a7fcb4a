//! What the tests of the hooks share: reviews to send, and a look at the answers.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use buttress_policies::policy::Policy;
use buttress_policies::rules::RULES;
use buttress_review::Settings;
use buttress_webhook::{Options, State, app};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A state under one Policy of this enforcement; without a Policy for `observe`.
pub(crate) fn state(enforcement: &str) -> State {
    let policies =
        if enforcement == "observe" { Vec::new() } else { vec![policy(json!({"enforcement": enforcement}))] };
    State::new(Settings::new(policies).with_own_namespace("buttress-system"), Options::default())
}

pub(crate) fn policy(spec: Value) -> Policy {
    let value =
        json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "test"}, "spec": spec});
    Policy::from_value(&value, RULES).unwrap()
}

/// A pod with something to repair that needs no more than the pod: it wants a GPU and tolerates none of its taints.
pub(crate) fn gpu_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "llm", "namespace": "ml", "labels": {"app": "llm"}},
        "spec": {"restartPolicy": "Always", "containers": [{
            "name": "server", "image": "vllm/vllm-openai:v0.9.0", "args": ["--model", "meta-llama/Llama-3.1-8B"],
            "env": [{"name": "TOKEN_BUDGET", "value": "do-not-print-me"}],
            "ports": [{"containerPort": 8000}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
        }]},
    })
}

/// A pod that breaks a rule of severity error which no repair mends.
pub(crate) fn privileged_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad", "namespace": "ml"},
        "spec": {"containers": [{"name": "shell", "image": "registry.example.com/tools/shell:1.2", "securityContext": {"privileged": true}}]},
    })
}

/// A review as the API server sends it for `object`.
pub(crate) fn review(operation: &str, object: &Value) -> Value {
    let (api_version, kind) = (object["apiVersion"].as_str().unwrap_or("v1"), object["kind"].as_str().unwrap_or("Pod"));
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let resource = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "requestKind": {"group": group, "version": version, "kind": kind},
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            "operation": operation, "dryRun": false, "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "uid": "1", "groups": ["system:authenticated"]},
            "object": if operation == "DELETE" { Value::Null } else { object.clone() },
            "oldObject": if operation == "DELETE" { object.clone() } else { Value::Null },
        },
    })
}

pub(crate) async fn send(router: &Router, path: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
    let request = Request::post(path).header("content-type", "application/json").body(body.into()).unwrap();
    call(router, request).await
}

pub(crate) async fn call(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
}

/// The `response` of the answer, of which the frame is checked.
pub(crate) async fn ask(router: &Router, path: &str, review: &Value) -> Value {
    let (status, body) = send(router, path, review.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer.as_object().unwrap().len(), 3);
    let response = answer["response"].clone();
    assert_eq!(response["uid"], review["request"]["uid"]);
    assert_eq!(response.get("patch").is_some(), response.get("patchType").is_some());
    held_by_the_api_server(&response);
    response
}

/// What the API server would drop, cut or refuse.
fn held_by_the_api_server(response: &Value) {
    let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
    assert!(warnings.len() <= 10);
    let mut runes = 0;
    for warning in &warnings {
        let text = warning.as_str().unwrap();
        assert!(!text.is_empty() && text.chars().count() <= 200, "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        runes += text.chars().count();
    }
    assert!(runes < 4096);
    for (key, value) in response["auditAnnotations"].as_object().into_iter().flatten() {
        assert!(key.len() <= 63 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{key}");
        assert!(value.is_string());
    }
    if response["allowed"] == true {
        assert!(response.get("status").is_none());
    } else {
        assert_eq!(response["status"]["code"], 403);
        assert_eq!(response["status"]["reason"], "Forbidden");
        assert!(!response["status"]["message"].as_str().unwrap().is_empty());
        assert!(response.get("patch").is_none());
    }
}

/// The operations of the patch.
pub(crate) fn operations(response: &Value) -> Vec<Value> {
    let Some(patch) = response["patch"].as_str() else { return Vec::new() };
    assert_eq!(response["patchType"], "JSONPatch");
    serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap()
}

/// The object as the API server would store it.
pub(crate) fn patched(object: &Value, response: &Value) -> Value {
    let operations = operations(response);
    assert!(operations.iter().all(|operation| operation["op"] == "add"), "{operations:?}");
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(operations)).unwrap();
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

pub(crate) fn router(enforcement: &str) -> Router {
    app(state(enforcement))
}
