//! `missing-seccomp-profile`: a pod whose system calls are not filtered.

use super::{is_windows, restricted};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-seccomp-profile",
    summary: "no seccomp profile filters the system calls of the pod",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Without a seccomp profile a container may make every system call of the kernel, which most ways out of a container begin with; \
`RuntimeDefault` leaves out those that servers, CUDA ones too, do not need. Set it once for the pod: containers inherit it. It is the \
control *Seccomp* of the restricted \
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
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(version) = restricted(pod, context) else { return Vec::new() };
    // The control came with 1.19, and lets Windows be since 1.25.
    if !version.has(19) || version.has(25) && is_windows(pod) {
        return Vec::new();
    }
    let whole = profile(pod.spec());
    let inherited = is_filtering(&whole);
    let mut findings: Vec<Finding> = unfit(&whole).into_iter().collect();
    let mut bare = Vec::new();
    for container in pod.containers() {
        let own = profile(&container.node());
        findings.extend(unfit(&own));
        if kind(&own).is_none() && !inherited {
            bare.push(container);
        }
    }
    if bare.is_empty() || !findings.is_empty() {
        return findings;
    }
    if bare.len() == pod.containers().len() {
        let message = "the pod sets no seccomp profile, which the restricted level requires: `type: RuntimeDefault`";
        return vec![RULE.finding(whole.path().clone(), message)];
    }
    bare.into_iter()
        .map(|container| {
            let message = format!(
                "neither {} nor the pod sets a seccomp profile, as the restricted level requires",
                container.title()
            );
            RULE.finding(profile(&container.node()).path().clone(), message)
        })
        .collect()
}

fn profile<'a>(of: &Node<'a>) -> Node<'a> {
    of.get("securityContext").get("seccompProfile")
}

fn kind<'a>(profile: &Node<'a>) -> Option<&'a str> {
    text(profile.value(), "type")
}

fn is_filtering(profile: &Node<'_>) -> bool {
    matches!(kind(profile), Some("RuntimeDefault" | "Localhost"))
}

/// A profile that is set and filters nothing.
fn unfit(profile: &Node<'_>) -> Option<Finding> {
    (kind(profile).is_some() && !is_filtering(profile)).then(|| {
        let message =
            "this seccomp profile filters nothing; the restricted level wants `RuntimeDefault` or `Localhost`";
        RULE.finding(profile.get("type").path().clone(), message)
    })
}
