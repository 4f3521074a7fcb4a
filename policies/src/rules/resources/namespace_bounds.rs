//! What the LimitRanges and ResourceQuotas of a namespace say of the requests and limits that a repair would set. The API
//! server holds them against the pod once more after all webhooks, so that a value they refuse would keep the pod from being
//! made at all. Such a value is not put in, and none that fits is invented: a person must say what to do.
//!
//! Sources: kubernetes/kubernetes `plugin/pkg/admission/limitranger/admission.go` and `pkg/quota/v1/evaluator/core/pods.go`;
//! kubernetes/apiserver `pkg/admission/plugin/resourcequota/controller.go`.

use serde_json::Value;

use crate::container::ContainerRole;
use crate::context::Context;
use crate::inventory::{Bounded, Bounds, Breach, Given, LimitRange, Quota, Sight, is_beside, nearest};
use crate::node::integer;
use crate::quantity::Quantity;
use crate::workload::Pod;

/// The requests or the limits of a container or pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amounts {
    Requests,
    Limits,
}

/// A value that a repair would set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposal {
    /// Which of [`Pod::containers`] it is for.
    pub(super) container: usize,
    pub(super) amounts: Amounts,
    /// `cpu` or `memory`.
    pub(super) resource: &'static str,
    pub(super) value: Quantity,
}

/// What holds in the namespace of a pod, as far as it is in sight.
pub(super) struct NamespaceBounds<'a> {
    ranges: Vec<&'a LimitRange>,
    quotas: Vec<&'a Quota>,
}

