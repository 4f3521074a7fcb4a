//! `missing-disruption-budget`: replicas of a model server that one drain may take all at once.

use serde_json::{Value, json};

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::node::is_placeholder;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::selector::Selector;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-disruption-budget",
    summary: "no budget keeps a drain from taking all replicas of the model server",
    category: Category::Disruption,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A node upgrade drains one node after the other and waits for no model to load: replicas that need minutes to come back are \
gone all at once. A [PodDisruptionBudget](https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-budgets) \
with `maxUnavailable: 1` lets one go at a time, and never blocks a drain as a budget on all replicas does. \
`unhealthyPodEvictionPolicy: AlwaysAllow` lets pods go that never became ready. It is asked for where at least two pods \
always run: two replicas, or the `minReplicas` of a HorizontalPodAutoscaler. As two budgets on one pod make every eviction \
fail, it is only added when the whole project is in sight and has none.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  replicas: 3
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  replicas: 3
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: llm
  namespace: ml
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app: llm
  unhealthyPodEvictionPolicy: AlwaysAllow
",
    fixable: Fixable::Safe,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let scalable = object.definition().is_some_and(|kind| kind.scalable && !kind.gang && !kind.per_node);
    let [pod] = object.pods() else { return Vec::new() };
    if !scalable || pod.is_gang() || !pod.profile().serves_alone() || pod.operator().is_some() {
        return Vec::new();
    }
    let identity = object.identity();
    let namespace = identity.namespace.or(context.namespace);
    let floor = match context.inventory.autoscalers_of(identity, namespace) {
        Sight::Present(scalers) => scalers.iter().map(|scaler| scaler.floor).min(),
        Sight::Absent => pod.replicas(),
        Sight::Unknown => None,
    };
    let Some(floor) = floor.filter(|floor| *floor >= 2) else { return Vec::new() };
    // Unknown is no finding: a budget that lies in a file out of sight is as good as one in sight.
    if context.inventory.budgets_of(namespace, |key| pod.label(key)) != Sight::Absent {
        return Vec::new();
    }
    let message = format!("{floor} replicas and no PodDisruptionBudget: a drain of nodes may take them all at once");
    let mut finding = RULE.finding(object.root().walk(&["spec", "replicas"]).path().clone(), message);
    let selector = Selector::from_value(object.root().walk(&["spec", "selector"]).value());
    let contested = selector.is_some_and(|selector| context.inventory.is_contested(&selector, identity, namespace))
        || context.inventory.has_budget_named(identity.name, namespace);
    if let Some(budget) = budget(object).filter(|_| !contested) {
        finding = finding.with_fix(Fix::companion("add a PodDisruptionBudget that lets one pod go at a time", budget));
    }
    vec![finding]
}

/// The budget, with the workload's own selector; `None` without a name or a selector to copy.
fn budget(object: &Object<'_>) -> Option<Value> {
    let selector = object.root().walk(&["spec", "selector"]);
    let selects = Selector::from_value(selector.value()).is_some_and(|selector| !selector.is_empty());
    let identity = object.identity();
    let labels = object.root().walk(&["spec", "selector", "matchLabels"]);
    let placeholders = labels.entries().filter_map(|(_, value)| value.as_str()).any(is_placeholder);
    if !selects || placeholders || identity.name.is_empty() || is_placeholder(identity.name) {
        return None;
    }
    let mut metadata = json!({"name": identity.name});
    if let Some(namespace) = identity.namespace {
        metadata["namespace"] = json!(namespace);
    }
    Some(json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": selector.value()},
    }))
}
