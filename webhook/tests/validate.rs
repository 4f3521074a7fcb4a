//! `POST /validate`: what is warned of, what is refused, and what is none of our business.

mod support;

use serde_json::{Value, json};
use support::{ask, gpu_pod, privileged_pod, review, router};

const SILENT: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";

fn silent() -> Value {
    json!({"uid": SILENT, "allowed": true})
}

#[tokio::test]
async fn an_error_that_no_repair_mends_is_refused_with_all_that_is_needed() {
    let response = ask(&router("deny"), "/validate", &review("CREATE", &privileged_pod())).await;
    assert_eq!(response["allowed"], false);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("Buttress refuses Pod ml/bad: "), "{message}");
    assert!(message.contains("privileged-container"), "{message}");
    assert!(message.contains("/spec/containers/0/securityContext/privileged"), "{message}");
    assert!(message.contains("fix it"), "{message}");
    assert_eq!(response["auditAnnotations"]["denied"], "privileged-container");
    assert_eq!(response["auditAnnotations"]["enforcement"], "deny");
}

#[tokio::test]
async fn warn_warns_and_observe_only_records() {
    let response = ask(&router("warn"), "/validate", &review("CREATE", &privileged_pod())).await;
    assert_eq!(response["allowed"], true);
    assert!(response["warnings"][0].as_str().unwrap().starts_with("privileged-container: "), "{response}");
    assert_eq!(response["auditAnnotations"]["would-deny"], "privileged-container");
    let response = ask(&router("observe"), "/validate", &review("CREATE", &privileged_pod())).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("warnings").is_none());
    assert_eq!(response["auditAnnotations"]["enforcement"], "observe");
    assert!(response["auditAnnotations"]["findings"].as_str().unwrap().contains("privileged-container"));
}

#[tokio::test]
async fn what_the_other_hook_repairs_is_never_refused() {
    // The mutating hook fails open: this pod may come here as its author wrote it.
    let settings =
        buttress_review::Settings::new(vec![support::policy(json!({"enforcement": "deny", "preset": "strict"}))]);
    let router = buttress_webhook::app(buttress_webhook::State::new(settings, buttress_webhook::Options::default()));
    let response = ask(&router, "/validate", &review("CREATE", &gpu_pod())).await;
    let denied = response["auditAnnotations"]["denied"].as_str().unwrap_or_default();
    assert!(!denied.contains("gpu-toleration-missing") && !denied.contains("missing-startup-probe"), "{response}");
    assert!(response["auditAnnotations"]["findings"].as_str().unwrap().contains("gpu-toleration-missing"));
    // Where the Policy takes the repair away, a person must do it, and can be held to it.
    let spec =
        json!({"enforcement": "deny", "rules": {"gpu-toleration-missing": {"severity": "error", "repair": false}}});
    let settings = buttress_review::Settings::new(vec![support::policy(spec)]);
    let router = buttress_webhook::app(buttress_webhook::State::new(settings, buttress_webhook::Options::default()));
    let response = ask(&router, "/validate", &review("CREATE", &gpu_pod())).await;
    assert_eq!(response["auditAnnotations"]["denied"], "gpu-toleration-missing");
}

#[tokio::test]
async fn workloads_are_warned_of_and_never_refused() {
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": privileged_pod()["spec"]});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "ml"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template}});
    for operation in ["CREATE", "UPDATE"] {
        let response = ask(&router("deny"), "/validate", &review(operation, &deployment)).await;
        assert_eq!(response["allowed"], true);
        assert!(response["warnings"].to_string().contains("privileged-container"), "{response}");
    }
    let mut scale = review("UPDATE", &deployment);
    scale["request"]["subResource"] = json!("scale");
    assert_eq!(ask(&router("deny"), "/validate", &scale).await, silent());
}

#[tokio::test]
async fn only_what_changes_pods_is_judged() {
    let router = router("deny");
    for operation in ["DELETE", "CONNECT"] {
        assert_eq!(ask(&router, "/validate", &review(operation, &privileged_pod())).await, silent(), "{operation}");
    }
    for subresource in ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"] {
        let mut review = review("CREATE", &privileged_pod());
        review["request"]["subResource"] = json!(subresource);
        assert_eq!(ask(&router, "/validate", &review).await, silent(), "{subresource}");
    }
    for subresource in ["ephemeralcontainers", "resize", "unheard-of"] {
        let mut review = review("UPDATE", &privileged_pod());
        review["request"]["subResource"] = json!(subresource);
        assert_eq!(ask(&router, "/validate", &review).await["allowed"], false, "{subresource}");
    }
    let mut options = review("CREATE", &json!({"apiVersion": "v1", "kind": "Pod"}));
    options["request"]["subResource"] = json!("unheard-of");
    options["request"]["object"] = json!({"apiVersion": "v1", "kind": "PodOptions"});
    assert_eq!(ask(&router, "/validate", &options).await, silent());
    let mut own = review("CREATE", &privileged_pod());
    own["request"]["namespace"] = json!("buttress-system");
    assert_eq!(ask(&router, "/validate", &own).await, silent());
}