impl Amounts {
    fn key(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

impl<'a> NamespaceBounds<'a> {
    /// Of files only those count that are surely for the same cluster, as its neighbours are.
    pub(super) fn of(pod: &Pod<'_>, context: &Context<'a>) -> Self {
        let namespace = pod.owner().namespace.or(context.namespace);
        let origin = context.origin;
        let ranges = match context.inventory.limit_ranges_of(namespace) {
            Sight::Present(found) => nearest(found, origin, |range| &range.origin),
            Sight::Absent | Sight::Unknown => Vec::new(),
        };
        let quotas = match context.inventory.quotas_of(namespace) {
            Sight::Present(found) => nearest(found, origin, |quota| &quota.origin),
            Sight::Absent | Sight::Unknown => Vec::new(),
        };
        Self {
            ranges: ranges.into_iter().filter(|range| is_beside(origin, &range.origin)).collect(),
            quotas: quotas.into_iter().filter(|quota| is_beside(origin, &quota.origin)).collect(),
        }
    }

    /// What a container is given that says nothing of `resource`. Of several LimitRanges that give something the first
    /// counts, as there is no order among them.
    pub(super) fn given(&self, amounts: Amounts, resource: &str) -> Given {
        let bounds = self.ranges.iter().flat_map(|range| &range.bounds).filter(|bounds| bounds.resource == resource);
        let given = bounds.map(|bounds| match amounts {
            Amounts::Requests => bounds.request,
            Amounts::Limits => bounds.limit,
        });
        given.into_iter().find(|given| *given != Given::None).unwrap_or(Given::None)
    }

    /// Why the API server would refuse the pod with these values set, as a clause with the way out; `None` where it would
    /// not, or that cannot be told.
    pub(super) fn refusal(&self, pod: &Pod<'_>, proposals: &[Proposal]) -> Option<String> {
        if proposals.is_empty() || self.ranges.is_empty() && self.quotas.is_empty() {
            return None;
        }
        let asked = Asked { pod, bounds: self, proposals };
        let by_range = self.ranges.iter().find_map(|range| asked.refusal_of_range(range));
        by_range.or_else(|| self.quotas.iter().find_map(|quota| asked.refusal_of_quota(quota)))
    }
}

/// What a pod asks for once it is made: with what a repair sets and the namespace gives.
struct Asked<'a, 'p> {
    pod: &'a Pod<'p>,
    bounds: &'a NamespaceBounds<'a>,
    proposals: &'a [Proposal],
}

impl Asked<'_, '_> {
    fn refusal_of_range(&self, range: &LimitRange) -> Option<String> {
        range.bounds.iter().find_map(|bounds| {
            let mut set = self.proposals.iter().filter(|proposal| proposal.resource == bounds.resource).peekable();
            set.peek()?;
            let breach = match bounds.of {
                Bounded::Container => set.find_map(|proposal| {
                    let amount = |amounts| self.of_container(proposal.container, amounts, bounds.resource);
                    // Where something cannot be read, nothing can be told.
                    bounds.breach(amount(Amounts::Requests)?, amount(Amounts::Limits)?)
                }),
                Bounded::Pod => {
                    let amount = |amounts| self.of_pod(amounts, bounds.resource);
                    bounds.breach(amount(Amounts::Requests)?, amount(Amounts::Limits)?)
                }
            };
            breach.map(|breach| in_words(breach, bounds, &range.name))
        })
    }

    /// A quota can only be kept from refusing the pod by what a repair sets, with two exceptions. One that bounds
    /// `requests.memory` refuses every pod of which a container says nothing of it (`Constraints`), and counts that value only
    /// then; the same goes for CPU and for limits. So where the value is missing the pod is lost without the repair. And its
    /// scopes tell which pods it is about by what a repair of requests and limits leaves alone. The exceptions are the scope
    /// `NotBestEffort`, into which a pod comes by the first thing it asks for, and a value that the quota could never hold.
    fn refusal_of_quota(&self, quota: &Quota) -> Option<String> {
        let name = &quota.name;
        let is_for = |scope: &str| match scope {
            "NotBestEffort" => Some(true),
            "BestEffort" => Some(false),
            "Terminating" => Some(self.has_deadline()),
            "NotTerminating" => Some(!self.has_deadline()),
            _ => None,
        };
        if quota.scopes.iter().any(|scope| is_for(scope) == Some(false)) {
            return None;
        }
        if quota.scopes.iter().any(|scope| scope == "NotBestEffort") && self.was_best_effort() {
            return Some(format!(
                "as the quota `{name}` (NotBestEffort) would then count the pod and may refuse it: set what it wants"
            ));
        }
        // Whether it is about the pod at all hangs on more than can be seen here.
        if quota.scoped && (quota.scopes.is_empty() || quota.scopes.iter().any(|scope| is_for(scope).is_none())) {
            return None;
        }
        self.proposals.iter().find_map(|proposal| {
            let (amounts, resource) = (proposal.amounts, proposal.resource);
            let key = format!("{}.{resource}", amounts.key());
            let also = quota.most(resource).filter(|_| amounts == Amounts::Requests);
            let most = quota.most(&key).into_iter().chain(also).min()?;
            let asked = self.of_pod(amounts, resource)??;
            (asked > most).then(|| {
                format!(
                    "as the pod would ask for {asked} and the quota `{name}` allows {most} of `{key}` in all: set less"
                )
            })
        })
    }

    fn has_deadline(&self) -> bool {
        integer(self.pod.spec().value().get("activeDeadlineSeconds")).is_some()
    }

    /// Whether no container asked for CPU or memory before.
    fn was_best_effort(&self) -> bool {
        let before = Asked { proposals: &[], ..*self };
        let asks = |index: usize| {
            [Amounts::Requests, Amounts::Limits].into_iter().any(|amounts| {
                ["cpu", "memory"].iter().any(|resource| {
                    // What cannot be read is something.
                    before
                        .of_container(index, amounts, resource)
                        .is_none_or(|amount| amount.is_some_and(|amount| !amount.is_zero()))
                })
            })
        };
        !(0..self.pod.containers().len()).any(asks)
    }

    /// What a container asks for; the outer `None` where that cannot be read.
    fn of_container(&self, index: usize, amounts: Amounts, resource: &str) -> Option<Option<Quantity>> {
        let own = match amounts {
            // A limit alone is a request of the same size.
            Amounts::Requests => {
                self.own(index, Amounts::Requests, resource).or_else(|| self.own(index, Amounts::Limits, resource))
            }
            Amounts::Limits => self.own(index, Amounts::Limits, resource),
        };
        match own.unwrap_or_else(|| self.bounds.given(amounts, resource)) {
            Given::None => Some(None),
            Given::Value(value) => Some(Some(value)),
            Given::Unreadable => None,
        }
    }

    /// What a repair sets for a container, or its author wrote.
    fn own(&self, index: usize, amounts: Amounts, resource: &str) -> Option<Given> {
        let set = |proposal: &&Proposal| {
            proposal.container == index && proposal.amounts == amounts && proposal.resource == resource
        };
        if let Some(proposal) = self.proposals.iter().find(set) {
            return Some(Given::Value(proposal.value));
        }
        let value = written(self.pod.containers().get(index)?.value(), amounts, resource)?;
        Some(Quantity::from_value(value).map_or(Given::Unreadable, Given::Value))
    }

    /// What a pod asks for in all; the outer `None` where that cannot be read. It is what runs at a time: all regular
    /// containers and sidecars, or one init container beside the sidecars in front of it.
    fn of_pod(&self, amounts: Amounts, resource: &str) -> Option<Option<Quantity>> {
        if let Some(value) = written(self.pod.spec().value(), amounts, resource) {
            return Quantity::from_value(value).map(Some);
        }
        let (mut together, mut sidecars, mut at_start) = (None, None, None);
        for (index, container) in self.pod.containers().iter().enumerate() {
            let own = self.of_container(index, amounts, resource)?;
            match container.role() {
                ContainerRole::Regular => together = sum(together, own),
                ContainerRole::Sidecar => {
                    together = sum(together, own);
                    sidecars = sum(sidecars, own);
                    at_start = sidecars.max(at_start);
                }
                ContainerRole::Init => at_start = sum(sidecars, own).max(at_start),
                ContainerRole::Ephemeral => {}
            }
        }
        // Nothing is less than an amount.
        Some(together.max(at_start))
    }
}

/// What is written in the `resources` of a container or PodSpec, be it readable or not.
fn written<'v>(holder: &'v Value, amounts: Amounts, resource: &str) -> Option<&'v Value> {
    holder.get("resources")?.get(amounts.key())?.get(resource).filter(|value| !value.is_null())
}

