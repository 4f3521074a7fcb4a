//! `privilege-escalation`: a container that may gain more privileges than it started with.

use serde_json::Value;

use super::{is_windows, restricted};
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "privilege-escalation",
    summary: "the container may gain privileges that it did not start with",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Unless `allowPrivilegeEscalation` is `false`, a setuid program in the image gives its caller root, whatever user the server \
runs as. Model servers need none. It is the control *Privilege Escalation* of the restricted \
[Pod Security Standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/); It counts where the Policy names the restricted level, or the pod's namespace enforces it by label and is in sight.",
    bad: "\
apiVersion: v1
kind: Namespace
metadata:
  name: ml
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: ml
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    good: "\
apiVersion: v1
kind: Namespace
metadata:
  name: ml
  labels:
    pod-security.kubernetes.io/enforce: restricted
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: ml
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
      securityContext:
        allowPrivilegeEscalation: false
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(version) = restricted(pod, context) else { return Vec::new() };
    // The control came with 1.8, and lets Windows be since 1.25.
    if !version.has(8) || version.has(25) && is_windows(pod) {
        return Vec::new();
    }
    let off = |value: &Value| {
        value.get("securityContext").and_then(|own| own.get("allowPrivilegeEscalation")) == Some(&Value::Bool(false))
    };
    pod.containers()
        .iter()
        .filter(|container| !off(container.value()))
        .map(|container| {
            let node = container.get("securityContext").get("allowPrivilegeEscalation");
            let message = format!(
                "{} does not set `allowPrivilegeEscalation: false`, which the restricted level requires",
                container.title()
            );
            RULE.finding(node.path().clone(), message)
        })
        .collect()
}
