//! The laws that hold for every object, each as a check that says what is broken.

use buttress_policies::catalog::Catalog;
use buttress_policies::context::Context;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::inventory::Inventory;
use buttress_policies::object::Object;
use buttress_policies::policy::Effective;
use buttress_policies::rule::{Needs, Rule};
use buttress_policies::{check, repair};
use buttress_review::Settings;
use jiff::civil::{Date, date};
use serde_json::Value;

/// The day on which the tests take place.
pub const TODAY: Date = date(2026, 11, 22);

/// A context that sees the whole: what is not in `inventory` is not there.
pub fn context<'a>(policy: &'a Effective, inventory: &'a Inventory) -> Context<'a> {
    Context { policy, inventory, namespace: None, origin: "", today: TODAY }
}

/// *Calm*: what was repaired needs no repair, edits replayed on the old object give the new one, and a safe repair kept
/// everything the author wrote.
pub fn calm(object: &Value, context: &Context<'_>, limit: Safety) -> Result<(), String> {
    let repaired = repair(object, context, limit);
    if let Some(finding) = repaired.withheld.first() {
        return Err(format!("{} had to be withheld at {}", finding.rule.name, finding.at));
    }
    let mut replayed = object.clone();
    for edit in &repaired.edits {
        edit.apply(&mut replayed).map_err(|error| format!("{edit:?} does not replay: {error}"))?;
    }
    if replayed != repaired.object {
        return Err("the edits do not give the repaired object".to_owned());
    }
    if limit == Safety::Safe {
        keeps(object, &repaired.object, "")?;
    }
    let again = repair(&repaired.object, context, limit);
    if let Some(edit) = again.edits.first() {
        return Err(format!("repairing again still makes {edit:?}"));
    }
    let repairable =
        |finding: &&Finding| finding.fix.as_ref().is_some_and(|fix| fix.safety <= limit && !fix.edits.is_empty());
    match repaired.left.iter().find(repairable) {
        Some(finding) => Err(format!("{} is left at {} although it has a repair", finding.rule.name, finding.at)),
        None => Ok(()),
    }
}

/// Whether `after` still says all that `before` says: nothing changed, taken away or reordered; `null` says nothing.
fn keeps(before: &Value, after: &Value, at: &str) -> Result<(), String> {
    match (before, after) {
        (Value::Null, _) => Ok(()),
        (Value::Object(old), Value::Object(new)) => old.iter().try_for_each(|(key, value)| match new.get(key) {
            Some(now) => keeps(value, now, &format!("{at}/{key}")),
            None if value.is_null() => Ok(()),
            None => Err(format!("a safe repair took {at}/{key} away")),
        }),
        (Value::Array(old), Value::Array(new)) if new.len() >= old.len() => old
            .iter()
            .zip(new)
            .enumerate()
            .try_for_each(|(index, (value, now))| keeps(value, now, &format!("{at}/{index}"))),
        _ if before == after => Ok(()),
        _ => Err(format!("a safe repair changed {at}")),
    }
}

/// *Defaults*: the API server's defaults change no finding.
pub fn defaults(object: &Value, context: &Context<'_>) -> Result<(), String> {
    let places = |object: &Value| {
        let mut places: Vec<_> =
            check(object, context).iter().map(|finding| (finding.rule.name, finding.at.to_string())).collect();
        places.sort();
        places
    };
    let (before, after) = (places(object), places(&crate::defaulting::defaulted(object)));
    if before == after {
        Ok(())
    } else {
        Err(format!("findings {before:?} became {after:?} by the API server's defaults"))
    }
}

/// *Text*: the repair made on the text gives the repaired object, and repairing the text again changes no byte.
pub fn text(text: &str, context: &Context<'_>, limit: Safety) -> Result<(), String> {
    let mut current = text.to_owned();
    let documents = buttress_yaml::File::parse(text).documents().len();
    for index in 0..documents {
        let file = buttress_yaml::File::parse(current.as_str());
        let Some(Ok(value)) = file.documents().get(index).map(|document| document.value()) else { continue };
        let repaired = repair(value, context, limit);
        if repaired.edits.is_empty() {
            continue;
        }
        let edited = match buttress_yaml::edit(&file, index, &repaired.edits) {
            Ok(edited) => edited,
            // A refusal is the editor's right: aliases, templates. That refusals are rare is measured elsewhere.
            Err(_) => continue,
        };
        let read = buttress_yaml::File::parse(edited.as_str());
        for (other, document) in read.documents().iter().enumerate() {
            let expected = if other == index { Ok(&repaired.object) } else { file.documents()[other].value() };
            match (document.value(), expected) {
                (Ok(now), Ok(expected)) if now == expected => {}
                (Err(_), Err(_)) => {}
                _ => return Err(format!("document {other} of the edited text is not what it should be")),
            }
        }
        if read.documents().len() != documents {
            return Err("the number of documents changed".to_owned());
        }
        kept_lines(&current, &edited)?;
        current = edited;
    }
    Ok(())
}

