//! `unexplained-exemption`: an annotation that exempts a workload without a reason, or from no rule.

use crate::check::{ALLOW_PREFIX, SKIP};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::Node;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unexplained-exemption",
    summary: "an exemption names no reason, or a rule that does not exist",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
`buttress.dev/allow-<rule>: \"reason\"` exempts a workload from a rule, where the Policy lets its owner do that. Without a \
reason nobody can tell later whether the exemption still stands, so it does not count; one for a rule that does not exist \
exempts from nothing. See the \
[annotations of a workload](https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/) for how to set \
them.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    buttress.dev/allow-floating-image-tag: \"\"
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    buttress.dev/allow-floating-image-tag: the demo environment always runs the newest build
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    let own = object.root().get("metadata");
    let mut findings: Vec<Finding> =
        own.get("annotations").entries().filter_map(|(key, value)| check_annotation(key, &value)).collect();
    let templates: Vec<_> = object
        .pods()
        .iter()
        .filter_map(|pod| pod.metadata())
        .filter(|metadata| metadata.path() != own.path())
        .collect();
    if !templates.is_empty() {
        findings.extend(own.get("annotations").entries().filter_map(|(key, value)| check_place(key, &value)));
    }
    for metadata in templates {
        findings.extend(metadata.get("annotations").entries().filter_map(|(key, value)| check_annotation(key, &value)));
    }
    findings
}

/// An annotation about pods on the object that makes them: admission sees the pods only, so that it counts nowhere.
fn check_place(key: &str, value: &Node<'_>) -> Option<Finding> {
    let rule = key.strip_prefix(ALLOW_PREFIX).and_then(rules::find);
    let about_pods = key == SKIP || rule.is_some_and(|rule| matches!(rule.check, Check::Pod(_)));
    about_pods.then(|| {
        RULE.finding(value.path().clone(), format!("`{key}` counts on the pod template only, where admission sees it"))
    })
}

fn check_annotation(key: &str, value: &Node<'_>) -> Option<Finding> {
    if key == SKIP {
        let unknown =
            value.as_str().unwrap_or_default().split(',').map(str::trim).any(|name| rules::find(name).is_none());
        return unknown
            .then(|| RULE.finding(value.path().clone(), format!("`{key}` names a rule that does not exist")));
    }
    let name = key.strip_prefix(ALLOW_PREFIX)?;
    if rules::find(name).is_none() {
        return Some(RULE.finding(value.path().clone(), format!("`{key}` exempts from a rule that does not exist")));
    }
    let empty = value.as_str().is_none_or(|reason| reason.trim().is_empty());
    empty.then(|| RULE.finding(value.path().clone(), format!("`{key}` gives no reason, so it does not count")))
}
