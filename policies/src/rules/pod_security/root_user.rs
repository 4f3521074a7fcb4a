//! `root-user`: a pod that may run as root.

use serde_json::Value;

use super::{has_user_namespace, restricted};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::Node;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "root-user",
    summary: "the pod may run as root",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Root in a container is root to the kernel, so that every hole in the runtime is a way to the node. `runAsNonRoot: true` makes the \
kubelet refuse an image that starts as root; many images of model servers do, and then need a `runAsUser` and directories that \
this user may write. It is the control *Running as Non-root* of the restricted \
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
  securityContext:
    runAsNonRoot: true
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(version) = restricted(pod, context) else { return Vec::new() };
    // Since 1.35 root in a user namespace of its own is let be.
    if version.has(35) && has_user_namespace(pod) {
        return Vec::new();
    }
    let whole = pod.spec().get("securityContext").get("runAsNonRoot");
    let set = |node: &Node<'_>, value: bool| node.value() == &Value::Bool(value);
    let mut findings: Vec<Finding> = Vec::new();
    if set(&whole, false) {
        findings.push(refused(&whole));
    }
    let own: Vec<_> =
        pod.containers().iter().map(|container| container.get("securityContext").get("runAsNonRoot")).collect();
    findings.extend(own.iter().filter(|node| set(node, false)).map(refused));
    // The control on users came with 1.23.
    if version.has(23) {
        let users = std::iter::once(pod.spec().get("securityContext"))
            .chain(pod.containers().iter().map(|container| container.get("securityContext")))
            .map(|context| context.get("runAsUser"));
        findings.extend(users.filter(|user| user.value().as_i64() == Some(0)).map(|user| {
            RULE.finding(user.path().clone(), "`runAsUser: 0` is root, which the restricted level refuses")
        }));
    }
    let bare: Vec<_> = own.iter().filter(|node| !set(node, true)).collect();
    if bare.is_empty() || set(&whole, true) || !findings.is_empty() {
        return findings;
    }
    if bare.len() == pod.containers().len() {
        let message = "the pod does not set `runAsNonRoot: true`, which the restricted level requires";
        return vec![RULE.finding(whole.path().clone(), message)];
    }
    bare.into_iter()
        .map(|node| {
            let message =
                "neither this container nor the pod sets `runAsNonRoot: true`, as the restricted level requires";
            RULE.finding(node.path().clone(), message)
        })
        .collect()
}

fn refused(node: &Node<'_>) -> Finding {
    RULE.finding(node.path().clone(), "`runAsNonRoot: false` allows root, which the restricted level refuses")
}