#[tokio::test]
async fn a_privileged_debug_container_is_refused() {
    let mut old = privileged_pod();
    old["spec"]["containers"][0].as_object_mut().unwrap().remove("securityContext");
    let mut new = old.clone();
    new["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "registry.example.com/tools/shell:1.2", "securityContext": {"privileged": true}}]);
    let mut review = review("UPDATE", &new);
    review["request"]["subResource"] = json!("ephemeralcontainers");
    review["request"]["oldObject"] = old;
    let response = ask(&router("deny"), "/validate", &review).await;
    assert!(response["status"]["message"].as_str().unwrap().contains("/spec/ephemeralContainers/0"), "{response}");
}

#[tokio::test]
async fn an_update_is_not_refused_for_what_was_there() {
    let router = router("deny");
    let old = privileged_pod();
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"touched": "yes"});
    let mut update = review("UPDATE", &new);
    update["request"]["oldObject"] = old.clone();
    assert_eq!(ask(&router, "/validate", &update).await["allowed"], true);
    // One more of the same is new.
    let mut worse = old.clone();
    worse["spec"]["hostNetwork"] = json!(true);
    update["request"]["object"] = worse;
    let response = ask(&router, "/validate", &update).await;
    assert_eq!(response["auditAnnotations"]["denied"], "host-namespaces");
}

#[tokio::test]
async fn a_pod_on_its_way_out_may_lose_its_finalizers_and_nothing_else() {
    let router = router("deny");
    let mut old = gpu_pod();
    old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    old["metadata"]["finalizers"] = json!(["example.com/wait"]);
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!([]);
    new["metadata"]["resourceVersion"] = json!("2");
    let mut update = review("UPDATE", &new);
    update["request"]["oldObject"] = old;
    assert_eq!(ask(&router, "/validate", &update).await, silent());
    update["request"]["object"]["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    assert_eq!(ask(&router, "/validate", &update).await["allowed"], false);
}

#[tokio::test]
async fn only_the_kubelet_makes_mirror_pods() {
    let router = router("deny");
    let mut pod = privileged_pod();
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let mut review = review("CREATE", &pod);
    assert_eq!(ask(&router, "/validate", &review).await["allowed"], false);
    review["request"]["userInfo"]["username"] = json!("system:node:worker-1");
    assert_eq!(ask(&router, "/validate", &review).await, silent());
}

/// A pod that was let in before anybody judged it, too large and with errors of its own.
fn oversized_pod(by: &str) -> Value {
    let mut pod = privileged_pod();
    match by {
        "containers" => {
            let named = |n: usize| json!({"name": format!("c{n}"), "image": "registry.example.com/tools/shell:1.2", "securityContext": {"privileged": true}});
            pod["spec"]["containers"] = (0..300).map(named).collect();
        }
        "env" => {
            pod["spec"]["containers"][0]["env"] =
                (0..20_000).map(|n| json!({"name": format!("K{n}"), "value": ""})).collect();
        }
        "annotations" => {
            pod["metadata"]["annotations"] = (0..20_000).map(|n| (format!("k{n}"), json!(""))).collect();
        }
        _ => pod["spec"]["volumes"] = (0..20_000).map(|n| json!({"name": format!("v{n}"), "emptyDir": {}})).collect(),
    }
    pod
}

#[tokio::test]
async fn a_pod_that_is_too_large_may_change_but_covers_nothing_new() {
    for by in ["containers", "env", "annotations", "volumes"] {
        let old = oversized_pod(by);
        let update = |change: &dyn Fn(&mut Value)| {
            let mut new = old.clone();
            change(&mut new);
            let mut update = review("UPDATE", &new);
            update["request"]["oldObject"] = old.clone();
            update
        };
        let debug = |privileged: bool| {
            update(&move |pod: &mut Value| {
                pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "registry.example.com/tools/shell:1.2",
                    "securityContext": {"privileged": privileged}}]);
            })
        };
        let response = ask(&router("deny"), "/validate", &debug(true)).await;
        let message = response["status"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("1 error; privileged-container"), "{by} {response}");
        assert!(message.contains("/spec/ephemeralContainers/0"), "{by} {message}");
        assert_eq!(response["auditAnnotations"]["oversized"], "deny");
        let network = update(&|pod| pod["spec"]["hostNetwork"] = json!(true));
        let response = ask(&router("deny"), "/validate", &network).await;
        assert_eq!(response["auditAnnotations"]["denied"], "host-namespaces", "{by} {response}");
        let label = update(&|pod| pod["metadata"]["labels"] = json!({"touched": "yes"}));
        let image =
            update(&|pod| pod["spec"]["containers"][0]["image"] = json!("registry.example.com/tools/shell:1.3"));
        for harmless in [debug(false), label, image] {
            let response = ask(&router("deny"), "/validate", &harmless).await;
            assert_eq!(response["allowed"], true, "{by} {response}");
            assert!(response["warnings"][0].as_str().unwrap().contains("only what is new"), "{by} {response}");
        }
        let response = ask(&router("observe"), "/validate", &debug(true)).await;
        assert!(response["allowed"] == true && response.get("warnings").is_none(), "{by} {response}");
        assert_eq!(response["auditAnnotations"]["would-deny"], "privileged-container", "{by} {response}");
    }
}

