//! Labels and taints of nodes: which labels name an accelerator, which mark spare capacity, and which taints no workload
//! should tolerate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// What is known of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// Labels by which pods choose nodes with accelerators.
    #[serde(default)]
    pub accelerator_labels: Vec<NodeLabel>,
    /// Spare capacity that the cloud takes back.
    #[serde(default)]
    pub spot: Vec<Spot>,
    /// Taints put on a node while it is repaired, repartitioned or removed: tolerating them lands a pod on it.
    #[serde(default)]
    pub health_taints: Vec<HealthTaint>,
}

/// A node label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeLabel {
    /// Its key.
    pub key: String,
    /// The extended resource that such a node offers, where the key tells.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resource: Option<String>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// A taint that no workload should tolerate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthTaint {
    /// Its key.
    pub key: String,
    /// Its effect, where that is known: a toleration of another effect does nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub effect: Option<String>,
}

/// How one cloud marks spare capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spot {
    /// The cloud or provisioner.
    pub cloud: String,
    /// The node label's key.
    pub label: String,
    /// The node label's value.
    pub value: String,
    /// The taint key, where such nodes are tainted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taint: Option<String>,
    /// Seconds between the notice and the end of the machine.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notice_seconds: Option<u32>,
    /// Seconds that a pod has to end whatever its own grace period says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pod_grace_seconds: Option<u32>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}
