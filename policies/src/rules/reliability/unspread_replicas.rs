//! `unspread-replicas`: replicas of a model server that may all sit on one node.

use serde_json::{Map, Value, json};

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::node::{Node, is_placeholder};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unspread-replicas",
    summary: "replicas of a model server may all be placed on one node",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
The scheduler packs replicas onto one node when that suits it, and the loss of that node takes them all at once, for as long \
as a model takes to load. A *preferred* \
[anti-affinity](https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity) \
spreads them where there is room and holds up nothing where there is none; a required one would stop rollouts on a full \
cluster. `matchLabelKeys: [pod-template-hash]` keeps the old revision out of the count during a rollout \
([KEP-3633](https://github.com/kubernetes/enhancements/issues/3633)). It is put in only where the author wrote no affinity \
and no spread at all.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 2
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
spec:
  replicas: 2
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
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                labelSelector:
                  matchLabels:
                    app: llm
                matchLabelKeys:
                  - pod-template-hash
                topologyKey: kubernetes.io/hostname
",
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

/// Labels that controllers put on the pods they make: they are not in a template, and differ from pod to pod or from
/// revision to revision.
const CONTROLLER_LABELS: &[&str] = &[
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
];

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let controller = pod.controller();
    let replicated = matches!(controller, Controller::ReplicaSet | Controller::StatefulSet)
        || pod.definition().scalable && !pod.definition().per_node;
    let placed_by_others = !pod.profile().serves_alone()
        || pod.is_gang()
        || pod.is_queued()
        || pod.is_completed(Completion::Affinity)
        || pod.refuses("/affinity");
    if !pod.has_spec() || !replicated || placed_by_others || !has_several(pod, controller, context) {
        return Vec::new();
    }
    let spec = pod.spec();
    let decided = ["affinity", "topologySpreadConstraints", "nodeName"].iter().any(|field| !is_empty(&spec.get(field)));
    if decided {
        return Vec::new();
    }
    let labels: Map<String, Value> = pod
        .labels()
        .filter(|(key, _)| !CONTROLLER_LABELS.contains(key))
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let affinity = spec.get("affinity");
    let finding = RULE.finding(affinity.path().clone(), "nothing keeps the replicas from being placed on one node");
    // Labels with placeholders in them would select nothing.
    if labels.is_empty() || labels.values().filter_map(Value::as_str).any(is_placeholder) {
        return vec![finding];
    }
    let mut term = json!({"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"});
    if controller == Controller::ReplicaSet && pod.owner().group != "argoproj.io" {
        term["matchLabelKeys"] = json!(["pod-template-hash"]);
    }
    let preferred = json!([{"weight": 100, "podAffinityTerm": term}]);
    let edit = if affinity.is_absent() {
        affinity.set(json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}))
    } else {
        affinity.walk(&["podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution"]).set(preferred)
    };
    vec![finding.with_fix(Fix::safe("prefer to place the replicas on different nodes", vec![edit]))]
}

/// Whether there are, or may well be, at least two of these pods. A lone pod under a ReplicaSet says nothing of how many
/// there are; a preference does no harm to one.
fn has_several(pod: &Pod<'_>, controller: Controller, context: &Context<'_>) -> bool {
    if pod.is_pod() {
        return controller == Controller::ReplicaSet;
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    let declared = pod.replicas().unwrap_or(0);
    match context.inventory.autoscalers_of(pod.owner(), namespace) {
        Sight::Present(scalers) => scalers.iter().map(|scaler| scaler.floor).max().unwrap_or(0).max(declared) >= 2,
        Sight::Absent | Sight::Unknown => declared >= 2,
    }
}

/// Whether nothing is there, or nothing but an empty mapping or list, as chart defaults leave behind.
fn is_empty(node: &Node<'_>) -> bool {
    match node.value() {
        Value::Null => true,
        Value::Object(map) => map.values().all(Value::is_null),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
