//! The validating hook: what is wrong with an object, told as warnings or, where the Policy says so, refused.

use buttress_policies::check;
use buttress_policies::context::Context;
use buttress_policies::finding::Finding;
use buttress_policies::policy::{Effective, Enforcement};
use buttress_policies::rule::{Fixable, Rule, Severity};
use jiff::civil::Date;
use serde_json::Value;

use crate::bulk::{bounds, is_oversized};
use crate::mutate::is_mirror;
use crate::novelty::Novelty;
use crate::request::{Malformed, Operation, Request};
use crate::response::Response;
use crate::settings::Settings;
use crate::summary::{Decision, Doubt, Hook, Outcome, Summary, Verdict};
use crate::words::{denial, notice, refusal, warnings};

/// The subresources of pods whose object is no pod, or whose change concerns nobody here. Any other is judged if its
/// object is a pod, so that a new way to change pods is not a way around the rules.
const IGNORED_SUBRESOURCES: &[&str] =
    &["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];

/// Answers the validating hook about `object`, which is the request's own unless it was patched since.
pub(crate) fn respond(
    request: &Request<'_>,
    object: Option<&Value>,
    settings: &Settings,
    today: Date,
) -> Result<(Response, Summary), Malformed> {
    let mut summary = Summary::new(Hook::Validate, request);
    if !concerns(request, settings) {
        return Ok((Response::default(), summary));
    }
    let parsed;
    let object = match object {
        Some(object) => object,
        None => {
            parsed = request.object()?;
            &parsed
        }
    };
    let seen = request.placed(object);
    let is_pod = request.is_pod() && seen.get("kind").and_then(Value::as_str) == Some("Pod");
    if (request.is_pod() && !is_pod) || (is_mirror(object) && request.is_from_node()) {
        return Ok((Response::default(), summary));
    }
    let old = match request.operation {
        // Of a workload every finding is told each time, so what it was does not matter.
        Operation::Update if request.has_old_object() && (is_pod || is_deleting(object)) => Some(request.old_object()?),
        _ => None,
    };
    if old.as_ref().is_some_and(|old| is_released(old, object)) {
        return Ok((Response::default(), summary));
    }
    let namespace = request.namespace();
    let policy = settings.effective(namespace);
    let enforcement = settings.enforcement(&policy);
    summary.enforcement = Some(enforcement);
    let inventory = settings.inventory(namespace);
    let context = Context { policy: &policy, inventory: &inventory, namespace, origin: "", today };
    let was_oversized = old.as_ref().is_some_and(|old| is_oversized(old, is_pod));
    if was_oversized || is_oversized(object, is_pod) {
        summary.doubt = Some(Doubt::Oversized);
        let subject = subject(request, &seen);
        // What was let in before it was too large, or before anybody judged it, must still be able to change and to end.
        // It is no cover for what is put into it now.
        let novelty = match &old {
            Some(old) if is_pod && was_oversized => Novelty::of(&seen, &request.placed(old)),
            _ => None,
        };
        let Some(novelty) = novelty else {
            let (response, decision) = unjudged(is_pod, enforcement, &subject);
            summary.decision = decision;
            return Ok((response, summary));
        };
        let mut findings = check(&novelty.new, &context);
        leave_new(&mut findings, check(&novelty.old, &context));
        novelty.relocate(&mut findings);
        let judged = in_part(judge(&findings, true, enforcement, &policy, &subject), enforcement);
        summary.decision = judged.decision;
        summary.findings = judged.verdicts;
        return Ok((judged.response, summary));
    }
    let mut findings = check(&seen, &context);
    // A pod that is there already is not punished for what it is; a workload is worth another word at each change.
    if is_pod
        && !findings.is_empty()
        && let Some(old) = &old
    {
        leave_new(&mut findings, check(&request.placed(old), &context));
    }
    let subject = subject(request, &seen);
    let judged = judge(&findings, is_pod, enforcement, &policy, &subject);
    summary.decision = judged.decision;
    summary.findings = judged.verdicts;
    Ok((judged.response, summary))
}

/// What becomes of an object that is too large to be judged. Where rules are enforced, size is no way around them: a pod
/// is refused. A workload passes, as always: its pods are what runs.
pub(crate) fn unjudged(is_pod: bool, enforcement: Enforcement, subject: &str) -> (Response, Decision) {
    let reason = format!("too large to be judged: {}", bounds(is_pod));
    let mut response = Response::default();
    let decision = match enforcement {
        Enforcement::Observe => Decision::Observed,
        Enforcement::Deny if is_pod => {
            response.denial = Some(refusal(subject, &reason));
            Decision::Denied
        }
        Enforcement::Warn | Enforcement::Deny => {
            response.warnings.push(notice(&format!("let in without a verdict, as it is {reason}")));
            Decision::Warned
        }
    };
    response.audit.insert("oversized", enforcement.as_str().to_owned());
    (response, decision)
}

/// Adds that only the change was judged, as the whole pod is too large.
fn in_part(mut judged: Judged, enforcement: Enforcement) -> Judged {
    if enforcement == Enforcement::Observe {
        judged.decision = Decision::Observed;
    } else {
        let what = format!("only what is new in the pod was judged, as the whole is too large: {}", bounds(true));
        judged.response.warnings.insert(0, notice(&what));
        if judged.decision == Decision::Clean {
            judged.decision = Decision::Warned;
        }
    }
    judged.response.audit.insert("oversized", enforcement.as_str().to_owned());
    judged
}

/// What was made of findings.
pub(crate) struct Judged {
    pub(crate) response: Response,
    pub(crate) decision: Decision,
    pub(crate) verdicts: Vec<Verdict>,
}

/// Denies, warns of or records `findings`, as `enforcement` says. Only pods are refused: whoever makes a workload object
/// is warned, and its pods are what runs.
pub(crate) fn judge(
    findings: &[Finding],
    is_pod: bool,
    enforcement: Enforcement,
    policy: &Effective,
    subject: &str,
) -> Judged {
    let refuses =
        |finding: &&Finding| is_pod && finding.severity == Severity::Error && !is_injected(finding.rule, policy);
    let errors: Vec<&Finding> = findings.iter().filter(refuses).collect();
    let denies = enforcement == Enforcement::Deny && !errors.is_empty();
    // Advice is for those who ask for it, with the linter: in the answer to every create it would hide what hurts.
    let told: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity > Severity::Advice && !(denies && refuses(finding)))
        .collect();
    let mut response = Response::default();
    let decision = match enforcement {
        _ if findings.is_empty() => Decision::Clean,
        Enforcement::Observe => Decision::Observed,
        Enforcement::Warn | Enforcement::Deny => {
            response.warnings = warnings(&told);
            if denies {
                response.denial = Some(denial(subject, &errors));
                Decision::Denied
            } else if told.is_empty() {
                Decision::Observed
            } else {
                Decision::Warned
            }
        }
    };
    if !findings.is_empty() {
        response.audit.insert("enforcement", enforcement.as_str().to_owned());
        response.audit.insert("findings", rules(findings));
    }
    if !errors.is_empty() {
        let key = if decision == Decision::Denied { "denied" } else { "would-deny" };
        response.audit.insert(key, rules(errors.iter().copied()));
    }
    let verdicts = findings.iter().map(|finding| Verdict {
        rule: finding.rule.name,
        severity: finding.severity,
        outcome: match decision {
            Decision::Denied if refuses(&finding) => Outcome::Denied,
            Decision::Denied | Decision::Warned if finding.severity > Severity::Advice => Outcome::Warned,
            _ => Outcome::Observed,
        },
    });
    let verdicts = verdicts.collect();
    Judged { response, decision, verdicts }
}

