//! `POST /mutate`: what is repaired, by which patch, and what is left alone.

mod support;

use buttress_policies::path::Path;
use serde_json::{Value, json};
use support::{ask, gpu_pod, operations, patched, privileged_pod, review, router};

const INJECTED: &str = "/metadata/annotations/buttress.dev~1injected";

#[tokio::test]
async fn a_pod_gets_its_repairs_and_an_annotation_that_tells_of_them() {
    let router = router("warn");
    let pod = gpu_pod();
    let response = ask(&router, "/mutate", &review("CREATE", &pod)).await;
    assert_eq!(response["allowed"], true);
    assert!(response.get("auditAnnotations").is_none());
    let stored = patched(&pod, &response);
    let toleration = json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"});
    assert!(stored["spec"]["tolerations"].as_array().unwrap().contains(&toleration), "{stored:#}");
    let annotation: Value = serde_json::from_str(stored.pointer(INJECTED).unwrap().as_str().unwrap()).unwrap();
    assert_eq!(annotation["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(annotation["policy"], json!(["test"]));
    let repairs = annotation["repairs"].as_array().unwrap();
    assert!(repairs.iter().any(|repair| repair["rule"] == "gpu-toleration-missing"), "{repairs:?}");
    assert!(!annotation.to_string().contains("do-not-print-me"));
}

/// Of the pods of a DaemonSet the probes are decided at their source: so they are no repair of ours.
#[tokio::test]
async fn a_claim_to_belong_to_a_daemon_set_is_believed_of_its_controller_only() {
    let router = router("warn");
    let mut pod = gpu_pod();
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "plugin", "uid": "1", "controller": true}]);
    let mut review = review("CREATE", &pod);
    let mut probed = |user: &str| {
        review["request"]["userInfo"]["username"] = json!(user);
        let (router, review, pod) = (router.clone(), review.clone(), pod.clone());
        async move {
            let stored = patched(&pod, &ask(&router, "/mutate", &review).await);
            assert_eq!(stored["metadata"]["ownerReferences"], pod["metadata"]["ownerReferences"]);
            stored["spec"]["containers"][0].get("startupProbe").is_some()
        }
    };
    assert!(probed("alice").await);
    assert!(!probed("system:serviceaccount:kube-system:daemon-set-controller").await);
}

#[tokio::test]
async fn the_same_request_gets_the_same_bytes() {
    let router = router("warn");
    let body = review("CREATE", &gpu_pod()).to_string();
    let (_, first) = support::send(&router, "/mutate", body.clone()).await;
    let (_, second) = support::send(&router, "/mutate", body).await;
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_repaired_pod_is_left_alone() {
    let router = router("warn");
    let pod = gpu_pod();
    let stored = patched(&pod, &ask(&router, "/mutate", &review("CREATE", &pod)).await);
    let again = ask(&router, "/mutate", &review("CREATE", &stored)).await;
    assert!(again.get("patch").is_none(), "{again:#}");
    assert_eq!(again, json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true}));
}

#[tokio::test]
async fn a_second_call_keeps_what_the_first_one_told() {
    let router = router("warn");
    let pod = gpu_pod();
    let mut stored = patched(&pod, &ask(&router, "/mutate", &review("CREATE", &pod)).await);
    // Another webhook took the tolerations away in between, and we are called again.
    stored["spec"].as_object_mut().unwrap().remove("tolerations");
    let again = patched(&stored, &ask(&router, "/mutate", &review("CREATE", &stored)).await);
    let told =
        |pod: &Value| -> Value { serde_json::from_str(pod.pointer(INJECTED).unwrap().as_str().unwrap()).unwrap() };
    let first = told(&stored);
    for repair in first["repairs"].as_array().unwrap() {
        assert!(told(&again)["repairs"].as_array().unwrap().contains(repair), "{repair}");
    }
}

