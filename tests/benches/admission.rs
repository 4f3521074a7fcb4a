//! What the webhook adds to the creation of pods on a real API server, how soon it is ready, and what it takes of memory.
//!
//! `cargo bench -p buttress-tests --features cluster --bench admission`. Pods are made at 200 a second, in turn in a namespace
//! that the webhook is not asked about and in one that it is, so that noise of the machine hits both. One round of each is
//! for warming up. The figures are of one run: compare those of a run with each other.

use std::process::Command;
use std::time::{Duration, Instant};

use buttress_tests::cluster::{Cluster, Options, Registration, Webhook, WebhookOptions, binary, eventually};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Creates a second.
const RATE: u32 = 200;
/// How long each round of creates takes.
const ROUND: Duration = Duration::from_secs(5);
/// Rounds of each kind that count.
const ROUNDS: usize = 4;
/// What the cluster holds besides.
const NAMESPACES: usize = 1_000;
const PODS: usize = 10_000;
/// Connections to the API server.
const CLIENTS: usize = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => panic!("no runtime: {error}"),
    }
}

async fn run() {
    let cluster = Cluster::start(Options::default()).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(cluster.client().await);
    }
    let crd = Command::new(binary("buttress-webhook-under-test")).arg("crd").output();
    let crd = crd.unwrap_or_else(|error| panic!("crd: {error}")).stdout;
    cluster.apply("default", &String::from_utf8_lossy(&crd)).await;
    let policy = "apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {name: warn}\nspec: {enforcement: warn}\n";
    eventually("a Policy is made", async || {
        cluster.kubectl_with(&["apply", "-f", "-"], policy).await.success.then_some(())
    })
    .await;
    namespaces(&clients).await;
    println!("{NAMESPACES} namespaces made");

    let flags = ["--watch", "--log-level", "warn"];
    let options = WebhookOptions::default().named("webhook").with_kubeconfig(cluster.kubeconfig()).with_flags(flags);
    let webhook = Webhook::prepare(&cluster, options);
    let started = Instant::now();
    webhook.process().start();
    while !webhook.is_ready().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("ready after {} ms, {NAMESPACES} namespaces listed", started.elapsed().as_millis());

    let (base, asked) = (cluster.namespace("base").await, cluster.namespace("asked").await);
    Registration::new("buttress-webhook", &[&asked]).failing_open().apply(&cluster, &webhook).await;
    // In a real cluster they run on other machines than what is measured, and here they would take its processors.
    cluster.scheduler().freeze();
    cluster.controller_manager().freeze();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for (namespace, times) in [(&base, &mut without), (&asked, &mut with)] {
            let took = creates(&clients, namespace, (ROUND.as_secs() as usize) * RATE as usize).await;
            if round > 0 {
                times.extend(took);
            }
            remove(&clients[0], namespace).await;
        }
    }
    report("without the webhook", &mut without);
    report("with the webhook", &mut with);
    let added = |percent: usize| at(&with, percent).as_secs_f64() * 1e3 - at(&without, percent).as_secs_f64() * 1e3;
    println!("added: p50 {:.2} ms, p99 {:.2} ms", added(50), added(99));
    for hook in ["mutate", "validate"] {
        let label = format!("webhook=\"{hook}\"");
        let of =
            async |part: &str| webhook.metric(&format!("buttress_admission_duration_seconds_{part}"), &[&label]).await;
        let (sum, count) = (of("sum").await, of("count").await);
        println!("{hook}: {count} calls, {:.2} ms each inside the webhook", sum / count * 1e3);
    }
    for line in cluster.kubectl(&["get", "--raw", "/metrics"]).await.stdout.lines() {
        let ours = line.contains("buttress.dev");
        if ours && line.contains("webhook_admission_duration_seconds_") && !line.contains("_bucket") {
            println!("API server: {line}");
        }
    }

    let took = creates(&clients, &asked, PODS).await;
    println!("{} pods made in the namespace that the webhook is asked about", took.len());
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory: {:.1} MiB resident, {:.1} MiB at most",
        mebibytes(webhook.process().resident_memory()),
        mebibytes(webhook.process().peak_memory())
    );
    let failures: f64 = {
        let mut sum = 0.0;
        for decision in ["malformed", "overload", "late", "panic", "too_large"] {
            let label = format!("decision=\"{decision}\"");
            sum += webhook.metric("buttress_admission_requests_total", &[&label]).await;
        }
        sum
    };
    println!("calls that got no answer: {failures}");
}

fn typed(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("no object: {error}"))
}

fn resource(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

/// Makes the namespaces, with a quota in each as platforms have it.
async fn namespaces(clients: &[Client]) {
    let mut tasks = JoinSet::new();
    for (index, client) in clients.iter().enumerate() {
        let client = client.clone();
        let of = clients.len();
        tasks.spawn(async move {
            for number in (index..NAMESPACES).step_by(of) {
                let name = format!("tenant-{number}");
                let namespace = typed(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource("", "Namespace"));
                let made = api.create(&PostParams::default(), &namespace).await;
                made.unwrap_or_else(|error| panic!("no namespace {name}: {error}"));
                let quota = typed(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus"},
                    "spec": {"hard": {"requests.nvidia.com/gpu": "64"}}}));
                let api: Api<DynamicObject> =
                    Api::namespaced_with(client.clone(), &name, &resource("", "ResourceQuota"));
                let made = api.create(&PostParams::default(), &quota).await;
                made.unwrap_or_else(|error| panic!("no quota in {name}: {error}"));
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Makes `number` pods at [`RATE`], whether or not those before are made already. Returns how long each took.
async fn creates(clients: &[Client], namespace: &str, number: usize) -> Vec<Duration> {
    let pod = typed(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "llm-", "labels": {"app": "llm"}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "server", "image": "vllm/vllm-openai:v0.11.0",
            "args": ["--model", "meta-llama/Llama-3.1-8B-Instruct"], "ports": [{"containerPort": 8000}],
            "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}),
    );
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = JoinSet::new();
    let mut times = Vec::with_capacity(number);
    for turn in 0..number {
        ticks.tick().await;
        let client = clients[turn % clients.len()].clone();
        let (pods, pod): (Api<DynamicObject>, _) =
            (Api::namespaced_with(client, namespace, &resource("", "Pod")), pod.clone());
        tasks.spawn(async move {
            let started = Instant::now();
            let made = pods.create(&PostParams::default(), &pod).await;
            made.unwrap_or_else(|error| panic!("no pod: {error}"));
            started.elapsed()
        });
        while let Some(done) = tasks.try_join_next() {
            times.push(done.unwrap_or_else(|error| panic!("{error}")));
        }
    }
    while let Some(done) = tasks.join_next().await {
        times.push(done.unwrap_or_else(|error| panic!("{error}")));
    }
    times
}

async fn remove(client: &Client, namespace: &str) {
    let pods: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource("", "Pod"));
    let parameters = DeleteParams::default().grace_period(0);
    let gone = pods.delete_collection(&parameters, &ListParams::default()).await;
    gone.map(drop).unwrap_or_else(|error| panic!("pods stay: {error}"));
}

/// The time under which `percent` of the sorted times are.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let milliseconds = |percent| at(times, percent).as_secs_f64() * 1e3;
    println!("{what}: {} creates, p50 {:.2} ms, p99 {:.2} ms", times.len(), milliseconds(50), milliseconds(99));
}
