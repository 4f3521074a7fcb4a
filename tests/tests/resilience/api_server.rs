//! The API server goes and comes back: verdicts go on by what was known, and follow what has changed.

use std::process::Command;
use std::time::{Duration, Instant};

use buttress_tests::cluster::{Cluster, Options, Registration, Webhook, WebhookOptions, binary, eventually, holds};
use serde_json::{Value, json};

use crate::caller::review;
use crate::support::{gpu_pod, is_repaired, policy, turn};

/// The resources that are watched, as readiness calls them.
const WATCHED: [&str; 6] =
    ["namespaces", "limitranges", "resourcequotas", "horizontalpodautoscalers", "poddisruptionbudgets", "policies"];

/// Gives containers a memory limit that have none. With it the memory volume of [`trainer`] is bounded.
const LIMITS: &str = "
apiVersion: v1
kind: LimitRange
metadata: {name: memory}
spec: {limits: [{type: Container, default: {memory: 64Gi}}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_outlive_the_api_server_and_follow_it_when_it_is_back() {
    let _turn = turn().await;
    let cluster = Cluster::start(Options::default()).await;
    define_policies(&cluster).await;
    put(&cluster, &policy("default", "warn")).await;
    let namespace = cluster.namespace("followed").await;
    let webhook = Webhook::start(&cluster, watching(&cluster)).await;
    Registration::new("followed", &[&namespace]).apply(&cluster, &webhook).await;
    let repairs = async || {
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        is_repaired(&cluster.create(&path, &gpu_pod()).await.unwrap())
    };
    let is_unbounded = async || {
        let response = review(webhook.address(), webhook.authority(), "/validate", &trainer(&namespace)).await;
        response["warnings"].to_string().contains("unbounded-memory-volume")
    };
    assert!(repairs().await && is_unbounded().await);

    // Without an API server all is as it was.
    cluster.api_server().kill();
    eventually("the webhook notices", async || {
        (webhook.metric("buttress_watch_failures_total", &["resource=\"policies\""]).await > 0.0).then_some(())
    })
    .await;
    let mut pod = gpu_pod();
    pod["metadata"]["namespace"] = json!(namespace);
    holds("it is alive and ready, and judges by what it knew", Duration::from_secs(3), async || {
        let response = review(webhook.address(), webhook.authority(), "/mutate", &pod).await;
        let healthy = webhook.get("/healthz").await.is_some_and(|(status, _)| status == 200);
        healthy && webhook.is_ready().await && response["patch"].is_string() && is_unbounded().await
    })
    .await;

    // What changes after it is back takes effect.
    cluster.api_server().start();
    cluster.ready().await;
    put(&cluster, &policy("default", "observe")).await;
    cluster.apply(&namespace, LIMITS).await;
    eventually("the Policy of now is in force", async || (!repairs().await).then_some(())).await;
    eventually("the limits of now are known", async || (!is_unbounded().await).then_some(())).await;

    // So does what changed while the webhook did not look, and that the API server has no history of: it begins anew with
    // what it finds in etcd.
    webhook.process().freeze();
    cluster.api_server().restart();
    cluster.ready().await;
    put(&cluster, &policy("default", "warn")).await;
    let output = cluster.kubectl(&["delete", "-n", &namespace, "limitrange", "memory"]).await;
    assert!(output.success, "{}", output.stderr);
    webhook.process().thaw();
    eventually("the Policy of meanwhile is in force", async || repairs().await.then_some(())).await;
    eventually("the limits of meanwhile are gone", async || is_unbounded().await.then_some(())).await;
    assert!(webhook.process().is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_finds_no_api_server_waits_for_it_and_says_so() {
    let _turn = turn().await;
    let cluster = Cluster::start(Options::default()).await;
    cluster.api_server().kill();
    let webhook = Webhook::prepare(&cluster, watching(&cluster));
    webhook.process().start();
    let began = Instant::now();
    let missing = async || match webhook.get("/readyz").await {
        Some((503, body)) => body,
        Some((200, _)) => panic!("it is ready without having seen anything"),
        _ => String::new(),
    };
    eventually("it is alive", async || webhook.get("/healthz").await.filter(|(status, _)| *status == 200)).await;
    let says_all = async || {
        let body = missing().await;
        WATCHED.iter().all(|plural| body.contains(&format!("{plural} were not listed yet")))
    };
    eventually("it says what is missing", async || says_all().await.then_some(())).await;
    holds("it waits", Duration::from_secs(2), async || webhook.process().is_running() && says_all().await).await;
    // It asks less and less often: after a tenth of a second, twice as long each time, and then every five seconds.
    let asked = webhook.metric("buttress_watch_failures_total", &[]).await;
    let most = WATCHED.len() as f64 * (7.0 + began.elapsed().as_secs_f64() / 5.0);
    assert!(asked <= most, "{asked} times in {:?}", began.elapsed());
    let log = webhook.process().log();
    assert!(log.contains("Connection refused"), "the log does not say why\n{}", webhook.process().tail());
    assert!(!log.contains("\"ERROR\""), "it is no defect of its own\n{}", webhook.process().tail());

    // There is an API server now, but it knows no Policies.
    cluster.api_server().start();
    cluster.ready().await;
    eventually("only the Policies are missing", async || {
        let body = missing().await;
        (body.lines().count() == 1 && body.starts_with("policies were not listed yet")).then_some(())
    })
    .await;
    define_policies(&cluster).await;
    put(&cluster, &policy("default", "warn")).await;
    webhook.ready().await;
    eventually("the Policy is in force", async || {
        (webhook.metric("buttress_policies", &[]).await == 1.0).then_some(())
    })
    .await;
}

fn watching(cluster: &Cluster) -> WebhookOptions {
    WebhookOptions::default().with_kubeconfig(cluster.kubeconfig()).with_flags(["--watch"])
}

/// Makes the CustomResourceDefinition of the Policy, as the binary prints it.
async fn define_policies(cluster: &Cluster) {
    let crd = Command::new(binary("buttress-webhook-under-test")).arg("crd").output().unwrap();
    put(cluster, std::str::from_utf8(&crd.stdout).unwrap()).await;
}

/// Applies a manifest as soon as the API server takes it: a new resource, and any custom one after a restart, is served a
/// little later than the rest.
async fn put(cluster: &Cluster, manifest: &str) {
    eventually("a manifest is taken", async || {
        cluster.kubectl_with(&["apply", "-f", "-"], manifest).await.success.then_some(())
    })
    .await;
}

/// A pod with a volume of memory that nothing bounds, unless the namespace gives its container a memory limit.
fn trainer(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trainer", "namespace": namespace}, "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "trainer", "image": "registry.example.com/trainer:1.4",
            "resources": {"limits": {"nvidia.com/gpu": 4}}, "volumeMounts": [{"name": "dshm", "mountPath": "/dev/shm"}]}],
        "volumes": [{"name": "dshm", "emptyDir": {"medium": "Memory"}}],
    }})
}
