//! Probes that the webhook puts into pods as they are made, and what the kubelet then does.

use std::time::{Duration, Instant};

use buttress_tests::cluster::{Registration, Webhook, WebhookOptions};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Event, Pod};
use kube::Api;
use kube::api::ListParams;

use crate::stage::{KNOWN, Shared, UNKNOWN, ask, container, ready_since, restarts, running_since, stage, watch};

/// How long something may take that the kubelet does by itself, besides what a model takes to load.
const LIMIT: Duration = Duration::from_secs(180);

const POLICY: &str = "\
apiVersion: buttress.dev/v1alpha1
kind: Policy
metadata: {name: default}
spec: {enforcement: warn}
";

/// A server without probes as one replica of a Deployment. It wants a GPU and does not tolerate the taint of the nodes that
/// have some.
fn deployment(image: &str, load: i64) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: llm}}
spec:
  selector: {{matchLabels: {{app: llm}}}}
  template:
    metadata: {{labels: {{app: llm}}}}
    spec:
      containers:
        - name: server
          image: {image}
          imagePullPolicy: Never
          args: [--model, Qwen/Qwen3-8B, --port, '8000']
          env: [{{name: LOAD_SECONDS, value: '{load}'}}]
          resources: {{limits: {{nvidia.com/gpu: 1}}}}
"
    )
}

/// A webhook that repairs the pods of `namespace`.
async fn webhook(stage: &Shared, namespace: &str) -> Webhook {
    let options = WebhookOptions::default().named(&format!("webhook-{namespace}")).with_policy(POLICY);
    let webhook = Webhook::start(&stage.cluster, options).await;
    Registration::new(namespace, &[namespace]).apply(&stage.cluster, &webhook).await;
    webhook
}

#[tokio::test]
async fn a_server_without_probes_counts_as_ready_long_before_it_serves() {
    const LOAD: i64 = 90;
    let stage = stage().await;
    let namespace = stage.cluster.namespace("plain").await;
    let pods = stage.pods(&namespace).await;
    let tolerant = "
      tolerations: [{key: nvidia.com/gpu, operator: Exists}]
";
    stage.cluster.apply(&namespace, &(deployment(KNOWN, LOAD) + tolerant.trim_start_matches('\n'))).await;
    let waited = watch("the server counts as ready", LIMIT, &pods, "app=llm", async |pod| {
        let (started, ready) = (running_since(pod)?, ready_since(pod)?);
        assert_eq!(ask(pod, "GET", "/health").await, None, "it serves already: nothing is shown");
        Some(ready - started)
    })
    .await;
    assert!(waited < LOAD, "it counts as ready after {waited} s");
    eprintln!("loads for {LOAD} s; without probes: ready after {waited} s, while its port refuses");
}

