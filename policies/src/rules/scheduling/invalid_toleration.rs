//! `invalid-toleration`: a toleration whose fields contradict each other, which the API server refuses.

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{Node, is_placeholder, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::tolerations;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-toleration",
    summary: "a toleration that the API server refuses",
    category: Category::Scheduling,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
`operator: Exists` tolerates a taint whatever its value, so that a `value` beside it contradicts it; a toleration without a key \
must be `Exists`, `tolerationSeconds` is for `effect: NoExecute` alone, and each field is a text that Kubernetes knows. The API server refuses a pod or a template with such \
a toleration; under a custom resource, which is not looked at, the pods are refused when they are made \
([Kubernetes: taints and tolerations](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#concepts)).",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: cuda-check
spec:
  restartPolicy: Never
  containers:
    - name: check
      image: registry.example.com/cuda-check:1.4
      resources:
        limits:
          nvidia.com/gpu: 1
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      value: present
      effect: NoSchedule
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: cuda-check
spec:
  restartPolicy: Never
  containers:
    - name: check
      image: registry.example.com/cuda-check:1.4
      resources:
        limits:
          nvidia.com/gpu: 1
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      effect: NoSchedule
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for toleration in tolerations::of(pod) {
        let value = toleration.node.get("value");
        let operator = text(toleration.node.value(), "operator").unwrap_or_default();
        let held = [toleration.key, toleration.effect, operator, value.as_str().unwrap_or_default()];
        if held.into_iter().any(is_placeholder) {
            continue;
        }
        let typed = |node: &Node<'_>| node.value().is_number() || node.value().is_boolean();
        let beside = value.as_str().is_some_and(|value| !value.is_empty()) || typed(&value);
        let fields = || ["key", "operator", "value", "effect"].into_iter().map(|field| toleration.node.get(field));
        if toleration.exists && beside {
            let message = "has a value beside `operator: Exists`: the API server refuses it; leave the value out to tolerate \
                           any, or say `operator: Equal`";
            let fix = Fix::r#unsafe("tolerate the taint whatever its value", vec![value.remove()]);
            findings.push(RULE.finding(value.path().clone(), message).with_fix(fix));
        } else if let Some(field) = fields().find(typed) {
            let message = "is no text, and the API server refuses it: put it into quotes";
            findings.push(RULE.finding(field.path().clone(), message));
        } else if !matches!(operator, "" | "Equal" | "Exists" | "Lt" | "Gt") {
            let message = "has an operator that there is not: the API server refuses it; it is Exists or Equal";
            findings.push(RULE.finding(toleration.node.get("operator").path().clone(), message));
        } else if toleration.key.is_empty() && !toleration.exists {
            let message = "has neither a key nor `operator: Exists`: the API server refuses it; name the taint's key";
            findings.push(RULE.finding(toleration.node.path().clone(), message));
        } else if !matches!(toleration.effect, "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            let message = "has an effect that there is not: the API server refuses it; it is NoSchedule, PreferNoSchedule or \
                           NoExecute";
            findings.push(RULE.finding(toleration.node.get("effect").path().clone(), message));
        } else if toleration.effect != "NoExecute" && !toleration.node.get("tolerationSeconds").is_absent() {
            let message = "has `tolerationSeconds` without `effect: NoExecute`: the API server refuses it";
            findings.push(RULE.finding(toleration.node.get("tolerationSeconds").path().clone(), message));
        }
    }
    findings
}
