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
    let mut asks = false;
    for container in pod.containers() {
        for (resource, quantity) in container.accelerators(context.catalog()) {
            let wanted = Quantity::from_value(quantity).is_some_and(|quantity| quantity > Quantity::ZERO);
            let Some(accelerator) = context.catalog().accelerator(resource).filter(|_| wanted) else { continue };
            // A device that another scheduler shares out is found by it, and what its nodes are tainted with is its own.
            if container.is_intercepted(resource, context.catalog()) {
                continue;
            }
            let keys = accelerator.toleration_keys(resource);
            if !keys.is_empty() {
                asks = true;
                if !resources.contains(&resource) {
                    resources.push(resource);
                }
            }
            for key in keys {
                if !missing.contains(&key) && !tolerates(pod.spec().value(), key) {
                    missing.push(key);
                }
            }
        }
    }
    let injection = context.policy.injection();
    let own = if asks { injection.tolerations.as_slice() } else { &[] };
    let own: Vec<Value> = own.iter().filter_map(|own| serde_json::to_value(own).ok()).collect();
    // What the Policy says of a taint goes before what follows from the resource.
    let says = |own: &Value, key: &str| {
        text(own, "key") == Some(key) && text(own, "effect").is_none_or(|effect| effect == "NoSchedule")
    };
    missing.retain(|key| !own.iter().any(|own| says(own, key)));
    let lacking: Vec<&Value> = own.iter().filter(|own| !has(pod.spec().value(), own)).collect();
    if missing.is_empty() && lacking.is_empty() {
        return Vec::new();
    }
    let mut keys = missing.clone();
    keys.extend(lacking.iter().filter_map(|own| text(own, "key")));
    let tolerations = pod.spec().get("tolerations");
    let message = format!(
        "asks for {} and does not tolerate the taint {} of such nodes: it stays Pending where they are tainted",
        quoted(&resources),
        quoted(&keys)
    );
    let mut edits: Vec<_> = missing
        .iter()
        .map(|key| tolerations.append(toleration(key, injection.toleration_values.get(*key).map(String::as_str))))
        .collect();
    edits.extend(lacking.into_iter().map(|own| tolerations.append(own.clone())));
    let fix = Fix::safe(format!("tolerate the taint {}", quoted(&keys)), edits);
    vec![RULE.finding(tolerations.path().clone(), message).with_fix(fix)]
}

/// Whether a toleration of the Policy's is there: the very same, or one that covers it.
fn has(spec: &Value, own: &Value) -> bool {
    let field = |toleration: &Value, name: &str| text(toleration, name).unwrap_or_default().to_owned();
    list(spec, "tolerations").iter().any(|toleration| {
        let key = field(toleration, "key");
        let exists = field(toleration, "operator") == "Exists";
        let effect = field(toleration, "effect");
        (key == field(own, "key") || key.is_empty() && exists)
            && (effect.is_empty() || effect == field(own, "effect"))
            && (exists || field(toleration, "value") == field(own, "value"))
    })
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
