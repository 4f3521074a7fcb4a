//! `undropped-capabilities`: a container that keeps Linux capabilities.

use super::{is_windows, restricted};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::list;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undropped-capabilities",
    summary: "the container keeps Linux capabilities that it could drop",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A container starts with some fourteen capabilities, and a server that listens above port 1024 needs none of them. The restricted \
level wants `drop: [ALL]`, and nothing added back but `NET_BIND_SERVICE`. It is the control *Capabilities* of the restricted \
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
        capabilities:
          drop:
            - ALL
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(version) = restricted(pod, context) else { return Vec::new() };
    // The control came with 1.22, and lets Windows be since 1.25.
    if !version.has(22) || version.has(25) && is_windows(pod) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for container in pod.containers() {
        let capabilities = container.get("securityContext").get("capabilities");
        // Names are compared to the letter: neither `all` nor `CAP_…` is known to the API server.
        if !list(capabilities.value(), "drop").iter().any(|dropped| dropped == "ALL") {
            let message =
                format!("{} does not drop `ALL` capabilities, which the restricted level requires", container.title());
            findings.push(RULE.finding(capabilities.get("drop").path().clone(), message));
        }
        for added in capabilities.get("add").items() {
            if added.as_str().is_some_and(|name| name != "NET_BIND_SERVICE") {
                let message = format!(
                    "{} adds a capability; the restricted level knows `NET_BIND_SERVICE` only",
                    container.title()
                );
                findings.push(RULE.finding(added.path().clone(), message));
            }
        }
    }
    findings
}
