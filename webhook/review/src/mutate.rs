//! The mutating hook: the safe repairs of a pod as it is made, as a patch that was checked before it is sent.

use std::borrow::Cow;

use buttress_policies::context::Context;
use buttress_policies::edit::Edit;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::policy::Enforcement;
use buttress_policies::repair;
use jiff::civil::Date;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

use crate::bulk::{bounds, is_oversized};
use crate::injected::{self, Injected};
use crate::patch::{build, extends};
use crate::request::{Malformed, Operation, Request};
use crate::response::Response;
use crate::settings::Settings;
use crate::summary::{Decision, Doubt, Hook, Summary};
use crate::words::notice;

/// What repairing a pod came to.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// What makes the repairs; empty when there is nothing to do or something is in doubt.
    pub(crate) patch: Patch,
    /// The pod with the patch applied, when there is a patch.
    pub(crate) pod: Option<Value>,
    /// The findings that the patch repairs, or would.
    pub(crate) applied: Vec<Finding>,
    /// The findings whose repair the engine withheld.
    pub(crate) withheld: Vec<Finding>,
    /// Why there is no patch although there is something to repair.
    pub(crate) doubt: Option<Doubt>,
}

/// Answers the mutating hook.
pub(crate) fn respond(
    request: &Request<'_>,
    settings: &Settings,
    today: Date,
) -> Result<(Response, Summary, Option<Value>), Malformed> {
    let mut summary = Summary::new(Hook::Mutate, request);
    let mut response = Response::default();
    if !concerns(request, settings) {
        return Ok((response, summary, None));
    }
    let object = request.object()?;
    if is_mirror(&object) {
        return Ok((response, summary, None));
    }
    let namespace = request.namespace();
    let policy = settings.effective(namespace);
    let enforcement = settings.enforcement(&policy);
    let inventory = settings.inventory(namespace);
    let context = Context { policy: &policy, inventory: &inventory, namespace, origin: "", today };
    let mutation = mutate(&object, &context, |pod| request.placed(pod));
    summary.enforcement = Some(enforcement);
    summary.repairs = names(&mutation.applied);
    summary.withheld = names(&mutation.withheld);
    summary.doubt = mutation.doubt;
    let repairs = !mutation.patch.0.is_empty();
    summary.decision = match (enforcement, mutation.doubt) {
        (Enforcement::Observe, None) if !repairs => Decision::Clean,
        (Enforcement::Observe, _) => Decision::Observed,
        (_, Some(_)) => Decision::Withheld,
        (_, None) if repairs => Decision::Patched,
        (_, None) => Decision::Clean,
    };
    match summary.decision {
        Decision::Patched => {
            response.patch = Some(mutation.patch);
            return Ok((response, summary, mutation.pod));
        }
        Decision::Withheld => response.warnings.extend(mutation.doubt.map(warning)),
        _ => {}
    }
    Ok((response, summary, Some(object)))
}

