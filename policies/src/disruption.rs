//! The arithmetic of a PodDisruptionBudget, as the disruption controller does it.
//!
//! Source: kubernetes/kubernetes `pkg/controller/disruption/disruption.go` (`getExpectedPodCount`): both percentages
//! are rounded up.

use serde_json::Value;

/// `minAvailable` or `maxUnavailable` of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// So many pods must stay.
    MinAvailable(IntOrPercent),
    /// So many pods may go.
    MaxUnavailable(IntOrPercent),
}

/// A number of pods, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    /// A number of pods.
    Int(i64),
    /// Hundredths of the expected pods.
    Percent(i64),
}

impl IntOrPercent {
    /// Reads an `IntOrString`; `None` for what Kubernetes would refuse.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().filter(|number| *number >= 0).map(Self::Int),
            Value::String(text) => {
                let digits = text.strip_suffix('%')?;
                let plain = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse().ok().map(Self::Percent)).flatten()
            }
            _ => None,
        }
    }

    /// How many of `expected` pods that is; a share is rounded up.
    pub fn of(self, expected: i64) -> i64 {
        match self {
            Self::Int(number) => number,
            // Kubernetes keeps replicas in 32 bits; a hand-written giant must not overflow our arithmetic either.
            Self::Percent(percent) => percent.saturating_mul(expected).saturating_add(99) / 100,
        }
    }

    /// How many of `expected` pods that is; a share is rounded down.
    pub fn at_most_of(self, expected: i64) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => percent.saturating_mul(expected) / 100,
        }
    }

    /// Whether it is a share.
    pub fn is_percent(self) -> bool {
        matches!(self, Self::Percent(_))
    }
}

impl std::fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl std::fmt::Display for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MinAvailable(value) => write!(f, "minAvailable: {value}"),
            Self::MaxUnavailable(value) => write!(f, "maxUnavailable: {value}"),
        }
    }
}

impl Allowance {
    /// Reads it off the `spec` of a budget. `None` when neither field is there (or readable), or both are, which
    /// Kubernetes refuses.
    pub fn of_spec(spec: &Value) -> Option<Self> {
        let field = |name: &str| spec.get(name).filter(|value| !value.is_null());
        match (field("minAvailable"), field("maxUnavailable")) {
            (Some(value), None) => IntOrPercent::from_value(value).map(Self::MinAvailable),
            (None, Some(value)) => IntOrPercent::from_value(value).map(Self::MaxUnavailable),
            _ => None,
        }
    }

    /// How many of `expected` pods must be healthy.
    pub fn desired_healthy(self, expected: i64) -> i64 {
        match self {
            Self::MinAvailable(value) => value.of(expected),
            Self::MaxUnavailable(value) => expected.saturating_sub(value.of(expected)).max(0),
        }
    }

    /// Whether no pod may ever be evicted while `expected` pods, all of them healthy, are all that there is.
    pub fn blocks(self, expected: i64) -> bool {
        self.desired_healthy(expected) >= expected
    }

    /// Whether no pod may ever be evicted, however many there are.
    pub fn blocks_always(self) -> bool {
        match self {
            Self::MinAvailable(IntOrPercent::Percent(percent)) => percent >= 100,
            Self::MaxUnavailable(IntOrPercent::Int(number)) => number == 0,
            Self::MaxUnavailable(IntOrPercent::Percent(percent)) => percent == 0,
            Self::MinAvailable(IntOrPercent::Int(_)) => false,
        }
    }

    /// Whether the controller must ask the scale of the pods' owner to know how many pods are expected.
    pub fn needs_scale(self) -> bool {
        match self {
            Self::MinAvailable(value) => value.is_percent(),
            Self::MaxUnavailable(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentages_round_up_and_block_small_workloads() {
        for (spec, expected, blocks) in [
            (json!({"minAvailable": 1}), 1, true),
            (json!({"minAvailable": 1}), 2, false),
            (json!({"minAvailable": 2}), 2, true),
            (json!({"minAvailable": "50%"}), 1, true),
            (json!({"minAvailable": "50%"}), 2, false),
            (json!({"minAvailable": "90%"}), 5, true),
            (json!({"minAvailable": "90%"}), 10, false),
            (json!({"maxUnavailable": 0}), 10, true),
            (json!({"maxUnavailable": "0%"}), 10, true),
            (json!({"maxUnavailable": "1%"}), 10, false),
            (json!({"maxUnavailable": 1}), 1, false),
            (json!({"minAvailable": "100%"}), 100, true),
        ] {
            assert_eq!(Allowance::of_spec(&spec).unwrap().blocks(expected), blocks, "{spec} of {expected}");
        }
    }

    #[test]
    fn what_kubernetes_refuses_is_no_allowance() {
        for spec in [
            json!({}),
            json!({"minAvailable": 1, "maxUnavailable": 1}),
            json!({"minAvailable": "1"}),
            json!({"minAvailable": -1}),
            json!({"maxUnavailable": "%"}),
        ] {
            assert_eq!(Allowance::of_spec(&spec), None, "{spec}");
        }
    }
}
