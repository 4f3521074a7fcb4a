//! Other webhooks in the chain: before ours and after it.

use buttress_tests::cluster::{Neighbour, Registration, Webhook, WebhookOptions, shared};
use serde_json::{Value, json};

use crate::support::{WARN, injected, llm_pod, pods_of};

/// What a service mesh does to a pod: its proxy comes in, and the probes that are there are sent through it.
fn mesh(pod: &Value) -> Value {
    let containers = pod["spec"]["containers"].as_array().unwrap();
    if containers.iter().any(|container| container["name"] == "istio-proxy") {
        return json!([]);
    }
    let mut patch = vec![json!({"op": "add", "path": "/spec/containers/-", "value":
        {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.28.0"}})];
    for (number, container) in containers.iter().enumerate() {
        if container["startupProbe"]["httpGet"].is_object() {
            let path = format!("/spec/containers/{number}/startupProbe/httpGet");
            let value = json!({"path": "/app-health/server/startupz", "port": 15020, "scheme": "HTTP"});
            patch.push(json!({"op": "replace", "path": path, "value": value}));
        }
    }
    Value::Array(patch)
}

#[tokio::test]
async fn no_probe_is_put_into_a_pod_that_has_a_mesh_proxy_already() {
    let cluster = shared().await;
    let namespace = cluster.namespace("mesh-before").await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(WARN)).await;
    let _mesh = Neighbour::start(&cluster, &format!("a-mesh-{namespace}"), &namespace, mesh).await;
    Registration::new(&format!("buttress-webhook-{namespace}"), &[&namespace]).apply(&cluster, &webhook).await;

    let pod = cluster.create(&pods_of(&namespace), &llm_pod("llm")).await.unwrap();
    assert_eq!(pod["spec"]["containers"][1]["name"], "istio-proxy");
    let server = &pod["spec"]["containers"][0];
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(server[probe].is_null(), "{server}");
    }
    assert_eq!(injected(&pod), ["gpu-toleration-missing", "small-shared-memory"]);
}

#[tokio::test]
async fn a_mesh_after_us_finds_our_probes_and_keeps_the_last_word_on_them() {
    let cluster = shared().await;
    let namespace = cluster.namespace("mesh-after").await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(WARN)).await;
    let name = format!("istio-sidecar-injector-{namespace}");
    let mesh = Neighbour::start(&cluster, &name, &namespace, mesh).await;
    Registration::new(&format!("buttress-webhook-{namespace}"), &[&namespace]).apply(&cluster, &webhook).await;

    let asked = async || webhook.metric("buttress_admission_requests_total", &["webhook=\"mutate\""]).await;
    let (before, mesh_before) = (asked().await, mesh.calls());
    let pod = cluster.create(&pods_of(&namespace), &llm_pod("llm")).await.unwrap();
    assert_eq!(asked().await - before, 2.0, "once, and once more because the mesh changed the pod");
    assert!(mesh.calls() > mesh_before);
    assert_eq!(pod["spec"]["containers"][1]["name"], "istio-proxy");
    let server = &pod["spec"]["containers"][0];
    assert_eq!(server["startupProbe"]["httpGet"]["path"], "/app-health/server/startupz");
    assert!(server["readinessProbe"].is_object());
    let rules = injected(&pod);
    assert!(rules.contains(&"missing-startup-probe".to_owned()), "{rules:?}");
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
    assert_eq!(tolerations.iter().filter(|toleration| toleration["key"] == "nvidia.com/gpu").count(), 1);
}

#[tokio::test]
async fn a_sidecar_injected_after_us_is_repaired_on_reinvocation() {
    let cluster = shared().await;
    let namespace = cluster.namespace("sidecar").await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(WARN)).await;
    let injector = |pod: &Value| {
        let containers = pod["spec"]["containers"].as_array().unwrap();
        if containers.iter().any(|container| container["name"] == "embedder") {
            return json!([]);
        }
        json!([{"op": "add", "path": "/spec/containers/-", "value": {
            "name": "embedder", "image": "ghcr.io/huggingface/text-embeddings-inference:1.8.2",
            "args": ["--model-id=BAAI/bge-m3"], "ports": [{"containerPort": 80}],
            "resources": {"limits": {"nvidia.com/gpu": 1}},
        }}])
    };
    let name = format!("sidecar-injector-{namespace}");
    let _injector = Neighbour::start(&cluster, &name, &namespace, injector).await;
    Registration::new(&format!("buttress-webhook-{namespace}"), &[&namespace]).apply(&cluster, &webhook).await;

    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "nginx:1.29.3"}]}});
    let pod = cluster.create(&pods_of(&namespace), &pod).await.unwrap();
    let embedder = &pod["spec"]["containers"][1];
    assert_eq!(embedder["name"], "embedder");
    assert_eq!(embedder["startupProbe"]["httpGet"]["path"], "/health", "{embedder}");
    assert!(pod["spec"]["containers"][0]["startupProbe"].is_null());
    let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
    assert!(tolerations.iter().any(|toleration| toleration["key"] == "nvidia.com/gpu"), "{tolerations:?}");
    assert!(injected(&pod).contains(&"gpu-toleration-missing".to_owned()));
}
