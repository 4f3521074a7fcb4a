//! `selector-mismatch`: a workload whose selector does not select its own pods.

use super::selectors::selecting;
use crate::context::Context;
use crate::finding::Finding;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::selector::Selector;

/// The rule.
pub static RULE: Rule = Rule {
    name: "selector-mismatch",
    summary: "the workload's selector does not select its own pods",
    category: Category::Correctness,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A Deployment, StatefulSet, DaemonSet or ReplicaSet finds its pods by its selector, so the API server refuses one whose \
template's labels [do not match it](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector). There is \
no repair, as either may be meant, and the selector cannot be changed once the object is there.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: website
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
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(workload) = selecting(object) else { return Vec::new() };
    // An empty or absent selector is another rule's.
    let Some(selector) = Selector::from_value(workload.selector.value()).filter(|selector| !selector.is_empty()) else {
        return Vec::new();
    };
    let (pod, kind) = (workload.pod, object.identity().kind);
    if selector.matches(|key| pod.label(key)) || workload.is_template() || !workload.is_whole(object, context) {
        return Vec::new();
    }
    let Some(metadata) = pod.metadata() else { return Vec::new() };
    let labels = metadata.get("labels");
    let wanted = workload.selector.get("matchLabels");
    let missing: Vec<String> = wanted
        .entries()
        .filter(|(key, value)| pod.label(key) != value.as_str())
        .filter_map(|(key, value)| Some(format!("`{key}: {}`", value.as_str()?)))
        .collect();
    let lacking = if missing.is_empty() { "what it selects by".to_owned() } else { missing.join(" and ") };
    let message =
        format!("the pods lack {lacking}, so the API server refuses the {kind}: selector and labels must match");
    vec![RULE.finding(labels.path().clone(), message)]
}