fn sum(one: Option<Quantity>, other: Option<Quantity>) -> Option<Quantity> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.add(other)),
        _ => one.or(other),
    }
}

fn in_words(breach: Breach, bounds: &Bounds, name: &str) -> String {
    let (resource, amount) = (bounds.resource, |amount: Option<Quantity>| amount.unwrap_or(Quantity::ZERO));
    let each = match bounds.of {
        Bounded::Container => "container",
        Bounded::Pod => "pod",
    };
    match breach {
        Breach::NoRequest => {
            format!("as the LimitRange `{name}` wants a request of {resource} in each {each}: set one")
        }
        Breach::NoLimit => {
            format!("as the LimitRange `{name}` wants a limit on {resource} in each {each}: set one too")
        }
        Breach::BelowMin(found) => format!(
            "as the LimitRange `{name}` wants at least {} of {resource} in each {each} and this is {found}: set more",
            amount(bounds.min)
        ),
        Breach::AboveMax(found) => format!(
            "as the LimitRange `{name}` allows each {each} {} of {resource} at most and this would be {found}: set less",
            amount(bounds.max)
        ),
        Breach::AboveRatio => format!(
            "as the LimitRange `{name}` allows each {each} a limit on {resource} of {} times its request at most: set both",
            amount(bounds.ratio)
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;
    use crate::inventory::Inventory;
    use crate::object::Object;
    use crate::policy::Effective;

    fn range(item: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "bounds", "namespace": "ml"}, "spec": {"limits": [item]}})
    }

    fn quota(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "bounds", "namespace": "ml"}, "spec": spec})
    }

    fn containers(resources: &Value) -> Value {
        json!({"containers": [{"name": "server", "resources": resources}]})
    }

    /// Why the last container of a pod of the file `ml/pod.yaml` may not be given an amount of memory, beside an object that
    /// stands in the file `origin`.
    fn refusal_of(origin: &str, object: &Value, spec: &Value, (amounts, value): (Amounts, &str)) -> Option<String> {
        let mut inventory = Inventory::of_cluster();
        inventory.add(object, origin, Catalog::builtin());
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ml"}, "spec": spec});
        let policy = Effective::recommended();
        let today = date(2026, 11, 22);
        let context = Context { policy: &policy, inventory: &inventory, namespace: None, origin: "ml/pod.yaml", today };
        let object = Object::new(&pod, Catalog::builtin());
        let pod = &object.pods()[0];
        let container = pod.containers().len() - 1;
        let proposal = Proposal { container, amounts, resource: "memory", value: value.parse().unwrap() };
        NamespaceBounds::of(pod, &context).refusal(pod, &[proposal])
    }

    fn refusal(object: &Value, spec: &Value, set: (Amounts, &str)) -> Option<String> {
        refusal_of("ml/bounds.yaml", object, spec, set)
    }

    const REQUEST: (Amounts, &str) = (Amounts::Requests, "8Gi");
    const LIMIT: (Amounts, &str) = (Amounts::Limits, "8Gi");

    #[test]
    fn a_limit_range_refuses_in_words() {
        let requested = json!({"requests": {"memory": "2Gi"}});
        for (item, resources, set, expected) in [
            (
                json!({"type": "Pod", "max": {"memory": "4Gi"}}),
                json!({}),
                REQUEST,
                "as the LimitRange `bounds` wants a limit on memory in each pod: set one too",
            ),
            (
                json!({"type": "Pod", "max": {"memory": "4Gi"}}),
                json!({"limits": {"memory": "4Gi"}}),
                REQUEST,
                "as the LimitRange `bounds` allows each pod 4Gi of memory at most and this would be 8Gi: set less",
            ),
            (
                json!({"type": "Container", "maxLimitRequestRatio": {"memory": "3"}}),
                requested.clone(),
                LIMIT,
                "as the LimitRange `bounds` allows each container a limit on memory of 3 times its request at most: set both",
            ),
            (
                json!({"type": "Container", "maxLimitRequestRatio": {"memory": "3"}}),
                json!({"requests": {"memory": 0}}),
                LIMIT,
                "as the LimitRange `bounds` wants a request of memory in each container: set one",
            ),
            (
                json!({"type": "Container", "min": {"memory": "4Gi"}}),
                requested,
                LIMIT,
                "as the LimitRange `bounds` wants at least 4Gi of memory in each container and this is 2Gi: set more",
            ),
        ] {
            assert_eq!(refusal(&range(&item), &containers(&resources), set).as_deref(), Some(expected), "{item}");
        }
    }

    #[test]
    fn a_limit_alone_is_a_request_of_the_same_size() {
        let item =
            range(&json!({"type": "Container", "min": {"memory": "4Gi"}, "maxLimitRequestRatio": {"memory": 1}}));
        assert_eq!(refusal(&item, &containers(&json!({})), LIMIT), None);
    }

    #[test]
    fn what_a_limit_range_does_not_speak_of_is_let_be() {
        let asked = containers(&json!({"requests": {"memory": "4Gi"}}));
        for item in [
            json!({"type": "Pod", "max": {"cpu": 1}}),
            json!({"type": "Container", "maxLimitRequestRatio": {"memory": 2}}),
            json!({"type": "Container", "min": {"memory": "4Gi"}}),
            json!({"type": "Pod", "max": {"memory": "8Gi"}, "min": {"memory": "4Gi"}, "maxLimitRequestRatio": {"memory": 2}}),
        ] {
            assert_eq!(refusal(&range(&item), &asked, LIMIT), None, "{item}");
        }
    }

    #[test]
    fn a_pod_asks_for_what_runs_at_a_time() {
        let most = |quantity: &str| range(&json!({"type": "Pod", "max": {"memory": quantity}}));
        let limits = |quantity: &str| json!({"limits": {"memory": quantity}});
        let sidecar = json!({"name": "a", "restartPolicy": "Always", "resources": limits("2Gi")});
        let init = json!({"name": "b", "resources": limits("20Gi")});
        let regular = json!([{"name": "c", "resources": limits("4Gi")}, {"name": "d"}]);
        for (spec, asked) in [
            (json!({"containers": regular}), "12Gi"),
            (json!({"initContainers": [sidecar], "containers": regular}), "14Gi"),
            (json!({"initContainers": [init], "containers": regular}), "20Gi"),
            (json!({"initContainers": [sidecar, init], "containers": regular}), "22Gi"),
            (json!({"initContainers": [init, sidecar], "containers": regular}), "20Gi"),
            (json!({"resources": limits("30Gi"), "containers": regular}), "30Gi"),
        ] {
            assert_eq!(refusal(&most(asked), &spec, LIMIT), None, "{spec}");
            let less = asked.parse::<Quantity>().unwrap().subtract(Quantity::bytes(1)).to_string();
            let found = refusal(&most(&less), &spec, LIMIT).unwrap_or_default();
            assert!(found.contains(&format!("would be {asked}")), "{spec}: {found}");
        }
    }

    #[test]
    fn what_cannot_be_read_refuses_nothing() {
        let pod = range(&json!({"type": "Pod", "max": {"memory": "1Gi"}}));
        let beside = |resources: &Value| json!({"containers": [{"name": "a", "resources": resources}, {"name": "b"}]});
        assert!(refusal(&pod, &beside(&json!({"limits": {"memory": "2Gi"}})), LIMIT).is_some());
        assert_eq!(refusal(&pod, &beside(&json!({"limits": {"memory": "${MEMORY}"}})), LIMIT), None);
        let item = range(&json!({"type": "Pod", "max": {"memory": "${MAX}"}}));
        assert_eq!(refusal(&item, &containers(&json!({})), LIMIT), None);
        let odd = quota(&json!({"hard": {"limits.memory": "${MAX}"}, "scopes": [7]}));
        assert_eq!(refusal(&odd, &containers(&json!({})), LIMIT), None);
    }

    #[test]
    fn a_quota_refuses_in_words() {
        let some = json!({"requests": {"cpu": "1"}});
        for (spec, resources, set, expected) in [
            (
                json!({"scopes": ["NotBestEffort"], "hard": {"pods": 10}}),
                json!({"limits": {"nvidia.com/gpu": 1}, "requests": {"cpu": "0"}}),
                REQUEST,
                "as the quota `bounds` (NotBestEffort) would then count the pod and may refuse it: set what it wants",
            ),
            (
                json!({"hard": {"requests.memory": "4Gi"}}),
                some.clone(),
                REQUEST,
                "as the pod would ask for 8Gi and the quota `bounds` allows 4Gi of `requests.memory` in all: set less",
            ),
            (
                json!({"scopes": ["NotBestEffort", "NotTerminating"], "hard": {"limits.memory": "4Gi"}}),
                some,
                LIMIT,
                "as the pod would ask for 8Gi and the quota `bounds` allows 4Gi of `limits.memory` in all: set less",
            ),
        ] {
            let found = refusal(&quota(&spec), &containers(&resources), set);
            assert_eq!(found.as_deref(), Some(expected), "{spec}");
        }
    }

    #[test]
    fn a_quota_that_is_not_about_the_pod_is_let_be() {
        let some = json!({"requests": {"cpu": "1"}});
        let deadline = json!({"activeDeadlineSeconds": 60, "containers": [{"name": "server"}]});
        for (spec, pod, set) in [
            (json!({"scopes": ["BestEffort"], "hard": {"pods": 10}}), containers(&json!({})), REQUEST),
            (json!({"scopes": ["NotBestEffort"], "hard": {"pods": 10}}), containers(&some), REQUEST),
            (json!({"scopes": ["NotBestEffort", "Terminating"], "hard": {"pods": 1}}), containers(&json!({})), REQUEST),
            (json!({"scopes": ["NotTerminating"], "hard": {"memory": "4Gi"}}), deadline, REQUEST),
            (json!({"scopes": ["PriorityClass"], "hard": {"memory": "4Gi"}}), containers(&some), REQUEST),
            (json!({"hard": {"limits.memory": "4Gi", "requests.cpu": 1}}), containers(&some), REQUEST),
            (json!({"hard": {"memory": "4Gi", "requests.memory": "4Gi"}}), containers(&some), LIMIT),
        ] {
            assert_eq!(refusal(&quota(&spec), &pod, set), None, "{spec}");
        }
    }

    #[test]
    fn what_another_part_of_a_repository_bounds_is_of_another_cluster() {
        let quota = quota(&json!({"hard": {"limits.memory": "4Gi"}}));
        let range = range(&json!({"type": "Pod", "max": {"memory": "4Gi"}}));
        for (origin, counts) in [("ml/x.yaml", true), ("x.yaml", true), ("ml/base/x.yaml", true), ("web/x.yaml", false)]
        {
            for object in [&quota, &range] {
                assert_eq!(refusal_of(origin, object, &containers(&json!({})), LIMIT).is_some(), counts, "{origin}");
            }
        }
    }
}
