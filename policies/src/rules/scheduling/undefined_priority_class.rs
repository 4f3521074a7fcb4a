//! `undefined-priority-class`: pods of a PriorityClass that is nowhere defined.

use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::Sight;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undefined-priority-class",
    summary: "the pod names a PriorityClass that the project does not define",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
The API server refuses every pod whose \
[`priorityClassName`](https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#pod-priority) does not \
exist, and the workload stays at zero pods with nothing but an event to tell. Classes lie outside namespaces and often come from \
elsewhere, so the rule speaks only where the whole project is in sight and it defines other classes; where it only defines the \
pod's own namespace, this is advice.",
    bad: "\
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata:
  name: inference
value: 1000
---
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  priorityClassName: inference-high
  containers:
    - name: server
      image: registry.example.com/team/llm:2.3.1
",
    good: "\
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata:
  name: inference
value: 1000
---
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  priorityClassName: inference
  containers:
    - name: server
      image: registry.example.com/team/llm:2.3.1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let node = pod.spec().get("priorityClassName");
    let Some(name) = node.as_str().filter(|name| !name.is_empty()) else { return Vec::new() };
    if context.inventory.priority_class(name) != Sight::Absent {
        return Vec::new();
    }
    let finding = |severity| {
        let message =
            format!("no PriorityClass `{name}` is defined in this project; where it is missing, no pod is made");
        vec![RULE.finding(node.path().clone(), message).at_most(severity)]
    };
    if context.inventory.has_priority_classes() {
        return finding(Severity::Warning);
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    match namespace.map(|namespace| context.inventory.namespace(namespace)) {
        Some(Sight::Present(_)) => finding(Severity::Advice),
        _ => Vec::new(),
    }
}
