//! `missing-selector`: a workload that does not say which pods are its own.

use serde_json::{Map, Value, json};

use super::selectors::selecting;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-selector",
    summary: "the workload has no selector, which Kubernetes requires",
    category: Category::Correctness,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
In `apps/v1` a Deployment, StatefulSet, DaemonSet or ReplicaSet must say by which labels it finds its pods: the \
[selector is required](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector), is no longer taken \
from the template's labels, and cannot be changed afterwards, so that choosing it is the author's: the repair, all labels of the \
template as in the old API versions, is unsafe. A patch, which leaves out what it does not change, is no workload: one is \
told by containers without an image, by the workload of the same name that it patches, by directives such as `$patch`, and by \
a Kustomization in sight. One that [adds labels](https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/labels/) \
fills the selector in.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: registry.example.com/team/web:2.3.1
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: registry.example.com/team/web:2.3.1
  selector:
    matchLabels:
      app: web
",
    fixable: Fixable::Unsafe,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(workload) = selecting(object) else { return Vec::new() };
    let empty = |field: &str| match workload.selector.value().get(field) {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    let nothing = workload.selector.is_absent() || workload.selector.value().is_object();
    if !nothing || !empty("matchLabels") || !empty("matchExpressions") || !workload.is_whole(object, context) {
        return Vec::new();
    }
    let identity = object.identity();
    // Where another object has this name too, one of them may be a patch.
    let named =
        context.inventory.workloads_named(Some(identity.group), identity.kind, identity.name, identity.namespace);
    if matches!(named, Sight::Present(named) if named.len() > 1) {
        return Vec::new();
    }
    let labels: Map<String, Value> = workload.pod.labels().map(|(key, value)| (key.to_owned(), value.into())).collect();
    // A Kustomization beside it may name it as a patch in a way that is not in sight.
    if labels.is_empty() && context.inventory.is_customized(context.origin) {
        return Vec::new();
    }
    let kind = identity.kind;
    let at = workload.selector.path().clone();
    if labels.is_empty() {
        let message = format!(
            "the {kind} has no selector and its pods no labels, so the API server refuses it: \
             set `selector.matchLabels` and the same labels on the template"
        );
        return vec![RULE.finding(at, message)];
    }
    let message = format!("the {kind} has no selector, so the API server refuses it: select by labels of the template");
    let finding = RULE.finding(at, message);
    if workload.is_template() {
        return vec![finding];
    }
    let edit = workload.selector.set(json!({"matchLabels": labels}));
    vec![finding.with_fix(Fix::r#unsafe("select the template's labels", vec![edit]))]
}
