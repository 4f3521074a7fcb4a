//! What a namespace allows: a pod that is made without Buttress is made with it, however generous the Policy is.

use buttress_tests::cluster::{Cluster, Registration, Webhook, WebhookOptions, shared};
use serde_json::{Value, json};

use crate::support::{injected, llm_pod, pods_of};

/// Two namespaces of the same contents: one that Buttress knows nothing of, and one where a webhook puts in sizes that are
/// more than anything here allows.
struct Pair {
    without: String,
    with: String,
    webhook: Webhook,
}

impl Pair {
    /// Makes both, with `objects` in them. The webhook starts last, so that it has seen them when it is ready.
    async fn new(cluster: &Cluster, objects: &str) -> Self {
        cluster.install_policies().await;
        let (without, with) = (cluster.namespace("without").await, cluster.namespace("limited").await);
        for namespace in [&without, &with].into_iter().filter(|_| !objects.is_empty()) {
            cluster.apply(namespace, objects).await;
        }
        let policy = format!(
            "
apiVersion: buttress.dev/v1alpha1
kind: Policy
metadata: {{name: {with}}}
spec:
  namespaces: [{with}]
  enforcement: warn
  injection:
    sizes: {{inference: {{cpu: '4', memory: 16Gi}}}}
    memoryLimit: {{factor: 2}}
"
        );
        cluster.apply("default", &policy).await;
        let options =
            WebhookOptions::default().named(&with).with_kubeconfig(cluster.kubeconfig()).with_flags(["--watch"]);
        let webhook = Webhook::start(cluster, options).await;
        Registration::new(&with, &[&with]).apply(cluster, &webhook).await;
        Self { without, with, webhook }
    }

    /// What becomes of a pod in both.
    async fn create(&self, cluster: &Cluster, pod: &Value) -> (Result<Value, String>, Result<Value, String>) {
        let without = cluster.create(&pods_of(&self.without), pod).await;
        let with = cluster.create(&pods_of(&self.with), pod).await;
        (without, with)
    }
}

/// A model server with these resources besides its accelerator.
fn server(resources: Value) -> Value {
    let mut pod = llm_pod("llm");
    let container = &mut pod["spec"]["containers"][0];
    container["args"] = json!(["--model=Qwen/Qwen3-0.6B"]);
    container["resources"] = resources;
    container["resources"]["limits"]["nvidia.com/gpu"] = json!(1);
    pod
}

fn resources(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]["resources"]
}

#[tokio::test]
async fn where_nothing_is_limited_the_sizes_of_the_policy_go_in() {
    let cluster = shared().await;
    let pair = Pair::new(&cluster, "").await;
    let (without, with) = pair.create(&cluster, &server(json!({}))).await;
    assert!(resources(&without.unwrap())["requests"].get("memory").is_none());
    let with = with.unwrap();
    assert_eq!(resources(&with)["requests"], json!({"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}));
    assert!(injected(&with).contains(&"missing-requests".to_owned()), "{with}");
}

#[tokio::test]
async fn what_a_limit_range_gives_is_kept() {
    let cluster = shared().await;
    let range = "
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Container, default: {cpu: '2', memory: 8Gi}, defaultRequest: {cpu: '1', memory: 4Gi}}]}
";
    let pair = Pair::new(&cluster, range).await;
    let (without, with) = pair.create(&cluster, &server(json!({}))).await;
    assert_eq!(resources(&without.unwrap()), resources(&with.unwrap()));
}

#[tokio::test]
async fn the_most_that_a_limit_range_allows_a_pod_is_not_passed() {
    let cluster = shared().await;
    let range = "
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Pod, max: {memory: 12Gi}}]}
";
    let pair = Pair::new(&cluster, range).await;
    // There has to be a limit in the pod, and the sidecar has it.
    let mut pod = server(json!({}));
    let sidecar =
        json!({"name": "metrics", "image": "nginx:1.29.3", "resources": {"limits": {"memory": "1Gi", "cpu": "1"}}});
    pod["spec"]["containers"].as_array_mut().unwrap().push(sidecar);
    let (without, with) = pair.create(&cluster, &pod).await;
    without.unwrap();
    let with = with.unwrap_or_else(|refused| panic!("{refused}\n{}", pair.webhook.process().tail()));
    assert!(injected(&with).contains(&"missing-startup-probe".to_owned()), "the rest is repaired: {with}");
}

#[tokio::test]
async fn a_quota_that_does_not_count_the_pod_does_not_come_to_count_it() {
    let cluster = shared().await;
    let quota = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: only-best-effort}
spec: {hard: {pods: '0'}, scopes: [NotBestEffort]}
";
    let pair = Pair::new(&cluster, quota).await;
    let (without, with) = pair.create(&cluster, &server(json!({}))).await;
    assert_eq!(without.unwrap()["status"]["qosClass"], "BestEffort");
    let with = with.unwrap_or_else(|refused| panic!("{refused}\n{}", pair.webhook.process().tail()));
    assert_eq!(with["status"]["qosClass"], "BestEffort");
    assert!(injected(&with).contains(&"missing-startup-probe".to_owned()), "the rest is repaired: {with}");
}

#[tokio::test]
async fn a_quota_that_wants_requests_is_met_because_of_us() {
    let cluster = shared().await;
    let quota = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: compute}
spec: {hard: {requests.cpu: '8', requests.memory: 64Gi}}
";
    let pair = Pair::new(&cluster, quota).await;
    let (without, with) = pair.create(&cluster, &server(json!({}))).await;
    let refused = without.unwrap_err();
    assert!(refused.contains("must specify requests.cpu"), "{refused}");
    assert_eq!(resources(&with.unwrap())["requests"]["memory"], "16Gi");
}

#[tokio::test]
async fn a_memory_limit_is_left_out_where_the_pod_may_not_have_it() {
    let cluster = shared().await;
    let range = "
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Pod, max: {memory: 20Gi}}]}
";
    let pair = Pair::new(&cluster, range).await;
    // Twice the request would be more than the pod may have, once the sidecar is counted.
    let mut pod = server(json!({"requests": {"cpu": "1", "memory": "10Gi"}}));
    let sidecar =
        json!({"name": "metrics", "image": "nginx:1.29.3", "resources": {"limits": {"memory": "1Gi", "cpu": "1"}}});
    pod["spec"]["containers"].as_array_mut().unwrap().push(sidecar);
    let (without, with) = pair.create(&cluster, &pod).await;
    without.unwrap();
    let with = with.unwrap_or_else(|refused| panic!("{refused}\n{}", pair.webhook.process().tail()));
    assert!(resources(&with)["limits"].get("memory").is_none(), "{with}");
}