#[tokio::test]
async fn a_server_gets_probes_at_admission_is_ready_when_it_serves_and_restarted_when_it_hangs() {
    const LOAD: i64 = 25;
    let stage = stage().await;
    let namespace = stage.cluster.namespace("probes").await;
    let pods = stage.pods(&namespace).await;
    let _webhook = webhook(&stage, &namespace).await;

    stage.cluster.apply(&namespace, &deployment(KNOWN, LOAD)).await;
    let (admitted, waited) = watch("the server is ready", LIMIT, &pods, "app=llm", async |pod| {
        let (started, ready) = (running_since(pod)?, ready_since(pod)?);
        // Readiness was found a moment ago; what became ready goes on to serve.
        assert_eq!(ask(pod, "GET", "/health").await, Some(200), "ready, and does not serve");
        assert_eq!(restarts(pod), 0);
        Some((pod.clone(), ready - started))
    })
    .await;
    assert!(waited >= LOAD - 1, "ready {waited} s after its start, before it could be");
    assert!(admitted.metadata.annotations.clone().unwrap_or_default().contains_key("buttress.dev/injected"));
    let server = server(&admitted);
    let probe = |probe: Option<&k8s_openapi::api::core::v1::Probe>| {
        let probe = probe.expect("a probe was put in");
        let get = probe.http_get.as_ref().expect("it asks by HTTP");
        assert_eq!(get.path.as_deref(), Some("/health"));
        (probe.period_seconds.unwrap_or(10), probe.failure_threshold.unwrap_or(3))
    };
    assert_eq!(probe(server.startup_probe.as_ref()), (10, 180));
    assert_eq!(probe(server.readiness_probe.as_ref()), (10, 3));
    assert_eq!(probe(server.liveness_probe.as_ref()), (30, 6));
    let deployments: Api<Deployment> = Api::namespaced(stage.cluster.client().await, &namespace);
    let source = deployments.get("llm").await.unwrap().spec.unwrap().template.spec.unwrap();
    assert_eq!(source.containers[0].startup_probe, None, "the Deployment was changed");
    assert_eq!(source.tolerations, None, "the Deployment was changed");

    assert_eq!(ask(&admitted, "POST", "/hang").await, Some(200));
    let begun = Instant::now();
    assert_eq!(ask(&admitted, "GET", "/health").await, None, "it does not hang");
    let unready = watch("the server that hangs gets no more traffic", LIMIT, &pods, "app=llm", async |pod| {
        assert_eq!(restarts(pod), 0, "it was restarted before it counted as unready");
        ready_since(pod).is_none().then(|| begun.elapsed())
    })
    .await;
    // Six times half a minute until it counts as dead, half a minute to end by itself, which a server that hangs does not.
    let limit = Duration::from_secs(360);
    let restarted = watch("the server that hangs is restarted", limit, &pods, "app=llm", async |pod| {
        assert_eq!(pod.metadata.uid, admitted.metadata.uid);
        (restarts(pod) == 1 && running_since(pod).is_some()).then(|| begun.elapsed())
    })
    .await;
    let again = watch("the restarted server is ready", LIMIT, &pods, "app=llm", async |pod| {
        let (started, ready) = (running_since(pod)?, ready_since(pod)?);
        assert_eq!(ask(pod, "GET", "/health").await, Some(200), "ready, and does not serve");
        assert!(ready - started >= LOAD - 1, "ready {} s after its start, before it could be", ready - started);
        assert_eq!(restarts(pod), 1);
        let ended = container(pod)?.last_state.as_ref()?.terminated.as_ref()?;
        // SIGKILL, as SIGTERM did nothing.
        assert_eq!(ended.exit_code, 137);
        Some(begun.elapsed())
    })
    .await;
    let events: Api<Event> = Api::namespaced(stage.cluster.client().await, &namespace);
    let killed = events.list(&ListParams::default()).await.unwrap().items.into_iter().any(|event| {
        event.reason.as_deref() == Some("Killing")
            && event.message.is_some_and(|message| message.contains("failed liveness probe"))
    });
    assert!(killed, "the kubelet tells no reason for the restart");
    eprintln!(
        "loads for {LOAD} s; with injected probes: ready after {waited} s; made to hang: unready after {:.0} s, restarted after \
         {:.0} s, ready again after {:.0} s",
        unready.as_secs_f32(),
        restarted.as_secs_f32(),
        again.as_secs_f32()
    );
}

#[tokio::test]
async fn a_server_that_nobody_knows_gets_no_probe() {
    let stage = stage().await;
    let namespace = stage.cluster.namespace("unknown").await;
    let pods = stage.pods(&namespace).await;
    let _webhook = webhook(&stage, &namespace).await;
    stage.cluster.apply(&namespace, &deployment(UNKNOWN, 0)).await;
    let pod = watch("the server serves", LIMIT, &pods, "app=llm", async |pod| {
        (ask(pod, "GET", "/health").await == Some(200)).then(|| pod.clone())
    })
    .await;
    let server = server(&pod);
    let probes = [&server.startup_probe, &server.readiness_probe, &server.liveness_probe];
    assert!(probes.iter().all(|probe| probe.is_none()), "{probes:?}");
    // The webhook was asked, and did what is certain: without the toleration the pod would run on no node.
    let injected = pod.metadata.annotations.unwrap_or_default().remove("buttress.dev/injected").unwrap_or_default();
    assert!(injected.contains("gpu-toleration-missing"), "{injected}");
    assert_eq!(restarts_of(&pods).await, 0);
}

async fn restarts_of(pods: &Api<Pod>) -> i32 {
    pods.list(&ListParams::default()).await.unwrap().items.iter().map(restarts).sum()
}

fn server(pod: &Pod) -> &Container {
    &pod.spec.as_ref().unwrap().containers[0]
}
