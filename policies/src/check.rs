//! Judging an object: every rule that is on, in the order of their names, each finding weighed by the Policy.

use serde_json::Value;

use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, text};
use crate::object::Object;
use crate::policy::{Exempt, Subject};
use crate::rule::{Check, Rule, Severity};
use crate::rules::RULES;
use crate::workload::Pod;

/// What the prefix of an annotation that exempts its workload from a rule is: `buttress.dev/allow-<rule>: "reason"`.
pub const ALLOW_PREFIX: &str = "buttress.dev/allow-";

/// The annotation that leaves the repairs of the rules it names out: `buttress.dev/skip: "rule,rule"`.
pub const SKIP: &str = "buttress.dev/skip";

/// What is wrong with `object`, in the order of the rules' names and, within a rule, of the object.
///
/// A fix is left out of a finding where the Policy turned the rule's repair off, or where the workload's
/// `buttress.dev/skip` annotation names the rule.
pub fn check(object: &Value, context: &Context<'_>) -> Vec<Finding> {
    check_object(&Object::new(object, context.catalog()), context)
}

/// [`check`] for an object whose pods were found already.
pub fn check_object(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let Some(severity) = context.policy.severity(rule) else { continue };
        if matches!(rule.check, Check::Pod(_)) && object.pods().is_empty() {
            continue;
        }
        let first = findings.len();
        match rule.check {
            Check::Object(check) => findings.extend(check(object, context)),
            Check::Pod(check) => {
                for pod in object.pods().iter().filter(|pod| rule.scope.covers(pod, context)) {
                    findings.extend(check(pod, context));
                }
            }
        }
        if findings.len() > first {
            weigh(rule, severity, object, context, &mut findings, first);
        }
    }
    findings
}

/// Gives the findings of `rule` from `first` on their severity, and takes away what is exempt and repairs that are off.
fn weigh(
    rule: &'static Rule,
    severity: Severity,
    object: &Object<'_>,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
    first: usize,
) {
    let repairs = context.policy.repairs(rule);
    let exempt = exemption(rule, object, context);
    let mut weighed = findings.split_off(first);
    weighed.retain_mut(|finding| {
        // What the rule found milder than its worst stays so, whatever the Policy makes of the rule.
        finding.severity = if finding.severity < rule.severity { severity.min(finding.severity) } else { severity };
        match &exempt {
            Some(Exempt::Exempted { .. }) => return false,
            Some(Exempt::Expired { severity: Some(lowered), .. }) => {
                finding.severity = finding.severity.min(*lowered);
            }
            Some(Exempt::Expired { severity: None, .. }) | None => {}
        }
        let pod = object.pod_at(&finding.at);
        // What is said of a pod must be said on the pod, or admission would not see it.
        let metadata = match pod {
            Some(pod) => pod.metadata().map(Node::value),
            None => object.value().get("metadata"),
        };
        if allowed_by_annotation(rule, metadata, context) {
            return false;
        }
        let skipped = match pod {
            Some(pod) => pod.skips(rule.name),
            None => object.pods().iter().any(|pod| pod.skips(rule.name)),
        };
        let mendable = pod.is_none_or(Pod::may_be_repaired);
        if !repairs || skipped || !mendable {
            finding.fix = None;
        }
        true
    });
    findings.append(&mut weighed);
}

fn exemption(rule: &'static Rule, object: &Object<'_>, context: &Context<'_>) -> Option<Exempt> {
    let identity = object.identity();
    let name = if identity.name.is_empty() {
        object.value().get("metadata").and_then(|metadata| text(metadata, "generateName")).unwrap_or_default()
    } else {
        identity.name
    };
    let subject = Subject { namespace: identity.namespace.or(context.namespace), kind: identity.kind, name };
    context.policy.exemption(rule, &subject, context.today)
}

/// Whether the owner of the workload exempted it by annotation, and may: the reason must not be empty.
fn allowed_by_annotation(rule: &'static Rule, metadata: Option<&Value>, context: &Context<'_>) -> bool {
    let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
    let reason = annotations.and_then(|annotations| annotations.get(format!("{ALLOW_PREFIX}{}", rule.name)));
    reason.and_then(Value::as_str).is_some_and(|reason| !reason.trim().is_empty())
        && context.policy.owner_may_allow(rule)
}
