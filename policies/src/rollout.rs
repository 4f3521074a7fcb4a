//! The arithmetic of a rollout: how many pods come before others go, as the controllers of Deployments and of Argo's Rollouts
//! do it.
//!
//! Sources: kubernetes/kubernetes `pkg/controller/deployment/util/deployment_util.go` (`ResolveFenceposts`,
//! `MaxUnavailable`) and `pkg/apis/apps/v1/defaults.go`; argoproj/argo-rollouts `utils/replicaset/canary.go` and
//! `utils/defaults/defaults.go`.

use serde_json::Value;

use crate::disruption::IntOrPercent;
use crate::node::{Node, text};
use crate::workload::Pod;

/// How a workload goes from one revision of its pods to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Some pods at a time.
    Rolling(RollingUpdate),
    /// All old pods go, then the new ones come.
    Recreate,
    /// All new pods come beside the old ones: a blue-green rollout, or a canary whose traffic is routed.
    Beside,
}

/// How far a rolling update may leave the number of pods that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollingUpdate {
    /// So many pods more.
    pub surge: IntOrPercent,
    /// So many pods less.
    pub unavailable: IntOrPercent,
}

/// A rolling update of a certain number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// How many pods more there may be.
    pub surge: i64,
    /// How many pods less there may be that can be used.
    pub unavailable: i64,
}

impl Strategy {
    /// The strategy of what makes `pod`. `None` where there is none, it cannot be read, or Kubernetes refuses it.
    pub fn of(pod: &Pod<'_>) -> Option<Self> {
        let owner = pod.owner();
        match (owner.group, owner.kind) {
            ("apps", "Deployment") => Self::of_deployment(pod.object().get("spec")?),
            ("argoproj.io", "Rollout") => Self::of_argo(pod.object().get("spec")?),
            _ => None,
        }
    }

    fn of_deployment(spec: &Value) -> Option<Self> {
        let Some(strategy) = spec.get("strategy").filter(|strategy| !strategy.is_null()) else {
            return Some(Self::Rolling(RollingUpdate::default()));
        };
        match strategy.get("type").filter(|kind| !kind.is_null()).map(Value::as_str) {
            Some(Some("Recreate")) => Some(Self::Recreate),
            Some(Some("RollingUpdate")) | None => {
                RollingUpdate::of(strategy.get("rollingUpdate").unwrap_or(&Value::Null)).map(Self::Rolling)
            }
            Some(_) => None,
        }
    }

    fn of_argo(spec: &Value) -> Option<Self> {
        let strategy = spec.get("strategy")?;
        if strategy.get("blueGreen").is_some_and(|value| !value.is_null()) {
            return Some(Self::Beside);
        }
        let canary = strategy.get("canary").filter(|canary| canary.is_object())?;
        let routed = canary.get("trafficRouting").is_some_and(|routing| !routing.is_null());
        match canary.get("dynamicStableScale") {
            None | Some(Value::Null | Value::Bool(false)) if routed => Some(Self::Beside),
            // The old pods then go as the traffic does, by the author's own steps.
            _ if routed => None,
            _ => RollingUpdate::of(canary).map(Self::Rolling),
        }
    }
}

impl Default for RollingUpdate {
    fn default() -> Self {
        Self { surge: IntOrPercent::Percent(25), unavailable: IntOrPercent::Percent(25) }
    }
}

impl RollingUpdate {
    /// Reads `maxSurge` and `maxUnavailable` off what holds them, with Kubernetes' defaults for what is left out.
    pub fn of(value: &Value) -> Option<Self> {
        let field = |name: &str, default: IntOrPercent| match value.get(name) {
            None | Some(Value::Null) => Some(default),
            Some(written) => IntOrPercent::from_value(written),
        };
        let default = Self::default();
        let update = Self {
            surge: field("maxSurge", default.surge)?,
            unavailable: field("maxUnavailable", default.unavailable)?,
        };
        // Of nothing more and nothing less nothing would come: the API server refuses both to be written as zero.
        let zero = |value| matches!(value, IntOrPercent::Int(0) | IntOrPercent::Percent(0));
        (!(zero(update.surge) && zero(update.unavailable))).then_some(update)
    }

    /// What it means for `replicas` pods: a share of more is rounded up, a share of less is rounded down, and where both
    /// come out as zero one pod may go.
    pub fn steps(self, replicas: i64) -> Steps {
        let surge = self.surge.of(replicas);
        let unavailable = self.unavailable.at_most_of(replicas).min(replicas);
        if surge == 0 && unavailable == 0 {
            Steps { surge, unavailable: 1.min(replicas) }
        } else {
            Steps { surge, unavailable }
        }
    }
}

