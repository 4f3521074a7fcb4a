//! What the rules on rollouts of scarce accelerators share: which rollouts must bring a new pod up before an old one may go,
//! how many accelerators that takes, and the repair that lets an old one go first.

use serde_json::json;

use super::demand::is_dealt_out_by_others;
use crate::catalog::Counting;
use crate::context::Context;
use crate::finding::Fix;
use crate::inventory::{Autoscaler, folder};
use crate::profile::AcceleratorCount;
use crate::rollout::{RollingUpdate, Steps, Strategy, place_of_rolling_update};
use crate::workload::Pod;

/// A rollout in which a new pod must run before an old one may go.
pub(crate) struct Surge {
    /// The pods that are asked for.
    pub(crate) replicas: i64,
    /// How many more there may be, and how many less: none.
    pub(crate) steps: Steps,
    update: RollingUpdate,
}

impl Surge {
    /// How the rollout of `pod` must surge; `None` where it need not, or that cannot be told.
    pub(crate) fn of(pod: &Pod<'_>, context: &Context<'_>) -> Option<Self> {
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

/// How many pods a rollout is of: what an autoscaler keeps, or else what is declared. Where several numbers may hold, variants
/// for several environments, the largest counts, as a rollout of more pods is easier.
pub(crate) fn replicas(pod: &Pod<'_>, context: &Context<'_>) -> Option<i64> {
    floors(pod, context).max()
}

/// How many pods there are at the least: of several numbers that may hold, the smallest.
pub(crate) fn fewest(pod: &Pod<'_>, context: &Context<'_>) -> Option<i64> {
    floors(pod, context).min()
}

fn floors(pod: &Pod<'_>, context: &Context<'_>) -> impl Iterator<Item = i64> {
    let namespace = pod.owner().namespace.or(context.namespace);
    let scalers = context.inventory.autoscalers_of(pod.owner(), namespace).present().unwrap_or_default();
    // What is declared holds as long as no autoscaler is surely meant for it.
    let declared = pod.replicas().filter(|_| !scalers.iter().any(|scaler| is_near(scaler, namespace, context)));
    let floors: Vec<i64> = scalers.iter().map(|scaler| scaler.floor).collect();
    floors.into_iter().chain(declared)
}

/// Whether an autoscaler for a workload of this name and kind in `namespace` is surely for the one at hand: it names the same
/// namespace or lies in the same folder. Two projects may have a Deployment of one name.
pub(crate) fn is_near(scaler: &Autoscaler, namespace: Option<&str>, context: &Context<'_>) -> bool {
    scaler.namespace().is_some() && scaler.namespace() == namespace || folder(&scaler.origin) == folder(context.origin)
}

/// What a pod asks for that there is rarely a spare one of: whole devices and parts of them that nobody shares. None where a
/// scheduler of another vendor lets several pods share a device by amounts.
pub(super) fn scarce<'p>(pod: &'p Pod<'_>, context: &Context<'_>) -> Option<&'p AcceleratorCount> {
    let asked = &pod.profile().accelerators;
    let shared = |asked: &AcceleratorCount| {
        matches!(asked.counts, Counting::Memory | Counting::Percent | Counting::Virtual | Counting::Shared)
    };
    if asked.iter().any(shared) || is_dealt_out_by_others(pod, context.catalog()) {
        return None;
    }
    asked.iter().find(|asked| asked.counts.is_devices())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::catalog::Catalog;
    use crate::inventory::Inventory;
    use crate::object::Object;
    use crate::policy::Effective;

    /// The fewest and the most pods of a Deployment of one in `shop/web.yaml`, with an autoscaler of at least four elsewhere.
    fn bounds(origin: &str, namespace: Option<&str>) -> (Option<i64>, Option<i64>) {
        let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"minReplicas": 4, "maxReplicas": 8, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"template": {"spec": {"containers": [{"name": "web"}]}}}});
        let mut inventory = Inventory::whole();
        inventory.add(&autoscaler, origin, Catalog::builtin());
        let policy = Effective::recommended();
        let today = date(2026, 11, 22);
        let context =
            Context { policy: &policy, inventory: &inventory, namespace: None, origin: "shop/web.yaml", today };
        let object = Object::new(&deployment, Catalog::builtin());
        (fewest(&object.pods()[0], &context), replicas(&object.pods()[0], &context))
    }

    #[test]
    fn an_autoscaler_of_another_project_may_not_be_meant() {
        assert_eq!(bounds("shop/autoscaler.yaml", None), (Some(4), Some(4)));
        assert_eq!(bounds("elsewhere/autoscaler.yaml", Some("web")), (Some(4), Some(4)));
        assert_eq!(bounds("elsewhere/autoscaler.yaml", None), (Some(1), Some(4)));
    }
}
