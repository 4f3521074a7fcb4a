//! What Buttress refuses and warns of, as people see it in kubectl.

use buttress_tests::cluster::{Cluster, Registration, Webhook, WebhookOptions, eventually, shared};
use serde_json::{Value, json};

use crate::support::{DENY, LLM, pods_in, pods_of};

const PRIVILEGED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: miner}
spec: {containers: [{name: shell, image: 'busybox:1.37', securityContext: {privileged: true}}]}
";

const HARMLESS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - name: web
      image: nginx:1.29.3
      resources: {requests: {cpu: 100m, memory: 256Mi}, limits: {memory: 512Mi}}
      volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {medium: Memory, sizeLimit: 256Mi}}]
";

/// A namespace in which rules are enforced by a webhook of its own.
async fn enforced(cluster: &Cluster, policy: &str) -> (String, Webhook) {
    let namespace = cluster.namespace("deny").await;
    let webhook = Webhook::start(cluster, WebhookOptions::default().named(&namespace).with_policy(policy)).await;
    Registration::new(&namespace, &[&namespace]).apply(cluster, &webhook).await;
    (namespace, webhook)
}

#[tokio::test]
async fn an_unsafe_pod_is_refused_with_words_that_help() {
    let cluster = shared().await;
    let (namespace, _webhook) = enforced(&cluster, DENY).await;
    let output = cluster.kubectl_with(&["apply", "-n", &namespace, "-f", "-"], PRIVILEGED).await;
    let expected = format!(
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"pods.validate.buttress.dev\" denied \
         the request: Buttress refuses Pod {namespace}/miner: 1 error; privileged-container: `shell` is privileged: a \
         break-in there takes the whole node (at /spec/containers/0/securityContext/privileged), how to fix it: `buttress \
         explain privileged-container`"
    );
    assert!(!output.success);
    assert_eq!(output.stderr.trim_end(), expected);
    assert!(cluster.pods(&namespace).await.is_empty());
}

#[tokio::test]
async fn workloads_are_warned_of_and_let_in() {
    let cluster = shared().await;
    let (namespace, _webhook) = enforced(&cluster, DENY).await;
    let output = cluster.apply(&namespace, LLM).await;
    assert_eq!(output.stdout.trim_end(), "deployment.apps/llm created");
    let warnings: Vec<&str> = output.stderr.lines().collect();
    assert!(warnings.iter().all(|line| line.starts_with("Warning: ")), "{}", output.stderr);
    for words in [
        "Warning: missing-startup-probe: `server` (vLLM OpenAI-compatible server) has no startup probe (at /spec/template/",
        "Warning: unspread-replicas: nothing keeps the replicas from being placed on one node (at /spec/template/spec/affinity)",
    ] {
        assert!(warnings.iter().any(|line| line.starts_with(words)), "{words} is not in\n{}", output.stderr);
    }
    pods_in(&cluster, &namespace, 2, "Running").await;
}

#[tokio::test]
async fn a_workload_whose_pods_are_refused_is_let_in_with_a_warning() {
    let cluster = shared().await;
    let (namespace, _webhook) = enforced(&cluster, DENY).await;
    let deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: miner}
spec:
  selector: {matchLabels: {app: miner}}
  template:
    metadata: {labels: {app: miner}}
    spec: {containers: [{name: shell, image: 'busybox:1.37', securityContext: {privileged: true}}]}
";
    let output = cluster.apply(&namespace, deployment).await;
    assert!(output.stderr.starts_with("Warning: privileged-container: `shell` is privileged"), "{}", output.stderr);
    // Why there are no pods stands where people look for it.
    eventually("the ReplicaSet tells why it has no pods", async || {
        let output = cluster.kubectl(&["describe", "-n", &namespace, "replicasets"]).await;
        let told = output.stdout.contains("FailedCreate") && output.stdout.contains("Buttress refuses Pod");
        (told && output.stdout.contains("buttress explain privileged-container")).then_some(())
    })
    .await;
    assert!(cluster.pods(&namespace).await.is_empty());
}

