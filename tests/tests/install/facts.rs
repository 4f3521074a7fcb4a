//! What is known of other objects of a cluster reaches verdicts, and a loss of it is never taken for their absence.

use buttress_tests::cluster::eventually;
use serde_json::{Value, json};

use crate::support::{apply_policy, cluster, namespace, refuses, settles, webhook};

const SIZED: &str = "{enforcement: warn, injection: {sizes: {inference: {cpu: \"2\", memory: 8Gi}}}}";

fn server(name: &str) -> String {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{
            "name": "server", "image": "vllm/vllm-openai-cpu:v0.11.0", "args": ["--model", "facebook/opt-125m"]}]}}}})
    .to_string()
}

/// The requests of the pods of a Deployment, once they are there.
async fn requests(cluster: &buttress_tests::cluster::Cluster, namespace: &str, name: &str) -> Value {
    eventually(&format!("{name} has a pod"), async || {
        let got = cluster.kubectl(&["get", "pods", "-n", namespace, "-l", &format!("app={name}"), "-o", "json"]).await;
        let pods: Value = serde_json::from_str(&got.stdout).ok()?;
        let pod = pods["items"].as_array()?.first()?.clone();
        Some(pod["spec"]["containers"][0]["resources"]["requests"].clone())
    })
    .await
}

#[tokio::test]
async fn requests_are_set_unless_an_autoscaler_goes_by_them() {
    let cluster = cluster().await;
    let webhook = webhook(&cluster, "webhook").await;
    let ml = namespace(&cluster, &webhook, "ml").await;
    apply_policy(&cluster, "a", SIZED).await;
    // The autoscaler is there before the Deployment, and targets it by name: its pods come by a ReplicaSet.
    let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "scaled"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}, "minReplicas": 1, "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}});
    cluster.apply(&ml, &hpa.to_string()).await;
    eventually("pods of a new Deployment get requests", async || {
        let name = format!(
            "probe-{}",
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
        );
        cluster.apply(&ml, &server(&name)).await;
        (requests(&cluster, &ml, &name).await["memory"] == "8Gi").then_some(())
    })
    .await;
    cluster.apply(&ml, &server("scaled")).await;
    let scaled = requests(&cluster, &ml, "scaled").await;
    assert!(scaled["cpu"].is_null(), "the autoscaler measures against a request that nobody chose: {scaled}");
}

#[tokio::test]
async fn the_level_of_a_namespace_counts_as_its_label_says() {
    let cluster = cluster().await;
    let webhook = webhook(&cluster, "webhook").await;
    let ml = namespace(&cluster, &webhook, "ml").await;
    apply_policy(&cluster, "a", "{enforcement: deny}").await;
    settles(&cluster, &ml, true).await;
    let root = "apiVersion: v1\nkind: Pod\nmetadata: {name: root}\nspec:\n  containers:\n  - name: shell\n    image: registry.example.com/tools/shell:1.2\n";
    let refused = async || refuses(&cluster, &ml, root, "root-user").await;
    assert!(!refused().await, "neither the Policy nor the namespace names a level");
    let label = async |level: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        let labelled = cluster.kubectl(&["label", "--overwrite", "namespace", &ml, &label]).await;
        assert!(labelled.success, "{}", labelled.stderr);
    };
    label("restricted").await;
    eventually("the level of the namespace counts", async || refused().await.then_some(())).await;
    label("baseline").await;
    eventually("the new level of the namespace counts", async || (!refused().await).then_some(())).await;
}