/// Whether what was written is still there, in order: every sign of the old text but white space and the words for nothing,
/// which a value may take the place of.
fn kept_lines(before: &str, after: &str) -> Result<(), String> {
    let mut new = after.chars().filter(|sign| !sign.is_whitespace());
    for line in before.lines() {
        let nothing = [": null", ": ~", "{}", "[]", "- null"];
        let bare = nothing.iter().fold(line.to_owned(), |line, word| {
            line.replace(word, word.trim_end_matches("null").trim_matches(['~', '{', '}', '[', ']']))
        });
        for sign in bare.chars().filter(|sign| !sign.is_whitespace()) {
            if !new.any(|candidate| candidate == sign) {
                return Err(format!("not all of the line `{line}` is there"));
            }
        }
    }
    Ok(())
}

/// *Source*: a pod made from the template of a repaired workload is not patched, by the rules that need no more than
/// the pod and what `admission` sees around it. Templates that Buttress does not complete at the source, or whose operator
/// changes them, say nothing.
pub fn source(object: &Value, context: &Context<'_>, admission: &Inventory) -> Result<(), String> {
    let repaired = repair(object, context, Safety::Safe);
    let admission = Context { inventory: admission, ..*context };
    for pod in buttress_review::pods_of(&repaired.object, Catalog::builtin()) {
        let admitted = repair(&pod, &admission, Safety::Safe);
        let patched = admitted.applied.iter().find(|finding| needs_no_object(finding.rule));
        if let Some(finding) = patched {
            return Err(format!(
                "the pod of a repaired {} is still patched by {}",
                Object::new(object, Catalog::builtin()).identity().kind,
                finding.rule.name
            ));
        }
    }
    Ok(())
}

/// Whether a rule goes by the pod and by what is around it, and not by the object that makes the pod.
fn needs_no_object(rule: &Rule) -> bool {
    // Of the replicas a pod tells nothing.
    rule.needs != Needs::Object && rule.name != "unspread-replicas"
}

/// *Patch*: what the webhook sends gives the repaired pod and one annotation more, and nothing else.
pub fn patch(pod: &Value, settings: &Settings, context: &Context<'_>) -> Result<(), String> {
    let mapping = |pointer: &str| pod.pointer(pointer).is_none_or(|value| value.is_null() || value.is_object());
    if !mapping("/metadata") || !mapping("/metadata/annotations") {
        // There is no place to write down what was injected; the API server lets no such pod come this far.
        return Ok(());
    }
    let repaired = repair(pod, context, Safety::Safe);
    let admitted = buttress_review::admit_pod(pod, settings, TODAY);
    if let Some(doubt) = admitted.doubt {
        return Err(format!("the webhook doubted its own patch: {doubt:?}"));
    }
    let operations: json_patch::Patch =
        serde_json::from_value(admitted.patch).map_err(|error| format!("the patch is none: {error}"))?;
    if operations.is_empty() {
        return if repaired.edits.is_empty() { Ok(()) } else { Err("there is a repair and no patch".to_owned()) };
    }
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| format!("the patch does not apply: {error}"))?;
    if patched != admitted.pod {
        return Err("the patch does not give the admitted pod".to_owned());
    }
    let annotations = patched.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    if annotations.and_then(|annotations| annotations.remove("buttress.dev/injected")).is_none() {
        return Err("the patch does not say what was injected".to_owned());
    }
    let mut expected = repaired.object;
    drop_empty_annotations(&mut patched);
    drop_empty_annotations(&mut expected);
    if patched == expected { Ok(()) } else { Err("the patched pod is not the repaired pod".to_owned()) }
}

/// An annotation cannot be without the mappings around it, which the pod may not have had.
fn drop_empty_annotations(pod: &mut Value) {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("annotations").is_some_and(empty)
    {
        metadata.remove("annotations");
    }
    if let Some(pod) = pod.as_object_mut()
        && pod.get("metadata").is_some_and(empty)
    {
        pod.remove("metadata");
    }
}
