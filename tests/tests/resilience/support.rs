//! What the proofs share: one at a time, a cluster for those that leave it whole, Policies and pods.

use buttress_tests::cluster::{Cluster, Options, host_address};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// Waits until no other proof runs: each needs the machine for itself to keep up its load, and two cores are few.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// The cluster of the proofs that leave it whole. The API server calls the endpoints of Services by itself.
pub(crate) async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(|| Cluster::start(Options::default().with_aggregator_routing())).await
}

/// An address on which replicas behind a Service can listen: those of loopback are refused in an EndpointSlice.
pub(crate) fn host() -> Ipv4Addr {
    host_address().unwrap_or_else(|| {
        panic!("no interface but loopback: add a dummy one, `ip link add dummy0 type dummy` and an address on it")
    })
}

/// A Policy of this name and enforcement.
pub(crate) fn policy(name: &str, enforcement: &str) -> String {
    json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": name},
        "spec": {"enforcement": enforcement}})
    .to_string()
}

/// A pod that is repaired when Buttress is asked, as it lacks a toleration, and that no scheduler looks at.
pub(crate) fn gpu_pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "gpu-"}, "spec": {
        "schedulerName": "nobody",
        "containers": [{"name": "server", "image": "vllm/vllm-openai:v0.11.0", "ports": [{"containerPort": 8000}],
            "args": ["--model=meta-llama/Llama-3.1-8B-Instruct"],
            "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "64Gi"}, "requests": {"cpu": 4, "memory": "64Gi"}}}],
    }})
}

/// Whether Buttress repaired this pod.
pub(crate) fn is_repaired(pod: &Value) -> bool {
    pod.pointer("/metadata/annotations/buttress.dev~1injected").is_some()
}
