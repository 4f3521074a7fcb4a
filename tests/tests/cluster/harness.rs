//! The cluster of the tests by itself: what the proofs build on is as in any cluster.

use std::time::Duration;

use buttress_tests::cluster::{eventually, holds, shared};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

const PLAIN: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'nginx:1.29.3'}]}
";

#[tokio::test]
async fn pods_of_a_deployment_run_on_kwok_nodes() {
    let cluster = shared().await;
    let namespace = cluster.namespace("harness").await;
    cluster.apply(&namespace, PLAIN).await;
    let pods: Api<Pod> = Api::namespaced(cluster.client().await, &namespace);
    eventually("two pods run", async || {
        let pods = pods.list(&ListParams::default()).await.ok()?;
        let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
        (pods.items.len() == 2 && pods.items.iter().all(|pod| phase(pod).as_deref() == Some("Running"))).then_some(())
    })
    .await;
    let output = cluster.kubectl(&["rollout", "status", "-n", &namespace, "deployment/web", "--timeout=60s"]).await;
    assert!(output.success, "{}", output.stderr);
}

#[tokio::test]
async fn a_gpu_pod_without_a_toleration_stays_pending() {
    let cluster = shared().await;
    let namespace = cluster.namespace("harness").await;
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: gpu}
spec: {containers: [{name: c, image: 'i:1', resources: {limits: {nvidia.com/gpu: 1}}}]}
";
    cluster.apply(&namespace, pod).await;
    let pods: Api<Pod> = Api::namespaced(cluster.client().await, &namespace);
    let unschedulable = |pod: Pod| {
        let conditions = pod.status?.conditions?;
        let condition = conditions.into_iter().find(|condition| condition.type_ == "PodScheduled")?;
        (condition.status == "False").then_some(condition.message.unwrap_or_default())
    };
    let message = eventually("the scheduler gives up", async || unschedulable(pods.get("gpu").await.ok()?)).await;
    assert!(message.contains("nvidia.com/gpu") && message.contains("untolerated taint"), "{message}");
    holds("it stays pending", Duration::from_secs(1), async || {
        pods.get("gpu").await.is_ok_and(|pod| pod.spec.is_some_and(|spec| spec.node_name.is_none()))
    })
    .await;
}