#[tokio::test]
async fn only_the_controller_of_daemon_sets_makes_agents_of_nodes() {
    let mut pod = privileged_pod();
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "plugin", "uid": "1", "controller": true}]);
    let mut review = review("CREATE", &pod);
    for user in [
        "alice",
        "system:serviceaccount:ml:daemon-set-controller",
        "system:serviceaccount:kube-system:replicaset-controller",
    ] {
        review["request"]["userInfo"]["username"] = json!(user);
        let response = ask(&router("deny"), "/validate", &review).await;
        assert_eq!(response["auditAnnotations"]["denied"], "privileged-container", "{user} {response}");
    }
    review["request"]["userInfo"]["username"] = json!("system:serviceaccount:kube-system:daemon-set-controller");
    let response = ask(&router("deny"), "/validate", &review).await;
    assert_eq!(response["allowed"], true, "{response}");
}

#[tokio::test]
async fn hostile_names_reach_no_header() {
    let evil = "x\r\nX-Injected: yes\u{1b}[31m\u{202e}\u{0}";
    let mut pod = privileged_pod();
    pod["metadata"]["name"] = json!(evil);
    let container = |n: usize| json!({"name": format!("{evil}{n}{}", "é".repeat(3000)), "image": format!("{evil}/a:latest"), "securityContext": {"privileged": true}});
    pod["spec"]["containers"] = (0..100).map(container).collect();
    for enforcement in ["warn", "deny"] {
        let response = ask(&router(enforcement), "/validate", &review("CREATE", &pod)).await;
        let text = response.to_string();
        assert!(!text.contains("\\r") && !text.contains("\\u001b") && !text.contains('\u{202e}'), "{text}");
        if enforcement == "warn" {
            let warnings = response["warnings"].as_array().unwrap();
            assert!(warnings.last().unwrap().as_str().unwrap().contains("more; run `buttress lint`"), "{warnings:?}");
        } else {
            assert!(response["status"]["message"].as_str().unwrap().chars().count() < 20_000);
        }
    }
}

#[tokio::test]
async fn env_values_are_never_told() {
    for enforcement in ["observe", "warn", "deny"] {
        let mut pod = gpu_pod();
        pod["spec"]["containers"][0]["env"] =
            json!([{"name": "HF_TOKEN", "value": "hf_abcdefghijklmnopqrstuvwxyz0123456789"}]);
        pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
        for path in ["/mutate", "/validate"] {
            let response = ask(&router(enforcement), path, &review("CREATE", &pod)).await;
            assert!(!response.to_string().contains("hf_abcdef"), "{response}");
        }
    }
}

#[tokio::test]
async fn generated_names_are_told_as_such() {
    let mut pod = privileged_pod();
    pod["metadata"] = json!({"generateName": "bad-", "namespace": "ml"});
    let response = ask(&router("deny"), "/validate", &review("CREATE", &pod)).await;
    assert!(
        response["status"]["message"].as_str().unwrap().starts_with("Buttress refuses Pod ml/bad-*: "),
        "{response}"
    );
}
