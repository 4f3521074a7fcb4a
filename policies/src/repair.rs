//! The repair loop: look, apply what does not overlap, look again, until calm.

use serde_json::Value;

use crate::check::check;
use crate::context::Context;
use crate::edit::Edit;
use crate::finding::{Finding, Fix, Safety};

/// How often the loop looks at most. Real repairs are calm after two.
const MAX_PASSES: usize = 10;

/// What became of an object.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The object with every repair made.
    pub object: Value,
    /// The findings that were repaired, in the order in which it was done.
    pub applied: Vec<Finding>,
    /// The edits that were made, in order: applied one after another to the old object they give the new one.
    pub edits: Vec<Edit>,
    /// The objects to stand beside it.
    pub companions: Vec<Value>,
    /// What is still wrong.
    pub left: Vec<Finding>,
    /// Repairs that were not made because a fix that says it is safe would have replaced what the author wrote. Each is
    /// a defect of a rule.
    pub withheld: Vec<Finding>,
}

/// Repairs `object` with the fixes that are at least as safe as `limit`.
pub fn repair(object: &Value, context: &Context<'_>, limit: Safety) -> Repaired {
    let mut repaired = Repaired {
        object: object.clone(),
        applied: Vec::new(),
        edits: Vec::new(),
        companions: Vec::new(),
        left: Vec::new(),
        withheld: Vec::new(),
    };
    let mut findings = check(object, context);
    let mut unfit = Vec::new();
    for _ in 0..MAX_PASSES {
        if !apply_pass(object, &mut repaired, &findings, &mut unfit, limit) {
            break;
        }
        findings = check(&repaired.object, context);
    }
    // A fix that does not fit the object, because a field on its way has the wrong type, is none.
    for finding in findings.iter_mut().filter(|finding| unfit.contains(*finding)) {
        finding.fix = None;
    }
    // A companion repairs its finding although the object itself stays as it was.
    findings.retain(|finding| !is_done(&repaired.applied, finding));
    repaired.left = findings;
    repaired
}

fn is_done(applied: &[Finding], finding: &Finding) -> bool {
    let companion_only = finding.fix.as_ref().is_some_and(|fix| fix.edits.is_empty());
    companion_only && applied.iter().any(|other| other.rule == finding.rule && other.at == finding.at)
}

/// Applies the fixes among `findings` that do not overlap; whether the object changed.
fn apply_pass(
    original: &Value,
    repaired: &mut Repaired,
    findings: &[Finding],
    unfit: &mut Vec<Finding>,
    limit: Safety,
) -> bool {
    let first_edit = repaired.edits.len();
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| fix.safety <= limit) else { continue };
        if is_done(&repaired.applied, finding) || repaired.withheld.contains(finding) || unfit.contains(finding) {
            continue;
        }
        let made = &repaired.edits[first_edit..];
        if fix.edits.iter().any(|edit| made.iter().any(|other| overlap(edit, other))) {
            continue;
        }
        let fresh: Vec<&Edit> = fix.edits.iter().filter(|edit| !made.contains(edit)).collect();
        match try_apply(&mut repaired.object, fix, &fresh) {
            Ok(()) => {
                repaired.edits.extend(fresh.into_iter().cloned());
                for companion in &fix.companions {
                    if !repaired.companions.contains(companion) {
                        repaired.companions.push(companion.clone());
                    }
                }
                repaired.applied.push(finding.clone());
            }
            Err(Refused::Unfit) => {
                // Rare enough to begin anew, so that no half of a fix stays behind.
                repaired.object = original.clone();
                for edit in &repaired.edits {
                    let _ = edit.apply(&mut repaired.object);
                }
                unfit.push(finding.clone());
            }
            Err(Refused::Replaces) => repaired.withheld.push(finding.clone()),
        }
    }
    repaired.edits.len() > first_edit
}

/// Why a fix was not made.
enum Refused {
    /// The object does not have the shape that it needs.
    Unfit,
    /// It says that it is safe, and would replace what is there.
    Replaces,
}

/// Makes the edits of a fix. When one does not fit, those before it may have been made.
fn try_apply(object: &mut Value, fix: &Fix, edits: &[&Edit]) -> Result<(), Refused> {
    if fix.safety == Safety::Safe && !edits.iter().all(|edit| edit.is_additive(object)) {
        return Err(Refused::Replaces);
    }
    edits.iter().try_for_each(|edit| edit.apply(object)).map_err(|_| Refused::Unfit)
}

/// Whether two edits may not be made in one pass: they touch the same place, unless they are equal or both append.
fn overlap(one: &Edit, other: &Edit) -> bool {
    match (one, other) {
        _ if one == other => false,
        (Edit::Append { .. }, Edit::Append { .. }) => {
            one.path() != other.path() && (one.path().contains(other.path()) || other.path().contains(one.path()))
        }
        _ => one.path().contains(other.path()) || other.path().contains(one.path()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::path::Path;

    #[test]
    fn appends_to_one_list_do_not_overlap_and_a_set_above_does() {
        let append = |value: Value| Edit::Append { path: Path::parse("/spec/volumes"), value };
        let set = Edit::Set { path: Path::parse("/spec"), value: json!({}) };
        assert!(!overlap(&append(json!(1)), &append(json!(2))));
        assert!(!overlap(&append(json!(1)), &append(json!(1))));
        assert!(overlap(&append(json!(1)), &set));
        assert!(!overlap(&append(json!(1)), &Edit::Remove { path: Path::parse("/spec/volumesOther") }));
    }
}