impl Steps {
    /// Whether no pod may go before another one has come.
    pub fn must_surge(self) -> bool {
        self.unavailable == 0 && self.surge > 0
    }
}

/// The `spec` of what makes `pod`, where the template lies directly in it.
pub fn spec_of<'a>(pod: &Pod<'a>) -> Option<Node<'a>> {
    Some(Node::placed(pod.object().get("spec")?, pod.root().parent()?))
}

/// The place of `maxSurge` and `maxUnavailable` of what makes `pod`, and of the word that says that it rolls, where there is
/// one.
pub fn place_of_rolling_update<'a>(pod: &Pod<'a>) -> Option<(Node<'a>, Option<Node<'a>>)> {
    let strategy = spec_of(pod)?.get("strategy");
    if pod.owner().group == "argoproj.io" {
        return Some((strategy.get("canary"), None));
    }
    let word = strategy.get("type");
    let missing = text(strategy.value(), "type").is_none();
    Some((strategy.get("rollingUpdate"), missing.then_some(word)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn steps(value: &Value, replicas: i64) -> (i64, i64) {
        let steps = RollingUpdate::of(value).unwrap().steps(replicas);
        (steps.surge, steps.unavailable)
    }

    #[test]
    fn a_share_of_more_is_rounded_up_and_of_less_down() {
        let default = json!({});
        for (replicas, expected) in
            [(0, (0, 0)), (1, (1, 0)), (2, (1, 0)), (3, (1, 0)), (4, (1, 1)), (7, (2, 1)), (8, (2, 2))]
        {
            assert_eq!(steps(&default, replicas), expected, "{replicas}");
        }
        assert_eq!(steps(&json!({"maxSurge": "100%", "maxUnavailable": 0}), 3), (3, 0));
        assert_eq!(steps(&json!({"maxUnavailable": 5}), 2), (1, 2));
    }

    #[test]
    fn where_both_come_out_as_zero_one_pod_may_go() {
        let nothing_more = json!({"maxSurge": 0, "maxUnavailable": "25%"});
        assert_eq!(steps(&nothing_more, 1), (0, 1));
        assert_eq!(steps(&nothing_more, 8), (0, 2));
        assert_eq!(steps(&nothing_more, 0), (0, 0));
        assert!(!RollingUpdate::of(&nothing_more).unwrap().steps(1).must_surge());
    }

    #[test]
    fn what_kubernetes_refuses_is_no_rolling_update() {
        for value in [
            json!({"maxSurge": 0, "maxUnavailable": "0%"}),
            json!({"maxSurge": "{{ .Values.surge }}"}),
            json!({"maxUnavailable": -1}),
            json!({"maxUnavailable": "1"}),
        ] {
            assert_eq!(RollingUpdate::of(&value), None, "{value}");
        }
        assert_eq!(steps(&json!({"maxSurge": "999999999%", "maxUnavailable": 0}), i64::MAX).1, 0);
    }

    #[test]
    fn a_deployment_rolls_unless_it_says_otherwise() {
        let rolling = Some(Strategy::Rolling(RollingUpdate::default()));
        for (spec, expected) in [
            (json!({}), rolling),
            (json!({"strategy": {}}), rolling),
            (json!({"strategy": {"type": null, "rollingUpdate": {}}}), rolling),
            (json!({"strategy": {"type": "Recreate"}}), Some(Strategy::Recreate)),
            (json!({"strategy": {"type": "${STRATEGY}"}}), None),
            (json!({"strategy": {"type": 5}}), None),
        ] {
            assert_eq!(Strategy::of_deployment(&spec), expected, "{spec}");
        }
    }

    #[test]
    fn a_rollout_with_a_second_set_of_pods_has_them_beside_the_first() {
        let rolling = Some(Strategy::Rolling(RollingUpdate::default()));
        for (strategy, expected) in [
            (json!({"canary": {"steps": [{"setWeight": 20}]}}), rolling),
            (json!({"canary": {"trafficRouting": {"nginx": {}}}}), Some(Strategy::Beside)),
            (json!({"canary": {"trafficRouting": {"nginx": {}}, "dynamicStableScale": true}}), None),
            (json!({"blueGreen": {"activeService": "a"}}), Some(Strategy::Beside)),
            (json!({}), None),
        ] {
            assert_eq!(Strategy::of_argo(&json!({"strategy": strategy})), expected, "{strategy}");
        }
    }
}
