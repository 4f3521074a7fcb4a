//! The cluster of the tests by itself: what the proofs build on is as in any cluster.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use buttress_tests::cluster::{
    Cluster, Options, Registration, Webhook, WebhookOptions, eventually, free_port, holds, host_address, shared,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
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

#[tokio::test]
async fn the_api_server_comes_back_on_its_port_with_all_it_knew() {
    let cluster = Cluster::start(Options::default()).await;
    let namespace = cluster.namespace("before").await;
    let client = cluster.client().await;
    let before = cluster.api_server().id();
    cluster.api_server().restart();
    assert_ne!(cluster.api_server().id(), before);
    cluster.ready().await;
    let namespaces: Api<Namespace> = Api::all(client);
    eventually("the client of before is served again", async || namespaces.get_opt(&namespace).await.ok()?).await;
}

#[tokio::test]
async fn a_service_account_may_do_what_its_roles_allow_and_no_more() {
    let cluster = shared().await;
    let namespace = cluster.namespace("account").await;
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default}]
";
    cluster.apply(&namespace, role).await;
    let kubeconfig = cluster.service_account_kubeconfig(&namespace, "default").await;
    let pods: Api<Pod> = Api::namespaced(cluster.client_of(&kubeconfig).await, &namespace);
    eventually("the role is in force", async || pods.list(&ListParams::default()).await.ok()).await;
    let output = cluster.kubectl_as(&kubeconfig, &["get", "secrets", "-n", &namespace], "").await;
    let user = format!("User \"system:serviceaccount:{namespace}:default\" cannot list resource \"secrets\"");
    assert!(!output.success && output.stderr.contains(&user), "{}", output.stderr);
}

#[tokio::test]
async fn a_webhook_behind_a_service_is_called_without_leaving_the_machine() {
    let Some(host) = host_address() else {
        panic!("no interface but loopback: add a dummy one, `ip link add dummy0 type dummy` and an address on it");
    };
    let cluster = Cluster::start(Options::default().with_aggregator_routing()).await;
    let namespace = cluster.namespace("service").await;
    let name = format!("webhook.{namespace}.svc");
    let options = WebhookOptions::default().serving_as(&[&name]).listening_on((host, free_port()).into()).with_policy(
        "{apiVersion: buttress.dev/v1alpha1, kind: Policy, metadata: {name: warn}, spec: {enforcement: warn}}",
    );
    let webhook = Webhook::start(&cluster, options).await;
    cluster.serve_at(&namespace, "webhook", 443, webhook.address()).await;
    Registration::new("by-service", &[&namespace]).by_service(&namespace, "webhook").apply(&cluster, &webhook).await;
}

#[tokio::test]
async fn nothing_outlives_a_test_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    // This test binary once more, as a process that can be killed while a cluster of it runs.
    let told = folder.path().join("told");
    let mut inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::inner::a_cluster_that_stays", "--ignored"])
        .env("BUTTRESS_TELL", &told)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let facts = eventually("the inner test tells of its cluster", async || {
        let text = std::fs::read_to_string(&told).ok()?;
        text.ends_with('\n').then_some(text)
    })
    .await;
    let (cluster, pids) = facts.trim_end().split_once(' ').unwrap();
    assert!(pids.split(' ').count() == 4 && pids.split(' ').all(is_alive) && Path::new(cluster).is_dir());
    inner.kill().unwrap();
    inner.wait().unwrap();
    eventually("its processes end", async || (!pids.split(' ').any(is_alive)).then_some(())).await;
    eventually("its folder goes", async || (!Path::new(cluster).exists()).then_some(())).await;
}

/// Whether there is a process of this id that is no mere remainder.
fn is_alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains("Z (zombie)"))
}

mod inner {
    use super::{Cluster, Options};

    /// Told where, tells of its cluster and waits to be killed. Only of use to the test above.
    #[tokio::test]
    #[ignore = "started by nothing_outlives_a_test_process_that_is_killed"]
    async fn a_cluster_that_stays() {
        let Some(tell) = std::env::var_os("BUTTRESS_TELL") else { return };
        let cluster = Cluster::start(Options::default()).await;
        let processes = [cluster.etcd(), cluster.api_server(), cluster.controller_manager(), cluster.scheduler()];
        let pids: Vec<String> = processes.iter().map(|process| process.id().to_string()).collect();
        std::fs::write(tell, format!("{} {}\n", cluster.folder().display(), pids.join(" "))).unwrap();
        std::future::pending::<()>().await;
    }
}
