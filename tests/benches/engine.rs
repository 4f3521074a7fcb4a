//! The engine on one core: a 6 KB pod judged by all rules, and repaired with its patch built and checked, as at admission.
//!
//! `cargo bench -p buttress-tests` prints the times and, at the end, the 50th and 99th percentile of single calls.

use std::hint::black_box;
use std::time::{Duration, Instant};

use buttress_policies::catalog::Catalog;
use buttress_policies::check;
use buttress_policies::inventory::Inventory;
use buttress_policies::object::Object;
use buttress_policies::policy::{Effective, Enforcement};
use buttress_review::Settings;
use buttress_tests::laws;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

/// A pod of 6 KB as the API server sends it: a model server, two sidecars, volumes, managed fields.
fn pod() -> Value {
    let env: Vec<Value> = (0..52)
        .map(|index| json!({"name": format!("SETTING_{index}"), "value": format!("value-of-setting-{index}")}))
        .collect();
    let sidecar = |name: &str, port: u16| {
        json!({"name": name, "image": format!("registry.example.com/platform/{name}:1.8.3"), "ports": [{"containerPort": port, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"})
    };
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "llama-8b-7d9c5b8f6d-", "namespace": "ml", "labels": {"app": "llama-8b", "team": "search", "pod-template-hash": "7d9c5b8f6d"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "llama-8b-7d9c5b8f6d", "uid": "4c1a9a0e-6a0b-4b53-9d5c-6f5a3e1d2c3b", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {}, "f:team": {}, "f:pod-template-hash": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"server\"}": {".": {}, "f:args": {}, "f:env": {}, "f:image": {}}}}}}]},
        "spec": {"containers": [
                {"name": "server", "image": "vllm/vllm-openai:v0.11.0", "args": ["--model", "meta-llama/Llama-3.1-8B-Instruct", "--tensor-parallel-size", "2", "--max-model-len", "32768", "--gpu-memory-utilization", "0.92"],
                 "env": env, "ports": [{"containerPort": 8000, "name": "http", "protocol": "TCP"}],
                 "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "64Gi"}, "requests": {"cpu": "8", "memory": "48Gi", "nvidia.com/gpu": "2"}},
                 "volumeMounts": [{"name": "models", "mountPath": "/root/.cache/huggingface"}, {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
                 "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"},
                sidecar("metrics", 9100), sidecar("tokenizer", 9200)],
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
                {"name": "kube-api-access", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}, {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "serviceAccountName": "llama", "securityContext": {}, "schedulerName": "default-scheduler",
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}, {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority"}})
}

/// The allocator of both binaries, so that the figures are theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn engine(criterion: &mut Criterion) {
    let pod = pod();
    let size = pod.to_string().len();
    let (policy, inventory) = (Effective::recommended(), Inventory::unknown());
    let context = laws::context(&policy, &inventory);
    let _ = Catalog::builtin();

    let validate = || check(black_box(&pod), &context);
    let settings = Settings::new(Vec::new()).with_enforcement(Enforcement::Warn);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "ml", "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"}, "object": pod, "dryRun": false}});
    let review = review.to_string();
    let mutate = || buttress_review::mutate(black_box(review.as_bytes()), &settings, laws::TODAY);
    let answer = mutate().expect("the review of the benchmark is one");
    assert!(String::from_utf8_lossy(&answer.body).contains("JSONPatch"), "the pod of the benchmark is repaired");

    // What of a review is not the engine's: reading it. The engine's share is the difference.
    criterion.bench_function("read the review alone", |bencher| {
        bencher.iter(|| serde_json::from_str::<Value>(black_box(&review)));
    });
    criterion.bench_function("read the catalog", |bencher| bencher.iter(Catalog::read));
    criterion.bench_function("recognise what runs in the three containers", |bencher| {
        bencher.iter(|| Object::new(black_box(&pod), Catalog::builtin()).pods().first().map(|pod| pod.profile().ai));
    });
    criterion.bench_function("validate", |bencher| bencher.iter(validate));
    criterion.bench_function("review: read + repair + patch + self-check", |bencher| bencher.iter(mutate));
    println!("one pod of {size} bytes, single calls on one core:");
    percentiles("validate", validate);
    percentiles("review: read + repair + patch + self-check", mutate);
}

/// Prints percentiles over single calls: what criterion's means do not show.
fn percentiles<T>(name: &str, mut call: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..20_000)
        .map(|_| {
            let start = Instant::now();
            black_box(call());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("{name}: p50 {:?}, p99 {:?}", at(50), at(99));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(60);
    targets = engine
}
criterion_main!(benches);
