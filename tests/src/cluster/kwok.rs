//! Nodes that exist only as objects, and the kwok that plays their kubelets.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use super::process::Process;
use super::start::Cluster;
use super::tools::KWOK;
use super::wait::eventually;

/// What kwok makes of nodes and pods.
const STAGES: &str = include_str!("../../cluster/kwok/stages.yaml");

/// The annotation of a node that tells kwok to play its kubelet.
const ANNOTATION: &str = "kwok.x-k8s.io/node";

/// The kwok of a cluster, not started yet. It waits by itself for the API server.
pub(super) fn process(folder: &Path, kubeconfig: &Path) -> Process {
    let stages = folder.join("stages.yaml");
    fs::write(&stages, STAGES).unwrap_or_else(|error| panic!("cannot write {}: {error}", stages.display()));
    Process::new("kwok", KWOK.path("kwok"), folder)
        .args(["--kubeconfig".as_ref(), kubeconfig.as_os_str(), "--config".as_ref(), stages.as_os_str()])
        .args([
            "--manage-all-nodes=false",
            &format!("--manage-nodes-with-annotation-selector={ANNOTATION}=fake"),
            "--cidr=10.97.0.0/16",
            "--node-ip=10.98.0.1",
            "--node-lease-duration-seconds=40",
        ])
        // It keeps its own settings under HOME, where another version may have left some.
        .env("KWOK_WORKDIR", folder.join("kwok"))
}

impl Cluster {
    /// Makes a node with `accelerators` of `nvidia.com/gpu`, labelled and tainted as the operators of GPU nodes do it, and
    /// waits until it is ready. Needs [`super::Options::with_kwok`].
    pub async fn gpu_node(&self, name: &str, accelerators: u32) {
        let labels = json!({"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"});
        let taints = json!([{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]);
        self.node(name, labels, taints, json!({"nvidia.com/gpu": accelerators.to_string()})).await;
    }

    /// Makes a node without accelerators, and waits until it is ready. Needs [`super::Options::with_kwok`].
    pub async fn plain_node(&self, name: &str) {
        self.node(name, json!({}), json!([]), json!({})).await;
    }

    /// Makes a node with these labels, taints and resources besides the usual ones, and waits until it is ready. Needs
    /// [`super::Options::with_kwok`].
    pub async fn node(&self, name: &str, labels: Value, taints: Value, resources: Value) {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "annotations": {ANNOTATION: "fake"}, "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
            }},
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "96", "memory": "1Ti", "ephemeral-storage": "4Ti", "pods": "5000"}},
        });
        merge(&mut node["metadata"]["labels"], labels);
        merge(&mut node["status"]["allocatable"], resources);
        node["status"]["capacity"] = node["status"]["allocatable"].clone();
        let node: Node = serde_json::from_value(node).unwrap_or_else(|error| panic!("no node: {error}"));
        let api: Api<Node> = Api::all(self.client().await);
        let made = api.create(&PostParams::default(), &node).await;
        made.unwrap_or_else(|error| panic!("no node {name}: {error}"));
        eventually(&format!("the node {name} is ready"), async || {
            let status = api.get(name).await.ok()?.status?;
            let ready = |condition: &_| {
                let condition: &k8s_openapi::api::core::v1::NodeCondition = condition;
                condition.type_ == "Ready" && condition.status == "True"
            };
            status.conditions.unwrap_or_default().iter().any(ready).then_some(())
        })
        .await;
        // Until the node controller has seen it, it keeps the taint of nodes that are not ready.
        eventually(&format!("pods may go to the node {name}"), async || {
            let taints = api.get(name).await.ok()?.spec?.taints.unwrap_or_default();
            taints.iter().all(|taint| !taint.key.starts_with("node.kubernetes.io/")).then_some(())
        })
        .await;
    }
}

fn merge(into: &mut Value, entries: Value) {
    if let (Value::Object(into), Value::Object(entries)) = (into, entries) {
        into.extend(entries);
    }
}
