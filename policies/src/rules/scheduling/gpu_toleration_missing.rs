//! `gpu-toleration-missing`: the nodes that have the accelerator are tainted, and the pod does not tolerate it.

use serde_json::{Value, json};

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{list, text};
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "gpu-toleration-missing",
    summary: "asks for an accelerator and does not tolerate the taint of its nodes",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Nodes with accelerators are usually tainted, so that other pods stay away: GKE does it by itself, the GPU operator, \
Karpenter and OpenShift guides tell users to. Without the toleration the pod stays Pending for ever. The value of the \
taint differs (`present`, `true`, `Exists`), so only `operator: Exists` fits every cluster. A toleration forces nothing: \
on a cluster without the taint it has no effect. The API server's own \
[ExtendedResourceToleration](https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#extendedresourcetoleration) \
adds the same one, where it is switched on. A MIG or shared resource meets the taint of the whole device, `nvidia.com/gpu`.",
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
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !pod.has_spec() || pod.refuses("/tolerations") || pod.is_completed(Completion::Tolerations) {
        return Vec::new();
    }
    let mut missing: Vec<&str> = Vec::new();
    let mut resources: Vec<&str> = Vec::new();
    for container in pod.containers() {
        for (resource, quantity) in container.accelerators(context.catalog()) {
            let wanted = Quantity::from_value(quantity).is_some_and(|quantity| quantity > Quantity::ZERO);
            let Some(accelerator) = context.catalog().accelerator(resource).filter(|_| wanted) else { continue };
            for key in accelerator.toleration_keys(resource) {
                if !missing.contains(&key) && !tolerates(pod.spec().value(), key) {
                    missing.push(key);
                    resources.push(resource);
                }
            }
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let tolerations = pod.spec().get("tolerations");
    resources.dedup();
    let message = format!(
        "asks for {} and does not tolerate the taint {} of such nodes: it stays Pending where they are tainted",
        quoted(&resources),
        quoted(&missing)
    );
    let injection = context.policy.injection();
    let mut edits: Vec<_> = missing
        .iter()
        .map(|key| tolerations.append(toleration(key, injection.toleration_values.get(*key).map(String::as_str))))
        .collect();
    for own in &injection.tolerations {
        let value = serde_json::to_value(own).unwrap_or_default();
        if !tolerates(pod.spec().value(), &own.key) {
            edits.push(tolerations.append(value));
        }
    }
    let fix = Fix::safe(format!("tolerate the taint {}", quoted(&missing)), edits);
    vec![RULE.finding(tolerations.path().clone(), message).with_fix(fix)]
}

/// Whether the author has decided on the taint `key` with effect NoSchedule: by tolerating it, with whatever value, or
/// by tolerating everything.
fn tolerates(spec: &Value, key: &str) -> bool {
    list(spec, "tolerations").iter().any(|toleration| {
        let effect = text(toleration, "effect").unwrap_or_default();
        let own = text(toleration, "key").unwrap_or_default();
        (own == key || own.is_empty() && text(toleration, "operator") == Some("Exists"))
            && (effect.is_empty() || effect == "NoSchedule")
    })
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The toleration of the taint `key`, whatever its value unless the Policy holds it to one.
fn toleration(key: &str, value: Option<&str>) -> Value {
    match value {
        None => json!({"key": key, "operator": "Exists", "effect": "NoSchedule"}),
        Some(value) => json!({"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}),
    }
}
