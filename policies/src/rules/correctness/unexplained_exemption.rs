//! `unexplained-exemption`: an annotation that exempts a workload without a reason, or from no rule.

use crate::check::ALLOW_PREFIX;
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
    let templates = object.pods().iter().filter_map(|pod| pod.metadata().cloned());
    let mut findings = Vec::new();
    for metadata in [own.clone()].into_iter().chain(templates.filter(|metadata| metadata.path() != own.path())) {
        findings.extend(metadata.get("annotations").entries().filter_map(|(key, value)| check_annotation(key, &value)));
    }
    findings
}

fn check_annotation(key: &str, value: &Node<'_>) -> Option<Finding> {
    let name = key.strip_prefix(ALLOW_PREFIX)?;
    if rules::find(name).is_none() {
        return Some(RULE.finding(value.path().clone(), format!("`{key}` exempts from a rule that does not exist")));
    }
    let empty = value.as_str().is_none_or(|reason| reason.trim().is_empty());
    empty.then(|| RULE.finding(value.path().clone(), format!("`{key}` gives no reason, so it does not count")))
}
