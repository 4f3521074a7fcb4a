//! `blocking-disruption-budget`: a budget under which no pod may ever be evicted.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::disruption::Allowance;
use crate::finding::Finding;
use crate::inventory::{Inventory, Sight, Sighted};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::selector::Selector;

/// The rule.
pub static RULE: Rule = Rule {
    name: "blocking-disruption-budget",
    summary: "the budget never allows an eviction, so node drains wait for ever",
    category: Category::Disruption,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A budget that wants all pods healthy blocks every drain: node upgrades, the cluster autoscaler and `kubectl drain` wait \
for ever, or kill the pod without asking after their own time-out. A budget on one replica is the common case; \
`maxUnavailable: 0` and `minAvailable: 100%` are others, and as percentages are \
[rounded up](https://kubernetes.io/docs/tasks/run-application/configure-pdb/#rounding-logic-when-specifying-percentages), \
`minAvailable: 90%` of five pods is five. The floor counts: the `minReplicas` of a HorizontalPodAutoscaler where there is \
one, else the replicas. A single replica cannot be drained without a gap: run two, or do without a budget. There is no \
repair, as only the author knows which.",
    bad: "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: llm
spec:
  maxUnavailable: 0
  selector:
    matchLabels:
      app: llm
",
    good: "\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: llm
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app: llm
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !object.identity().is("policy", "PodDisruptionBudget") {
        return Vec::new();
    }
    let spec = object.root().get("spec");
    let Some(allowance) = Allowance::of_spec(spec.value()) else { return Vec::new() };
    let field = match allowance {
        Allowance::MinAvailable(_) => "minAvailable",
        Allowance::MaxUnavailable(_) => "maxUnavailable",
    };
    let at = spec.get(field).path().clone();
    if allowance.blocks_always() {
        return vec![
            RULE.finding(at, format!("`{allowance}` never allows an eviction: every drain of a node waits for ever")),
        ];
    }
    let Some(selector) = Selector::from_value(spec.get("selector").value()) else { return Vec::new() };
    let namespace = object.identity().namespace;
    let Sight::Present(workloads) = context.inventory.workloads_selected(&selector, namespace, context.origin) else {
        return Vec::new();
    };
    if let Some(job) = workloads.iter().find(|workload| workload.kind.1 == "Job" && workload.kind.0 == "batch") {
        if allowance.needs_scale() {
            let message = format!(
                "`{allowance}` selects the Job `{}`, which has no scale: Kubernetes then allows no eviction",
                job.name
            );
            return vec![RULE.finding(at, message)];
        }
        return Vec::new();
    }
    match floor(&workloads, context.inventory) {
        Some(floor) if floor > 0 && allowance.blocks(floor) => {
            let pods = if floor == 1 { "the only pod".to_owned() } else { format!("all of {floor} pods") };
            let message = format!(
                "`{allowance}` keeps {pods}: no eviction is ever allowed, and every drain of a node waits for ever"
            );
            vec![RULE.finding(at, message)]
        }
        _ => Vec::new(),
    }
}

/// The fewest pods that the workloads together keep; `None` where that is not known. Several objects of one name are
/// variants for several environments: the largest counts, so that we never cry wolf.
fn floor(workloads: &[&Sighted], inventory: &Inventory) -> Option<i64> {
    let mut floors: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for workload in workloads {
        if !workload.scalable {
            return None;
        }
        let floor = match inventory.autoscalers_of(workload.identity(), workload.namespace.as_deref()) {
            Sight::Present(scalers) => scalers.iter().map(|scaler| scaler.floor).max(),
            Sight::Absent => workload.replicas,
            Sight::Unknown => None,
        }?;
        let known = floors.entry((&workload.kind.1, &workload.name)).or_insert(floor);
        *known = floor.max(*known);
    }
    Some(floors.values().fold(0, |sum: i64, floor| sum.saturating_add(*floor)))
}
