//! `surplus-gpu-toleration`: a pod that needs no accelerator may be placed on the nodes that have them.

use serde_json::Value;

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::text;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::{demand, labels, tolerations};

/// The rule.
pub static RULE: Rule = Rule {
    name: "surplus-gpu-toleration",
    summary: "tolerates the taint of nodes with accelerators and asks for none",
    category: Category::Cost,
    severity: Severity::Advice,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
Nodes with accelerators are tainted so that nothing else is placed there. A pod that tolerates the taint and uses no accelerator \
takes CPU and memory from those that do, and keeps an expensive node from being scaled down: the cluster autoscaler removes a \
node only when [its pods can go elsewhere](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#how-does-scale-down-work). \
Agents that look after nodes tolerate it rightly, and are let be. To take the toleration away may move the pod, so it is done \
only on request.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat-frontend
spec:
  selector:
    matchLabels:
      app: chat-frontend
  template:
    metadata:
      labels:
        app: chat-frontend
    spec:
      containers:
        - name: web
          image: registry.example.com/chat-frontend:3.1.0
      tolerations:
        - key: nvidia.com/gpu
          operator: Exists
          effect: NoSchedule
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat-frontend
spec:
  selector:
    matchLabels:
      app: chat-frontend
  template:
    metadata:
      labels:
        app: chat-frontend
    spec:
      containers:
        - name: web
          image: registry.example.com/chat-frontend:3.1.0
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Annotations of pods whose node was ordered for them.
const PROVISIONED: &[&str] = &[
    "autoscaling.x-k8s.io/consume-provisioning-request",
    "cluster-autoscaler.kubernetes.io/consume-provisioning-request",
];

/// Whether the pod says itself on which nodes, or beside which pods, it must be.
fn is_sent(pod: &Pod<'_>) -> bool {
    let spec = pod.spec().value();
    let beside = spec.pointer("/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    !labels::wanted(pod).is_empty()
        || beside.and_then(Value::as_array).is_some_and(|terms| !terms.is_empty())
        || text(spec, "nodeName").is_some_and(|name| !name.is_empty())
}

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    let surplus: Vec<_> = tolerations::of(pod)
        .filter(|toleration| toleration.key.contains('/') && tolerations::is_accelerator_taint(toleration.key, catalog))
        .collect();
    let Some(first) = surplus.first() else { return Vec::new() };
    if !demand::is_whole(pod)
        || demand::may_use(pod)
        || demand::is_node_agent(pod)
        // One that is sent somewhere is sent there on purpose.
        || PROVISIONED.iter().any(|annotation| pod.annotation(annotation).is_some())
        || is_sent(pod)
    {
        return Vec::new();
    }
    let message = format!(
        "tolerates the taint `{}` of nodes with accelerators and asks for none: it may take their CPU and memory and keep them \
         from being scaled down",
        first.key
    );
    let finding = RULE.finding(first.node.path().clone(), message);
    // A model server more likely lacks the accelerator than tolerates too much.
    if pod.profile().ai {
        return vec![finding];
    }
    let all = pod.spec().get("tolerations");
    let edits = if all.items().count() == surplus.len() {
        vec![all.remove()]
    } else {
        // The last first, so that the places of the others stay.
        surplus.iter().rev().map(|toleration| toleration.node.remove()).collect()
    };
    vec![finding.with_fix(Fix::r#unsafe(format!("tolerate `{}` no more", first.key), edits))]
}