#[tokio::test]
async fn a_forged_annotation_tells_nothing_once_we_write_it() {
    let mut pod = gpu_pod();
    pod["metadata"]["annotations"] =
        json!({"buttress.dev/injected": r#"{"version":"9","repairs":[{"rule":"made-up","path":"/spec"}]}"#});
    let stored = patched(&pod, &ask(&router("warn"), "/mutate", &review("CREATE", &pod)).await);
    let annotation = stored.pointer(INJECTED).unwrap().as_str().unwrap();
    assert!(!annotation.contains("made-up") && annotation.contains("gpu-toleration-missing"), "{annotation}");
}

#[tokio::test]
async fn only_pods_that_are_made_are_changed() {
    let router = router("warn");
    for operation in ["UPDATE", "DELETE", "CONNECT"] {
        let response = ask(&router, "/mutate", &review(operation, &gpu_pod())).await;
        assert_eq!(response, json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true}), "{operation}");
    }
    for subresource in ["ephemeralcontainers", "resize", "status", "binding", "eviction", "exec", "unheard-of"] {
        let mut review = review("CREATE", &gpu_pod());
        review["request"]["subResource"] = json!(subresource);
        let response = ask(&router, "/mutate", &review).await;
        assert!(response["allowed"] == true && response.get("patch").is_none(), "{subresource}");
    }
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm", "namespace": "ml"},
        "spec": {"replicas": 1, "template": {"spec": gpu_pod()["spec"]}}});
    assert!(ask(&router, "/mutate", &review("CREATE", &deployment)).await.get("patch").is_none());
    let other =
        json!({"apiVersion": "example.com/v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": gpu_pod()["spec"]});
    assert!(ask(&router, "/mutate", &review("CREATE", &other)).await.get("patch").is_none());
}

#[tokio::test]
async fn mirror_pods_and_our_own_namespace_are_left_alone() {
    let router = router("deny");
    let mut pod = gpu_pod();
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert!(ask(&router, "/mutate", &review("CREATE", &pod)).await.get("patch").is_none());
    let mut review = review("CREATE", &gpu_pod());
    review["request"]["namespace"] = json!("buttress-system");
    assert!(ask(&router, "/mutate", &review).await.get("patch").is_none());
}

#[tokio::test]
async fn without_a_policy_nothing_is_changed() {
    let response = ask(&router("observe"), "/mutate", &review("CREATE", &gpu_pod())).await;
    assert_eq!(response, json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true}));
}

#[tokio::test]
async fn pods_without_a_name_are_pods_too() {
    let router = router("warn");
    for metadata in [
        json!({"generateName": "llm-", "namespace": "ml"}),
        json!({"name": "", "generateName": "llm-"}),
        json!({}),
        Value::Null,
    ] {
        let mut pod = gpu_pod();
        pod["metadata"] = metadata;
        let mut review = review("CREATE", &pod);
        review["request"]["name"] = json!("");
        review["request"]["namespace"] = json!("ml");
        let response = ask(&router, "/mutate", &review).await;
        assert!(!operations(&response).is_empty());
        assert!(patched(&pod, &response).pointer(INJECTED).is_some());
    }
    let mut pod = gpu_pod();
    pod.as_object_mut().unwrap().remove("metadata");
    let response = ask(&router, "/mutate", &review("CREATE", &pod)).await;
    assert!(patched(&pod, &response).pointer(INJECTED).is_some());
}

