//! `accelerator-limit-mismatch`: an extended resource whose request and limit Kubernetes does not accept.

use serde_json::{Value, json};

use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "accelerator-limit-mismatch",
    summary: "request and limit of an extended resource differ, or are no whole number",
    category: Category::Resources,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A device cannot be overcommitted: for an extended resource such as `nvidia.com/gpu` the API server wants a limit, a \
request that equals it or none, and a whole number \
([Kubernetes: extended resources](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources)). \
A pod template is not checked for it when it is written: the Deployment or custom resource is accepted, and none of its \
pods is ever created. A request without a limit gets the equal limit. Which of two different numbers is meant, nobody \
but the author can tell.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: batch-scoring
spec:
  restartPolicy: Never
  containers:
    - name: score
      image: registry.example.com/score:2.0
      resources:
        requests:
          nvidia.com/gpu: 1
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      effect: NoSchedule
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: batch-scoring
spec:
  restartPolicy: Never
  containers:
    - name: score
      image: registry.example.com/score:2.0
      resources:
        requests:
          nvidia.com/gpu: 1
        limits:
          nvidia.com/gpu: 1
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      effect: NoSchedule
",
    fixable: Fixable::Either,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    pod.containers().iter().flat_map(|container| check_container(container, context)).collect()
}

fn check_container(container: &Container<'_>, context: &Context<'_>) -> Vec<Finding> {
    // Most containers ask for nothing but cpu and memory, which are no business of this rule.
    let lists = container
        .value()
        .get("resources")
        .into_iter()
        .flat_map(|resources| [resources.get("requests"), resources.get("limits")]);
    if !lists.flatten().filter_map(Value::as_object).flat_map(|list| list.keys()).any(|name| name.contains('/')) {
        return Vec::new();
    }
    let resources = container.get("resources");
    let (requests, limits) = (resources.get("requests"), resources.get("limits"));
    let mut findings = Vec::new();
    for (resource, request) in requests.entries().filter(|(name, _)| is_ours(name, context)) {
        let limit = limits.get(resource);
        let (Some(requested), limited) = (Quantity::from_value(request.value()), Quantity::from_value(limit.value()))
        else {
            continue;
        };
        if limit.is_absent() {
            let message =
                format!("{} requests {resource} without a limit: Kubernetes refuses the pod", container.title());
            let mut finding = RULE.finding(request.path().clone(), message);
            if requested > Quantity::ZERO && requested.is_whole() {
                let fix =
                    Fix::safe(format!("limit {resource} to the request"), vec![limit.set(request.value().clone())]);
                finding = finding.with_fix(fix);
            }
            findings.push(finding);
        } else if limited.is_some_and(|limited| limited != requested) {
            let message = format!(
                "{} requests {} and is limited to {} {resource}: Kubernetes refuses the pod, they must be equal",
                container.title(),
                shown(request.value()),
                shown(limit.value())
            );
            findings.push(RULE.finding(request.path().clone(), message));
        }
    }
    for (resource, limit) in limits.entries().filter(|(name, _)| is_ours(name, context)) {
        let Some(limited) = Quantity::from_value(limit.value()).filter(|limited| !limited.is_whole()) else { continue };
        let message = format!(
            "{} is limited to {} {resource}: Kubernetes refuses the pod, devices are whole",
            container.title(),
            shown(limit.value())
        );
        let whole = json!(limited.value().to_string());
        let mut edits = vec![limit.set(whole.clone())];
        let request = requests.get(resource);
        if !request.is_absent() {
            edits.push(request.set(whole));
        }
        let fix = Fix::r#unsafe(format!("ask for whole units of {resource}"), edits);
        findings.push(RULE.finding(limit.path().clone(), message).with_fix(fix));
    }
    findings
}

/// Whether the resource is extended and nobody but Kubernetes interprets it. A scheduler that takes a request over may
/// well accept what Kubernetes would not.
fn is_ours(resource: &str, context: &Context<'_>) -> bool {
    let Some((domain, _)) = resource.split_once('/') else { return false };
    let extended = domain == "deviceclass.resource.kubernetes.io"
        || !(domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") || domain.starts_with("requests."));
    extended && context.catalog().accelerator(resource).is_none_or(|known| known.intercepted_by.is_none())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