/// Repairs `object`, a pod as it came. `place` gives what the request knows better than the object.
pub(crate) fn mutate<'p>(
    object: &Value,
    context: &Context<'_>,
    place: impl for<'v> Fn(&'v Value) -> Cow<'v, Value> + 'p,
) -> Mutation {
    let mut mutation =
        Mutation { patch: Patch::default(), pod: None, applied: Vec::new(), withheld: Vec::new(), doubt: None };
    if is_oversized(object, true) {
        mutation.doubt = Some(Doubt::Oversized);
        return mutation;
    }
    let seen = place(object);
    let repaired = repair(&seen, context, Safety::Safe);
    mutation.withheld = repaired.withheld;
    // What only asks for objects beside the pod is not ours: admission makes none.
    mutation.applied = repaired.applied.into_iter().filter(changes_the_object).collect();
    if repaired.edits.is_empty() {
        return mutation;
    }
    if !has_place_for_annotations(&seen) {
        mutation.doubt = Some(Doubt::Misshapen);
        return mutation;
    }
    // The engine's last look was at this very object, but for the annotation: had it seen more to repair, the same request
    // sent again would be patched again.
    let repairable =
        |finding: &Finding| finding.fix.as_ref().is_some_and(|fix| fix.safety == Safety::Safe && !fix.edits.is_empty());
    if repaired.left.iter().any(repairable) {
        mutation.doubt = Some(Doubt::Restless);
        return mutation;
    }
    let applied: Vec<&Finding> = mutation.applied.iter().collect();
    let annotation = Injected::new(&seen, &applied, context.policy).edit();
    let verified = annotation.ok_or(Doubt::Inexpressible).and_then(|annotation| {
        let mut expected = repaired.object;
        annotation.apply(&mut expected).map_err(|_| Doubt::Inexpressible)?;
        let patch = patch(object, repaired.edits, annotation).ok_or(Doubt::Inexpressible)?;
        let pod = verify(object, &patch, &expected, &place)?;
        Ok((patch, pod))
    });
    match verified {
        Ok((patch, pod)) => (mutation.patch, mutation.pod) = (patch, Some(pod)),
        Err(doubt) => mutation.doubt = Some(doubt),
    }
    mutation
}

/// The patch for the repairs and the annotation that tells of them.
fn patch(object: &Value, mut edits: Vec<Edit>, annotation: Edit) -> Option<Patch> {
    let Edit::Set { path, value } = &annotation else { return None };
    if path.get(object).is_none_or(Value::is_null) {
        edits.push(annotation);
        return build(object, &edits);
    }
    // The annotation is ours, be it that we wrote it when the API server called first. `add` replaces it.
    let mut patch = build(object, &edits)?;
    let path = PointerBuf::parse(path.as_str().to_owned()).ok()?;
    patch.0.push(PatchOperation::Add(AddOperation { path, value: value.clone() }));
    Some(patch)
}

/// The patched pod, if the patch does what the engine meant and no more.
fn verify(
    object: &Value,
    patch: &Patch,
    expected: &Value,
    place: impl for<'v> Fn(&'v Value) -> Cow<'v, Value>,
) -> Result<Value, Doubt> {
    let mut pod = object.clone();
    json_patch::patch(&mut pod, patch).map_err(|_| Doubt::Inapplicable)?;
    let seen = place(&pod);
    if *seen != *expected {
        return Err(Doubt::Different);
    }
    if !extends(object, &pod, &injected::path()) {
        return Err(Doubt::Overwriting);
    }
    drop(seen);
    Ok(pod)
}

/// Whether the hook has anything to do with the request. Pods are repaired only when they are made: nearly nothing of
/// them can change later, and a patch on an update is refused together with the update.
fn concerns(request: &Request<'_>, settings: &Settings) -> bool {
    request.operation == Operation::Create
        && request.is_pod()
        && request.subresource.is_empty()
        && !settings.is_own(&request.namespace)
}

/// Whether the object mirrors a pod that runs from a file on its node, which a patch would not change.
pub(crate) fn is_mirror(object: &Value) -> bool {
    object.pointer("/metadata/annotations/kubernetes.io~1config.mirror").is_some_and(|value| !value.is_null())
}

fn has_place_for_annotations(pod: &Value) -> bool {
    let fits = |pointer: &str| pod.pointer(pointer).is_none_or(|value| value.is_null() || value.is_object());
    fits("/metadata") && fits("/metadata/annotations")
}

fn changes_the_object(finding: &Finding) -> bool {
    finding.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty())
}

fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule.name).collect()
}

/// What the user hears when a patch was not sent.
pub(crate) fn warning(doubt: Doubt) -> String {
    match doubt {
        Doubt::Oversized => {
            notice(&format!("the pod was not repaired: it is too large to be judged, with {}", bounds(true)))
        }
        Doubt::Misshapen => notice("the pod was not repaired: its metadata is not of the right type"),
        defect => notice(&format!(
            "the pod was not repaired: the patch did not pass its own check ({}); please report this",
            defect.as_str()
        )),
    }
}
