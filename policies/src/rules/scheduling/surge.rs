//! What the rules on rollouts of scarce accelerators share: which rollouts must bring a new pod up before an old one may go,
//! how many accelerators that takes, and the repair that lets an old one go first.

use serde_json::json;

use crate::catalog::Counting;
use crate::context::Context;
use crate::finding::Fix;
use crate::inventory::Sight;
use crate::profile::AcceleratorCount;
use crate::rollout::{RollingUpdate, Steps, Strategy, place_of_rolling_update};
use crate::workload::Pod;

/// A rollout in which a new pod must run before an old one may go.
pub(super) struct Surge {
    /// The pods that are asked for.
    pub(super) replicas: i64,
    /// How many more there may be, and how many less: none.
    pub(super) steps: Steps,
    update: RollingUpdate,
}

impl Surge {
    /// How the rollout of `pod` must surge; `None` where it need not, or that cannot be told.
    pub(super) fn of(pod: &Pod<'_>, context: &Context<'_>) -> Option<Self> {
        let Some(Strategy::Rolling(update)) = Strategy::of(pod) else { return None };
        let replicas = replicas(pod, context).filter(|replicas| *replicas > 0)?;
        let steps = update.steps(replicas);
        steps.must_surge().then_some(Self { replicas, steps, update })
    }

    /// Why no old pod may go first, as it is written in a message.
    pub(super) fn why(&self) -> String {
        match self.update.unavailable.is_percent() {
            true => format!("maxUnavailable {} of {} is 0", self.update.unavailable, self.replicas),
            false => "maxUnavailable is 0".to_owned(),
        }
    }

    /// The way out, as it ends a message.
    pub(super) fn way_out(&self) -> &'static str {
        if self.replicas == 1 { "`type: Recreate` needs none" } else { "set maxSurge: 0 and maxUnavailable: 1" }
    }

    /// The repair that lets one pod go before its successor comes. A single pod is left to a person: the service would be
    /// away for as long as its model loads.
    pub(super) fn fix(&self, pod: &Pod<'_>) -> Option<Fix> {
        let (rolling, word) = place_of_rolling_update(pod).filter(|_| self.replicas > 1)?;
        let mut edits: Vec<_> = word.map(|word| word.set(json!("RollingUpdate"))).into_iter().collect();
        edits.push(rolling.get("maxSurge").set(json!(0)));
        edits.push(rolling.get("maxUnavailable").set(json!(1)));
        Some(Fix::r#unsafe("let one pod go before its successor comes", edits))
    }
}

/// How many pods there are at the least: what an autoscaler keeps, or else what is declared. Of several autoscalers, variants
/// for several environments, the one that keeps most counts, as a rollout of more pods is easier.
pub(super) fn replicas(pod: &Pod<'_>, context: &Context<'_>) -> Option<i64> {
    let namespace = pod.owner().namespace.or(context.namespace);
    match context.inventory.autoscalers_of(pod.owner(), namespace) {
        Sight::Present(scalers) => scalers.iter().map(|scaler| scaler.floor).max(),
        Sight::Absent | Sight::Unknown => pod.replicas(),
    }
}

/// What a pod asks for that there is rarely a spare one of: whole devices and parts of them that nobody shares. None where a
/// scheduler of another vendor lets several pods share a device by amounts.
pub(super) fn scarce<'p>(pod: &'p Pod<'_>) -> Option<&'p AcceleratorCount> {
    let asked = &pod.profile().accelerators;
    let shared = |asked: &AcceleratorCount| {
        matches!(asked.counts, Counting::Memory | Counting::Percent | Counting::Virtual | Counting::Shared)
    };
    if asked.iter().any(shared) {
        return None;
    }
    asked.iter().find(|asked| asked.counts.is_devices())
}
