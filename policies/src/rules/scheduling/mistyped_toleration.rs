//! `mistyped-toleration`: a toleration whose key is all but that of the taint that the pod must tolerate.

use serde_json::json;

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::demand;
use super::tolerations::{self, Toleration};

/// The rule.
pub static RULE: Rule = Rule {
    name: "mistyped-toleration",
    summary: "a toleration whose key is all but that of the accelerator's taint",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A toleration counts for the taint whose key it spells exactly. Any other key is accepted and does nothing, so that one wrong \
letter leaves the pod Pending for ever on a cluster that looks right \
([Kubernetes: taints and tolerations](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/)). What is \
found is a key that is a letter or two away from the taint of the accelerator that the pod asks for, while no other toleration \
covers that taint.",
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
    - key: nvidia.com/gpus
      operator: Exists
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

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if pod.spec().get("tolerations").is_absent() || pod.is_completed(Completion::Tolerations) {
        return Vec::new();
    }
    let catalog = context.catalog();
    let mut findings = Vec::new();
    for (resource, known, _) in pod.containers().iter().flat_map(|container| demand::asked(container, catalog)) {
        for key in known.toleration_keys(resource) {
            if tolerations::of(pod).any(|toleration| toleration.covers(key)) {
                continue;
            }
            let mistyped = |toleration: &Toleration<'_>| {
                matches!(toleration.effect, "" | "NoSchedule")
                    && catalog.accelerator(toleration.key).is_none()
                    && is_mistyped(toleration.key, key)
            };
            let Some(toleration) = tolerations::of(pod).find(mistyped) else { continue };
            let place = toleration.node.get("key");
            let message = format!(
                "tolerates `{}`, which is no taint that is known, and asks for {resource}, whose nodes are tainted with \
                 `{key}`: it stays Pending there",
                toleration.key
            );
            let fix = Fix::r#unsafe(format!("tolerate the taint `{key}`"), vec![place.set(json!(key))]);
            let finding = RULE.finding(place.path().clone(), message).with_fix(fix);
            if !findings.iter().any(|other: &Finding| other.at == finding.at) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Whether `written` was most likely meant to be `key`: the domain without its ending, or one or two letters away.
fn is_mistyped(written: &str, key: &str) -> bool {
    // Names of their own, which other device plugins and clusters use.
    const OTHERS: &[&str] =
        &["nvidia.com/vgpu", "nvidia.com/pgpu", "nvidia.com/sgpu", "nvidia.com/npu", "nvidia.com/dpu"];
    // The distance costs time in the square of the length.
    if written.len() > 60 || OTHERS.contains(&written) || !written.contains('/') {
        return false;
    }
    key.replace(".com/", "/") == written || strsim::damerau_levenshtein(written, key) <= 2
}