#[tokio::test]
async fn nulls_count_as_absent_and_names_with_slashes_and_tildes_survive() {
    let router = router("warn");
    let mut pod = gpu_pod();
    pod["metadata"]["annotations"] = Value::Null;
    pod["metadata"]["labels"] = json!({"a/b": "1", "c~d": "2", "e~1f": "3"});
    pod["spec"]["tolerations"] = Value::Null;
    pod["spec"]["volumes"] = Value::Null;
    pod["spec"]["initContainers"] = Value::Null;
    pod["spec"]["containers"][0]["resources"] = json!({"limits": null, "requests": {"nvidia.com/gpu": "1"}});
    let response = ask(&router, "/mutate", &review("CREATE", &pod)).await;
    let stored = patched(&pod, &response);
    assert_eq!(stored["metadata"]["labels"], pod["metadata"]["labels"]);
    assert!(stored["spec"]["tolerations"].is_array());
    assert!(stored.pointer(INJECTED).is_some());
    for operation in operations(&response) {
        // No parent is missing, because each was added or was there.
        let path = Path::parse(operation["path"].as_str().unwrap());
        assert!(path.parent().unwrap().get(&stored).is_some(), "{operation}");
    }
}

#[tokio::test]
async fn what_the_author_wrote_is_kept() {
    let router = router("warn");
    let mut pod = gpu_pod();
    pod["spec"]["tolerations"] = json!([{"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}]);
    pod["spec"]["fieldOfTomorrow"] = json!({"kept": [1, 2.5, null, "x"]});
    pod["metadata"]["annotations"] = json!({"mine": "yes"});
    let response = ask(&router, "/mutate", &review("CREATE", &pod)).await;
    let stored = patched(&pod, &response);
    assert_eq!(stored["spec"]["tolerations"][0], pod["spec"]["tolerations"][0]);
    assert_eq!(stored["spec"]["fieldOfTomorrow"], pod["spec"]["fieldOfTomorrow"]);
    assert_eq!(stored["metadata"]["annotations"]["mine"], "yes");
    assert_eq!(stored["spec"]["containers"][0]["env"], pod["spec"]["containers"][0]["env"]);
    let appended = operations(&response).iter().any(|operation| operation["path"] == "/spec/tolerations/-");
    assert!(appended, "{:?}", operations(&response));
}

#[tokio::test]
async fn the_namespace_of_the_request_counts() {
    let settings =
        buttress_review::Settings::new(vec![support::policy(json!({"namespaces": ["ml"], "enforcement": "warn"}))]);
    let router = buttress_webhook::app(buttress_webhook::State::new(settings, buttress_webhook::Options::default()));
    let mut pod = gpu_pod();
    pod["metadata"]["namespace"] = json!("elsewhere");
    let mut inside = review("CREATE", &pod);
    inside["request"]["namespace"] = json!("ml");
    let response = ask(&router, "/mutate", &inside).await;
    assert_eq!(patched(&pod, &response)["metadata"]["namespace"], "elsewhere");
    let outside = review("CREATE", &pod);
    assert!(ask(&router, "/mutate", &outside).await.get("patch").is_none());
}

#[tokio::test]
async fn a_pod_with_nothing_to_repair_gets_neither_patch_nor_annotation() {
    let response = ask(&router("deny"), "/mutate", &review("CREATE", &privileged_pod())).await;
    assert_eq!(response, json!({"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true}));
}

#[tokio::test]
async fn more_containers_than_any_pod_has_are_let_pass_with_a_warning() {
    let mut pod = gpu_pod();
    let container = pod["spec"]["containers"][0].clone();
    pod["spec"]["containers"] = Value::Array(vec![container; 3000]);
    let response = ask(&router("warn"), "/mutate", &review("CREATE", &pod)).await;
    assert!(response["allowed"] == true && response.get("patch").is_none());
    assert!(response["warnings"][0].as_str().unwrap().contains("more than"), "{response}");
}

#[tokio::test]
async fn fields_of_the_wrong_type_are_no_reason_to_fail() {
    let router = router("deny");
    for spec in [
        json!(5),
        json!({"containers": "x"}),
        json!({"containers": [5, null, {"image": 7}], "tolerations": "no", "volumes": {}}),
        json!(null),
    ] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "ml", "labels": 5, "annotations": []}, "spec": spec});
        assert_eq!(ask(&router, "/mutate", &review("CREATE", &pod)).await["allowed"], true);
        ask(&router, "/validate", &review("CREATE", &pod)).await;
    }
}
