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
A toleration counts for the taint whose key it spells exactly. Any other key is accepted and does nothing, so that with one wrong \
letter the pod is not placed where that taint is, unless an admission plugin of the cluster adds the right toleration \
([Kubernetes: taints and tolerations](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/)). What is \
found is a key that is one letter, or a `.com`, away from the taint of the accelerator that the pod asks for, while no other toleration \
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
                 `{key}`: unless the cluster adds that toleration, as GKE does, the pod stays Pending",
                toleration.key
            );
            // The value that the taint has is not known, and neither is it that of another key.
            let mut edits = vec![place.set(json!(key))];
            if !toleration.exists {
                edits.push(toleration.node.get("operator").set(json!("Exists")));
            }
            if !toleration.node.get("value").is_absent() {
                edits.push(toleration.node.get("value").remove());
            }
            let fix = Fix::r#unsafe(format!("tolerate the taint `{key}`"), edits);
            let finding = RULE.finding(place.path().clone(), message).with_fix(fix);
            if !findings.iter().any(|other: &Finding| other.at == finding.at) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// Whether `written` was most likely meant to be `key`: the domain without its ending, or one letter away.
fn is_mistyped(written: &str, key: &str) -> bool {
    // The distance costs time in the square of the length.
    if written.len() > 60 {
        return false;
    }
    let (Some((domain, name)), Some((own_domain, own_name))) = (written.rsplit_once('/'), key.rsplit_once('/')) else {
        return false;
    };
    let is_one_away = |one: &str, other: &str| strsim::damerau_levenshtein(one, other) == 1;
    if name == own_name {
        return own_domain.strip_suffix(".com") == Some(domain) || is_one_away(domain, own_domain);
    }
    // Another letter in, before or behind a short name makes another device: `npu`, `vgpu`, `gpu2`.
    let letters = |name: &str| {
        let mut letters: Vec<u8> = name.bytes().collect();
        letters.sort_unstable();
        letters
    };
    let is_same_device = || {
        name.len() < own_name.len() || name.strip_suffix('s') == Some(own_name) || letters(name) == letters(own_name)
    };
    domain == own_domain && is_one_away(name, own_name) && is_same_device()
}
