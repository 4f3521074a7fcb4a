//! `undeclared-resource-claim`: a container uses a device claim that the pod does not have.

use serde_json::Value;

use crate::catalog::Completion;
use crate::container::ContainerRole;
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{is_placeholder, list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-resource-claim",
    summary: "a container uses a device claim that its pod does not have",
    category: Category::Correctness,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
By dynamic resource allocation a pod names its claims in `spec.resourceClaims`, and each container says in `resources.claims` \
which of them it uses. The names in the container are those of `spec.resourceClaims`, not of the ResourceClaim objects. The API \
server refuses a container with a name that is not in the list \
([Kubernetes: dynamic resource allocation](https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/)).",
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
        claims:
          - name: single-gpu
  resourceClaims:
    - name: gpu
      resourceClaimTemplateName: single-gpu
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
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let declared = list(pod.spec().value(), "resourceClaims");
    let named = |name: &str| declared.iter().any(|claim| text(claim, "name") == Some(name));
    let unclear = || declared.iter().any(|claim| text(claim, "name").is_none_or(is_placeholder));
    // A patch is no whole pod: what it leaves out may stand in what it is laid over.
    let partial = || pod.containers().iter().any(|container| container.image().is_none());
    let mut findings = Vec::new();
    for container in pod.containers().iter().filter(|container| container.role() != ContainerRole::Ephemeral) {
        let Some(resources) = container.value().get("resources") else { continue };
        if list(resources, "claims").is_empty() {
            continue;
        }
        for claim in container.get("resources").get("claims").items() {
            let Some(name) = text(claim.value(), "name").filter(|name| !named(name) && !is_placeholder(name)) else {
                continue;
            };
            let decided = pod.operator().is_some() || pod.is_completed(Completion::Resources);
            // The configurations that an LLMInferenceService names are merged into its pods, claims among them.
            let merged = !list(pod.object().get("spec").unwrap_or(&Value::Null), "baseRefs").is_empty();
            if !pod.has_spec() || merged || decided || partial() || unclear() {
                return Vec::new();
            }
            let object = declared.iter().find(|claim| {
                ["resourceClaimName", "resourceClaimTemplateName"].iter().any(|field| text(claim, field) == Some(name))
            });
            let hint = object
                .and_then(|claim| text(claim, "name"))
                .map(|meant| format!("; the claim of that object is called `{meant}` here"))
                .unwrap_or_default();
            let message = format!(
                "{} uses the claim `{name}`, which `spec.resourceClaims` does not have: the API server refuses the pod{hint}",
                container.title()
            );
            findings.push(RULE.finding(claim.get("name").path().clone(), message));
        }
    }
    findings
}