/// Whether the mutating hook repairs what `rule` finds. Such a rule never refuses: mutation fails open, and a pod that
/// the hook did not see must not be lost for it.
fn is_injected(rule: &Rule, policy: &Effective) -> bool {
    let repairs = policy.repairs(rule) || !policy.conflicts().is_empty();
    repairs && matches!(rule.fixable, Fixable::Safe | Fixable::Either)
}

/// The names of the rules, sorted and each once.
fn rules<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> String {
    let mut names: Vec<&str> = findings.into_iter().map(|finding| finding.rule.name).collect();
    names.sort_unstable();
    names.dedup();
    names.join(",")
}

fn concerns(request: &Request<'_>, settings: &Settings) -> bool {
    let subresource = request.subresource.as_str();
    let is_judged =
        if request.is_pod() { !IGNORED_SUBRESOURCES.contains(&subresource) } else { subresource.is_empty() };
    is_judged
        && matches!(request.operation, Operation::Create | Operation::Update)
        && !settings.is_own(&request.namespace)
}

/// Takes away the findings that the object had before.
fn leave_new(findings: &mut Vec<Finding>, mut old: Vec<Finding>) {
    findings.retain(|finding| {
        let same =
            |other: &Finding| other.rule == finding.rule && other.at == finding.at && other.message == finding.message;
        // Each old finding excuses one new one.
        old.iter().position(same).map(|at| old.swap_remove(at)).is_none()
    });
}

/// Whether an object on its way out only loses finalizers. To refuse that would keep it for ever; anything else about
/// it is judged, as its pods may still run for long.
fn is_released(old: &Value, new: &Value) -> bool {
    is_deleting(old) && is_deleting(new) && without_bookkeeping(old) == without_bookkeeping(new)
}

fn is_deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

fn without_bookkeeping(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        for key in ["finalizers", "managedFields", "resourceVersion", "generation"] {
            metadata.remove(key);
        }
    }
    object
}

/// The object in words: its kind, namespace and name.
fn subject(request: &Request<'_>, object: &Value) -> String {
    let name = if request.name.is_empty() { potential_name(object) } else { request.name.clone() };
    match (request.namespace.as_str(), name.as_str()) {
        ("", "") => request.kind.clone(),
        ("", name) => format!("{} {name}", request.kind),
        (namespace, "") => format!("{} in namespace {namespace}", request.kind),
        (namespace, name) => format!("{} {namespace}/{name}", request.kind),
    }
}

/// The name in the object or, where it is still to be generated, what it will begin with.
pub(crate) fn potential_name(object: &Value) -> String {
    let text = |key: &str| object.get("metadata")?.get(key)?.as_str().filter(|text| !text.is_empty());
    match (text("name"), text("generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(prefix)) => format!("{prefix}*"),
        (None, None) => String::new(),
    }
}
