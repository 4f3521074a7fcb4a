//! `unused-resource-claim`: a pod claims a device that none of its containers uses.

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::Sight;
use crate::node::{is_placeholder, list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unused-resource-claim",
    summary: "a pod claims a device that none of its containers uses",
    category: Category::Cost,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A claim in `spec.resourceClaims` is allocated for the pod, and a container gets the device only when it names the claim in its \
`resources.claims` \
([Kubernetes: dynamic resource allocation](https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/)). \
A claim that no container names holds an accelerator that nothing can use, while the program that needed it runs without. It is \
found where the claim or its template is in sight and asks for a class of accelerators; claims for networks may be of the whole pod.",
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
  resourceClaims:
    - name: gpu
      resourceClaimTemplateName: single-gpu
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata:
  name: single-gpu
spec:
  spec:
    devices:
      requests:
        - name: gpu
          exactly:
            deviceClassName: gpu.nvidia.com
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
        claims:
          - name: gpu
  resourceClaims:
    - name: gpu
      resourceClaimTemplateName: single-gpu
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata:
  name: single-gpu
spec:
  spec:
    devices:
      requests:
        - name: gpu
          exactly:
            deviceClassName: gpu.nvidia.com
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if list(pod.spec().value(), "resourceClaims").is_empty() {
        return Vec::new();
    }
    let used = |name: &str| {
        pod.containers().iter().any(|container| {
            let claims = container.value().pointer("/resources/claims").and_then(serde_json::Value::as_array);
            let names = claims.into_iter().flatten().map(|claim| text(claim, "name"));
            names.into_iter().any(|used| used.is_none_or(|used| used == name || is_placeholder(used)))
        })
    };
    let partial = pod.containers().iter().any(|container| container.image().is_none());
    if partial || pod.operator().is_some() || pod.is_completed(Completion::Resources) {
        return Vec::new();
    }
    let claims = pod.spec().get("resourceClaims");
    claims
        .items()
        .filter_map(|claim| {
            let name = text(claim.value(), "name").filter(|name| !used(name) && !is_placeholder(name))?;
            let class = accelerator_class(claim.value(), pod, context)?;
            let message = format!(
                "the claim `{name}` takes a device of the class `{class}` and no container names it in `resources.claims`: nothing \
                 can use the device"
            );
            Some(RULE.finding(claim.path().clone(), message))
        })
        .collect()
}

/// The class of accelerators that every claim of this name in sight asks for.
fn accelerator_class<'a>(reference: &serde_json::Value, pod: &Pod<'_>, context: &Context<'a>) -> Option<&'a str> {
    let namespace = pod.owner().namespace.or(context.namespace);
    let inventory = context.inventory;
    let found = match (text(reference, "resourceClaimTemplateName"), text(reference, "resourceClaimName")) {
        (Some(template), None) => inventory.claim_template(template, namespace),
        (None, Some(claim)) => inventory.device_claim(claim, namespace),
        _ => return None,
    };
    let Sight::Present(found) = found else { return None };
    let mut requests = found.iter().flat_map(|claim| &claim.requests);
    let accelerates = |class: &str| {
        let known = context.catalog().device_class(class);
        known.is_some_and(|known| known.counts.is_devices() && !known.unsure)
    };
    let first = requests.next().filter(|request| accelerates(&request.class))?;
    requests.all(|request| accelerates(&request.class)).then_some(first.class.as_str())
}
