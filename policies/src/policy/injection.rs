//! The values that repairs put in where the object itself does not give them. Nothing here is on by default but the
//! startup budget, whose numbers follow from how models load.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::catalog::Role;
use crate::quantity::Quantity;

/// The values that repairs put in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Injection {
    /// The requests of a container that has none, by the role of its workload. Without an entry Buttress proposes sizes
    /// of its own, but does not put them in unasked.
    pub sizes: Sizes,
    /// When requests are put in.
    pub requests: Requests,
    /// The memory limit of a container that requests memory and has no limit. Without it none is put in.
    pub memory_limit: Option<Limit>,
    /// The CPU limit of a container that requests CPU and has no limit. Without it none is put in, as a CPU limit
    /// throttles tokenizers and data loaders.
    pub cpu_limit: Option<Limit>,
    /// How long a model server may take to start before the kubelet restarts it.
    pub startup_budget: StartupBudget,
    /// Tolerations that pods with an accelerator get beside those that follow from its resource.
    pub tolerations: Vec<Toleration>,
    /// Values to hold injected tolerations to, by taint key: `operator: Equal` with the value, not `Exists`.
    pub toleration_values: BTreeMap<String, String>,
    /// Whether a security context is put in where its value follows from the object.
    pub security_context: bool,
}

/// Sizes by the role of the workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Sizes {
    /// For AI workloads of a role that has no size of its own here.
    pub default: Option<Size>,
    /// For servers that answer requests with a model.
    pub inference: Option<Size>,
    /// For servers that answer with vectors or ranks.
    pub embedding: Option<Size>,
    /// For what makes or tunes a model.
    pub training: Option<Size>,
    /// For what works through data and ends.
    pub batch: Option<Size>,
    /// For interactive sessions.
    pub notebook: Option<Size>,
    /// For vector databases.
    pub vector_db: Option<Size>,
    /// For gateways to model servers.
    pub gateway: Option<Size>,
    /// For drivers, exporters, operators and registries.
    pub infrastructure: Option<Size>,
}

impl Sizes {
    /// The size for a workload of `role`: its own, else the default one. None for what is not AI.
    pub fn of(&self, role: Role) -> Option<&Size> {
        let own = match role {
            Role::Inference => &self.inference,
            Role::Embedding => &self.embedding,
            Role::Training => &self.training,
            Role::Batch => &self.batch,
            Role::Notebook => &self.notebook,
            Role::VectorDb => &self.vector_db,
            Role::Gateway => &self.gateway,
            Role::Infrastructure => &self.infrastructure,
            Role::None => return None,
        };
        own.as_ref().or(self.default.as_ref())
    }
}

/// The requests of one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Size {
    /// CPU, of a container without accelerators and of one with them when `perAccelerator` has none.
    pub cpu: Option<Amount>,
    /// Memory, likewise.
    pub memory: Option<Amount>,
    /// For each accelerator of the container, in place of the flat values.
    pub per_accelerator: PerAccelerator,
}

/// The requests of a container for each of its accelerators.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PerAccelerator {
    /// CPU for each accelerator.
    pub cpu: Option<Amount>,
    /// Memory for each accelerator.
    pub memory: Option<Amount>,
}

impl Size {
    /// The CPU to request for a container with this many accelerators.
    pub fn cpu(&self, accelerators: u32) -> Option<Quantity> {
        times(self.cpu, self.per_accelerator.cpu, accelerators)
    }

    /// The memory to request for a container with this many accelerators.
    pub fn memory(&self, accelerators: u32) -> Option<Quantity> {
        times(self.memory, self.per_accelerator.memory, accelerators)
    }
}

fn times(flat: Option<Amount>, each: Option<Amount>, accelerators: u32) -> Option<Quantity> {
    match each {
        Some(each) if accelerators > 0 => Some(each.0.times(f64::from(accelerators))),
        _ => flat.map(|flat| flat.0),
    }
}

/// A Kubernetes quantity above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Quantity);

impl Amount {
    /// Reads a quantity as Kubernetes does.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let error = "is no quantity above zero; write a number with or without a unit, such as `500m`, `2` or `4Gi`";
        let quantity: Quantity = text.parse().map_err(|_| error)?;
        if quantity.is_zero() || quantity.is_negative() { Err(error) } else { Ok(Self(quantity)) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(serde::de::Error::custom("is no quantity")),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "format": "quantity",
            "description": "A Kubernetes quantity above zero, such as `500m`, `2` or `4Gi`.",
        })
    }
}

/// When requests are put in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Requests {
    /// Whether they are put in although an autoscaler that measures utilisation may be there. It measures in parts of
    /// the request, so that a new request changes how many replicas it makes.
    pub insist: bool,
}

/// How a limit follows from the author's own request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// The limit is this many times the request; at least 1.
    #[schemars(range(min = 1, max = 1000))]
    pub factor: f64,
}

