//! What these proofs share: a cluster that has the Policy resource, and a webhook that follows it.

use std::process::Command;

use buttress_tests::cluster::{Cluster, Options, Registration, Webhook, WebhookOptions, binary, eventually};
use serde_json::Value;

/// A cluster of its own with the Policy resource, as `buttress-webhook crd` prints it: Policies are there for the whole
/// cluster, so that tests cannot share one.
pub(crate) async fn cluster() -> Cluster {
    // Kubernetes' own check of Pod Security would answer in our place.
    let cluster = Cluster::start(Options::default().without_plugin("PodSecurity")).await;
    let crd = Command::new(binary("buttress-webhook-under-test")).arg("crd").output().unwrap();
    assert!(crd.status.success());
    let crd = String::from_utf8(crd.stdout).unwrap();
    cluster.apply("default", &crd).await;
    eventually("the API server knows Policies", async || {
        cluster.kubectl(&["get", "policies.buttress.dev"]).await.success.then_some(())
    })
    .await;
    cluster
}

/// A webhook that follows the cluster, as an administrator of it.
pub(crate) async fn webhook(cluster: &Cluster, name: &str) -> Webhook {
    let options = WebhookOptions::default().named(name).with_kubeconfig(cluster.kubeconfig()).with_flags(["--watch"]);
    Webhook::start(cluster, options).await
}

/// A namespace whose pods the webhook is asked about.
pub(crate) async fn namespace(cluster: &Cluster, webhook: &Webhook, prefix: &str) -> String {
    let namespace = cluster.namespace(prefix).await;
    Registration::new(&format!("of-{namespace}"), &[&namespace]).apply(cluster, webhook).await;
    namespace
}

/// Applies a Policy and waits until its status tells of this version.
pub(crate) async fn apply_policy(cluster: &Cluster, name: &str, spec: &str) -> Value {
    let yaml = format!("apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec: {spec}\n");
    cluster.apply("default", &yaml).await;
    eventually(&format!("the status of Policy {name} tells of its last version"), async || {
        let policy = policy(cluster, name).await;
        (policy["status"]["observedGeneration"] == policy["metadata"]["generation"]).then_some(policy)
    })
    .await
}

/// The Policy as it is now.
pub(crate) async fn policy(cluster: &Cluster, name: &str) -> Value {
    let got = cluster.kubectl(&["get", "policies.buttress.dev", name, "-o", "json"]).await;
    assert!(got.success, "{}", got.stderr);
    serde_json::from_str(&got.stdout).unwrap()
}

/// The reason of the condition Ready, and its message.
pub(crate) fn ready(policy: &Value) -> (String, String) {
    let conditions = policy["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    let text = |key: &str| ready[key].as_str().unwrap().to_owned();
    (text("reason"), text("message"))
}

/// What kubectl says of a privileged pod that is tried in `namespace` and not stored: refused or not.
pub(crate) async fn refuses_privileged(cluster: &Cluster, namespace: &str) -> bool {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: privileged}\nspec:\n  containers:\n  - name: shell\n    image: registry.example.com/tools/shell:1.2\n    securityContext: {privileged: true}\n";
    refuses(cluster, namespace, pod, "privileged-container").await
}

/// Whether a pod that is tried in `namespace` and not stored is refused, which must be for `rule`.
pub(crate) async fn refuses(cluster: &Cluster, namespace: &str, pod: &str, rule: &str) -> bool {
    let tried = cluster.kubectl_with(&["create", "-n", namespace, "--dry-run=server", "-f", "-"], pod).await;
    assert!(tried.success || tried.stderr.contains(rule), "{}", tried.stderr);
    !tried.success
}

/// Waits until privileged pods of `namespace` are refused, or are not.
pub(crate) async fn settles(cluster: &Cluster, namespace: &str, refused: bool) {
    eventually(&format!("privileged pods of {namespace} are refused: {refused}"), async || {
        (refuses_privileged(cluster, namespace).await == refused).then_some(())
    })
    .await;
}
