//! Rules to test Policies with: one or two of each severity and category that the tests tell apart.

use serde_json::{Value, json};

use super::Policy;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

const fn rule(
    name: &'static str,
    summary: &'static str,
    category: Category,
    severity: Severity,
    since: &'static str,
) -> Rule {
    Rule {
        name,
        summary,
        category,
        severity,
        scope: Scope::Any,
        since,
        needs: Needs::Pod,
        rationale: "",
        bad: "",
        good: "",
        fixable: Fixable::No,
        check: Check::Object(|_, _| Vec::new()),
    }
}

pub(super) static FLOATING: Rule =
    rule("floating-tag", "An image has a tag that moves", Category::Images, Severity::Warning, "0.1");
pub(super) static HOST_PATH: Rule =
    rule("host-path-volume", "A pod mounts the host's files", Category::Security, Severity::Warning, "0.1");
pub(super) static STARTUP: Rule =
    rule("missing-startup-probe", "A server has no startup probe", Category::Reliability, Severity::Error, "0.1");
pub(super) static NEWER: Rule =
    rule("newer-rule", "Something that release 0.2 sees", Category::Reliability, Severity::Error, "0.2.0");
pub(super) static PRIVILEGED: Rule =
    rule("privileged-container", "A container is privileged", Category::Security, Severity::Error, "0.1");
pub(super) static SURPLUS: Rule =
    rule("surplus-toleration", "A pod tolerates what it need not", Category::Scheduling, Severity::Advice, "0.1");

/// All of them, sorted by name.
pub(super) static RULES: &[&Rule] = &[&FLOATING, &HOST_PATH, &STARTUP, &NEWER, &PRIVILEGED, &SURPLUS];

pub(super) fn names<'r>(rules: &[&'r Rule]) -> Vec<&'r str> {
    rules.iter().map(|rule| rule.name).collect()
}

/// A document with this spec.
pub(super) fn document(spec: Value) -> Value {
    json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "default"}, "spec": spec})
}

/// The Policy of this name, priority and spec.
pub(super) fn policy(name: &str, priority: i32, mut spec: Value) -> Policy {
    spec["priority"] = json!(priority);
    let mut document = document(spec);
    document["metadata"]["name"] = json!(name);
    Policy::from_value(&document, RULES).unwrap()
}

/// Every mistake in a document with this spec, as it is told.
pub(super) fn mistakes(spec: Value) -> Vec<String> {
    let errors = Policy::from_value(&document(spec), RULES).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}