#[tokio::test]
async fn ephemeral_containers_are_judged() {
    let cluster = shared().await;
    let (namespace, _webhook) = enforced(&cluster, DENY).await;
    cluster.apply(&namespace, HARMLESS).await;
    pods_in(&cluster, &namespace, 1, "Running").await;
    let debug = async |profile: &str| {
        let profile = format!("--profile={profile}");
        cluster
            .kubectl(&["debug", "-n", &namespace, "pod/web", "--image=busybox:1.37", "--attach=false", &profile])
            .await
    };
    let refused = debug("sysadmin").await;
    assert!(!refused.success && refused.stderr.contains("privileged-container"), "{}", refused.stderr);
    let allowed = debug("restricted").await;
    assert!(allowed.success, "{}", allowed.stderr);
    let pods = cluster.pods(&namespace).await;
    assert_eq!(pods[0]["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_resize_is_judged() {
    let cluster = shared().await;
    let policy = "
apiVersion: buttress.dev/v1alpha1
kind: Policy
metadata: {name: deny}
spec:
  enforcement: deny
  rules: {memory-volume-above-limit: {severity: error}}
";
    let (namespace, _webhook) = enforced(&cluster, policy).await;
    cluster.apply(&namespace, HARMLESS).await;
    pods_in(&cluster, &namespace, 1, "Running").await;
    let resize = async |limit: &str| {
        let patch = json!({"spec": {"containers": [{"name": "web", "resources":
            {"requests": {"memory": "64Mi"}, "limits": {"memory": limit}}}]}});
        let patch = patch.to_string();
        cluster.kubectl(&["patch", "-n", &namespace, "pod/web", "--subresource=resize", "-p", &patch]).await
    };
    let refused = resize("128Mi").await;
    assert!(!refused.success && refused.stderr.contains("memory-volume-above-limit"), "{}", refused.stderr);
    let allowed = resize("384Mi").await;
    assert!(allowed.success, "{}", allowed.stderr);
    let pods = cluster.pods(&namespace).await;
    assert_eq!(pods[0]["spec"]["containers"][0]["resources"]["limits"]["memory"], "384Mi");
}

#[tokio::test]
async fn what_was_let_in_before_can_still_lose_its_finalizer_and_go() {
    let cluster = shared().await;
    let namespace = cluster.namespace("finalizer").await;
    let mut pod: Value = json!({"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "old", "finalizers": ["example.com/hold", "example.com/hold-more"]},
    "spec": {"hostNetwork": true, "containers": [
        {"name": "c", "image": "busybox:1.37", "securityContext": {"privileged": true}},
    ]}});
    cluster.create(&pods_of(&namespace), &pod).await.unwrap();
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(DENY)).await;
    Registration::new(&namespace, &[&namespace]).apply(&cluster, &webhook).await;
    pod["metadata"]["name"] = json!("new");
    let refused = cluster.create(&pods_of(&namespace), &pod).await.unwrap_err();
    assert!(refused.contains("privileged-container"), "{refused}");

    let drop_finalizer = [
        "patch",
        "-n",
        &namespace,
        "pod/old",
        "--type=json",
        "-p",
        r#"[{"op": "remove", "path": "/metadata/finalizers/0"}]"#,
    ];
    let output = cluster.kubectl(&drop_finalizer).await;
    assert!(output.success, "while it lives: {}", output.stderr);
    let output = cluster.kubectl(&["delete", "-n", &namespace, "pod/old", "--wait=false"]).await;
    assert!(output.success, "{}", output.stderr);
    let output = cluster.kubectl(&drop_finalizer).await;
    assert!(output.success, "while it is deleted: {}", output.stderr);
    pods_in(&cluster, &namespace, 0, "").await;
    let calls = webhook.metric("buttress_admission_requests_total", &["operation=\"UPDATE\""]).await;
    assert!(calls >= 2.0, "it was asked");
}