/// How long a model server may take to start: `factor` × (`fixedSeconds` + model bytes ÷ `bytesPerSecond`), held within
/// `minimumSeconds` and `maximumSeconds`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StartupBudget {
    /// The least, in seconds.
    #[schemars(range(min = 1, max = 604_800))]
    pub minimum_seconds: u64,
    /// The most, in seconds.
    #[schemars(range(min = 1, max = 604_800))]
    pub maximum_seconds: u64,
    /// What is given, in seconds, when the size of the model is not known.
    #[schemars(range(min = 1, max = 604_800))]
    pub unknown_model_seconds: u64,
    /// What starting takes besides loading, in seconds.
    #[schemars(range(max = 604_800))]
    pub fixed_seconds: u64,
    /// How fast a model loads, in bytes per second. 100 MB/s is a network volume or a registry on a busy day.
    #[schemars(range(min = 1))]
    pub bytes_per_second: u64,
    /// How many times longer than expected a start may take; at least 1.
    #[schemars(range(min = 1, max = 1000))]
    pub factor: f64,
}

impl Default for StartupBudget {
    fn default() -> Self {
        Self {
            minimum_seconds: 1_800,
            maximum_seconds: 10_800,
            unknown_model_seconds: 3_600,
            fixed_seconds: 120,
            bytes_per_second: 100_000_000,
            factor: 3.0,
        }
    }
}

impl StartupBudget {
    /// The budget in seconds for a model of this many bytes; `None` when its size is not known.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes and times are far below 2^53, and the cast of a greater float saturates"
    )]
    pub fn seconds(&self, model_bytes: Option<u64>) -> u64 {
        let wanted = match model_bytes {
            Some(bytes) => {
                let loading = bytes as f64 / self.bytes_per_second.max(1) as f64;
                (self.factor * (self.fixed_seconds as f64 + loading)).ceil() as u64
            }
            None => self.unknown_model_seconds,
        };
        // Not `clamp`, which panics when the Policy was not checked and its borders are the wrong way round.
        wanted.max(self.minimum_seconds).min(self.maximum_seconds)
    }
}

/// A toleration that the Policy adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Toleration {
    /// The taint key. It cannot be left out: a toleration of every key keeps pods on failing nodes.
    #[schemars(length(min = 1))]
    pub key: String,
    /// How the value is compared; `Equal` as in Kubernetes.
    #[serde(default)]
    pub operator: TolerationOperator,
    /// The taint value, with `Equal` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The taint effect; every one when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// For how many seconds, with `NoExecute` only; for good when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration compares the value of a taint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// It is the same.
    #[default]
    Equal,
    /// Any value will do.
    Exists,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed elsewhere if that can be.
    PreferNoSchedule,
    /// They are evicted.
    NoExecute,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_startup_budget_follows_the_size_of_the_model_within_borders() {
        let budget = StartupBudget::default();
        assert_eq!(budget.seconds(None), 3_600);
        assert_eq!(budget.seconds(Some(0)), 1_800);
        // 141 GB at 100 MB/s: 3 × (120 + 1410).
        assert_eq!(budget.seconds(Some(141_000_000_000)), 4_590);
        assert_eq!(budget.seconds(Some(u64::MAX)), 10_800);
        assert_eq!(StartupBudget { maximum_seconds: 1_200, ..budget }.seconds(None), 1_200);
        assert_eq!(StartupBudget { minimum_seconds: 5_000, ..budget }.seconds(None), 5_000);
        assert_eq!(StartupBudget { bytes_per_second: 0, ..budget }.seconds(Some(1)), 1_800);
    }

    #[test]
    fn a_size_is_that_of_the_role_else_the_default_and_scales_with_accelerators() {
        let sizes: Sizes = serde_json::from_value(json!({
            "default": {"cpu": 1},
            "inference": {"cpu": "2", "memory": "4Gi", "perAccelerator": {"memory": "16Gi"}},
        }))
        .unwrap();
        let text = |quantity: Option<Quantity>| quantity.map(|quantity| quantity.to_string());
        let inference = sizes.of(Role::Inference).unwrap();
        assert_eq!(text(inference.memory(0)).as_deref(), Some("4Gi"));
        assert_eq!(text(inference.memory(8)).as_deref(), Some("128Gi"));
        assert_eq!(text(inference.cpu(8)).as_deref(), Some("2"));
        assert_eq!(text(sizes.of(Role::Training).unwrap().cpu(0)).as_deref(), Some("1"));
        assert_eq!(text(sizes.of(Role::Training).unwrap().memory(0)), None);
        assert_eq!(sizes.of(Role::None), None);
    }

    #[test]
    fn amounts_are_quantities_above_zero() {
        for (text, canonical) in [("1", "1"), ("0.5", "500m"), ("4Gi", "4Gi"), ("1.5G", "1500M")] {
            assert_eq!(Amount::parse(text).map(|amount| amount.to_string()), Ok(canonical.to_owned()));
        }
        for bad in ["", "0", "0.0Gi", "-1", "4GB", "4 Gi", "Gi", "1.2.3"] {
            assert!(Amount::parse(bad).is_err(), "{bad}");
        }
    }
}
