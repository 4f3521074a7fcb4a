//! Repairing one file: what the engine makes of its objects, turned into text, and held against it before it counts.

use buttress_policies::context::Context;
use buttress_policies::edit::Edit;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::inventory::Inventory;
use buttress_policies::path::Path;
use buttress_policies::{check, repair};
use buttress_yaml::{File, append_document, edit};
use serde_json::Value;

use crate::judge::{Bench, Reporter, Verdict, survey};
use crate::objects::{Item, objects};
use crate::source::Input;

/// How many repairs are tried one by one on one object. Real objects take a dozen.
const MAX_TRIES: usize = 200;

/// A file after its repair.
#[derive(Debug)]
pub(crate) struct Repair {
    /// What is left.
    pub(crate) verdict: Verdict,
    /// The new text, when it is another.
    pub(crate) text: Option<String>,
    /// How many findings were repaired.
    pub(crate) fixed: usize,
    /// Repairs that were taken back because the text would not have said what it should.
    pub(crate) withheld: Option<String>,
}

/// A finding that is left on the object at `base` of a document.
struct Left {
    document: usize,
    base: Path,
    finding: Finding,
    refused: Option<String>,
}

/// An object to be added, and the finding that it repairs.
struct Companion {
    left: Left,
    value: Value,
}

/// What becomes of one document.
#[derive(Default)]
struct Plan {
    edits: Vec<Edit>,
    left: Vec<Left>,
    companions: Vec<Companion>,
    fixed: usize,
}

/// What a file is repaired by.
pub(crate) struct Fixer<'a> {
    pub(crate) input: &'a Input,
    pub(crate) file: &'a File,
    pub(crate) inventory: &'a Inventory,
    pub(crate) bench: &'a Bench<'a>,
    pub(crate) limit: Safety,
    /// How many findings keep the lines around them.
    pub(crate) snippets: usize,
    /// Whether places are told in the new text, because it is what stands there afterwards.
    pub(crate) places_in_new: bool,
}

impl Fixer<'_> {
    /// Repairs the file as far as it goes.
    pub(crate) fn run(&self) -> Repair {
        let old = self.file.text();
        let (mut text, mut expected) = (String::with_capacity(old.len() + 256), Vec::new());
        let (mut left, mut companions, mut fixed, mut at) = (Vec::new(), Vec::new(), 0, 0);
        for (number, document) in self.file.documents().iter().enumerate() {
            let Ok(value) = document.value() else {
                expected.push(None);
                continue;
            };
            let mut plan = self.plan(number, value);
            let mut edited = self.splice(number, &plan.edits);
            if edited.is_err() {
                plan = self.plan_one_by_one(number, value);
                edited = self.splice(number, &plan.edits);
            }
            let mut after = value.clone();
            // Both edited the document without a refusal, so that neither can fail here; the guard below sees if it does.
            for edit in &plan.edits {
                let _ = edit.apply(&mut after);
            }
            expected.push(Some(after));
            if let (Ok(piece), false) = (edited, plan.edits.is_empty()) {
                text.push_str(old.get(at..document.range().start).unwrap_or_default());
                text.push_str(&piece);
                at = document.range().end;
            }
            left.append(&mut plan.left);
            companions.append(&mut plan.companions);
            fixed += plan.fixed;
        }
        text.push_str(old.get(at..).unwrap_or_default());
        let mut new = File::parse(text);
        for companion in companions {
            match self.append(&new, &companion) {
                Ok(with) => {
                    new = with;
                    fixed += 1;
                    expected.push(Some(companion.value));
                }
                Err(reason) => left.push(Left { refused: Some(reason), ..companion.left }),
            }
        }
        match guard(self.file, &new, &expected) {
            Ok(()) => self.report(&new, left, fixed),
            Err(reason) => self.withhold(&reason),
        }
    }

    fn context<'c>(&'c self, policy: &'c buttress_policies::policy::Effective) -> Context<'c> {
        self.bench.context(policy, self.inventory, &self.input.name)
    }

    /// The repair of all objects of a document at once.
    fn plan(&self, number: usize, document: &Value) -> Plan {
        let mut plan = Plan::default();
        for Item { base, value } in objects(document) {
            let policy = self.bench.policy_of(&value);
            let repaired = repair(&value, &self.context(&policy), self.limit);
            plan.edits.extend(repaired.edits.iter().map(|edit| edit.below(&base)));
            for finding in repaired.applied {
                plan.take(number, &base, finding);
            }
            for finding in repaired.left {
                let defect = repaired.withheld.contains(&finding);
                let refused = defect.then(|| "the repair does not fit this object".to_owned());
                plan.left.push(Left { document: number, base: base.clone(), finding, refused });
            }
        }
        plan
    }

    /// The repair of a document finding by finding, so that one that cannot be written does not keep the others away.
    ///
    /// Each is taken only while the engine still asks for it, as the repair loop does: what was to follow from a repair
    /// that is not made must not be made either.
    fn plan_one_by_one(&self, number: usize, document: &Value) -> Plan {
        let mut plan = Plan::default();
        for Item { base, value } in objects(document) {
            let policy = self.bench.policy_of(&value);
            let context = self.context(&policy);
            let mut current = value.into_owned();
            let mut refused: Vec<(Finding, String)> = Vec::new();
            let mut done: Vec<Finding> = Vec::new();
            let is = |one: &Finding, other: &Finding| one.rule == other.rule && one.at == other.at;
            for _ in 0..MAX_TRIES {
                let next = check(&current, &context).into_iter().find(|finding| {
                    finding.fix.as_ref().is_some_and(|fix| fix.safety <= self.limit)
                        && !refused.iter().any(|(other, _)| is(finding, other))
                        && !done.iter().any(|other| is(finding, other))
                });
                let Some(finding) = next else { break };
                match self.try_one(number, &base, &current, &finding, &plan.edits) {
                    Ok((object, edits)) => {
                        current = object;
                        plan.edits.extend(edits);
                        done.push(finding.clone());
                        plan.take(number, &base, finding);
                    }
                    Err(reason) => refused.push((finding, reason)),
                }
            }
            for finding in check(&current, &context) {
                let companion_only = finding.fix.as_ref().is_some_and(|fix| fix.edits.is_empty());
                if companion_only && done.iter().any(|other| is(&finding, other)) {
                    continue;
                }
                let refused = refused.iter().find(|(other, _)| is(&finding, other)).map(|(_, reason)| reason.clone());
                plan.left.push(Left { document: number, base: base.clone(), finding, refused });
            }
        }
        plan
    }

    /// The object and the edits of its document after one more repair, or why it is not made.
    fn try_one(
        &self,
        number: usize,
        base: &Path,
        object: &Value,
        finding: &Finding,
        before: &[Edit],
    ) -> Result<(Value, Vec<Edit>), String> {
        let Some(fix) = &finding.fix else { return Err("there is no repair".to_owned()) };
        let mut after = object.clone();
        for edit in &fix.edits {
            if fix.safety == Safety::Safe && !edit.is_additive(&after) {
                return Err("the repair does not fit this object".to_owned());
            }
            edit.apply(&mut after).map_err(|error| error.to_string())?;
        }
        let edits: Vec<Edit> = fix.edits.iter().map(|edit| edit.below(base)).collect();
        let all: Vec<Edit> = before.iter().chain(&edits).cloned().collect();
        self.splice(number, &all)?;
        Ok((after, edits))
    }

    /// The text of one document after `edits`.
    fn splice(&self, number: usize, edits: &[Edit]) -> Result<String, String> {
        let Some(range) = self.file.documents().get(number).map(|document| document.range()) else {
            return Err("there is no such document".to_owned());
        };
        if edits.is_empty() {
            return Ok(String::new());
        }
        let text = edit(self.file, number, edits).map_err(|refusal| refusal.to_string())?;
        let tail = self.file.text().len() - range.end;
        let piece = text.len().checked_sub(tail).and_then(|end| text.get(range.start..end));
        piece.map(str::to_owned).ok_or_else(|| "the edited text is cut elsewhere".to_owned())
    }

    /// The file with a companion at its end.
    fn append(&self, file: &File, companion: &Companion) -> Result<File, String> {
        if !companion.left.base.is_root() {
            return Err("objects are not added to a List; add it by hand".to_owned());
        }
        append_document(file, &companion.value).map(File::parse).map_err(|refusal| format!("{refusal}; add it by hand"))
    }

    fn report(&self, new: &File, left: Vec<Left>, fixed: usize) -> Repair {
        let file = if self.places_in_new { new } else { self.file };
        let mut verdict = survey(self.input, self.file);
        let mut reporter = Reporter::new(&self.input.name, file, self.bench, self.snippets);
        for Left { document: number, base, finding, refused } in left {
            let Some(document) = file.documents().get(number) else { continue };
            let Ok(value) = document.value() else { continue };
            let object = objects(value).into_iter().find(|item| item.base == base).map(|item| item.value);
            reporter.add(document, number, &base, object.as_deref().unwrap_or(&Value::Null), &finding, refused);
        }
        verdict.found = reporter.finish();
        let changed = new.text() != self.file.text();
        Repair { verdict, text: changed.then(|| new.text().to_owned()), fixed, withheld: None }
    }

    fn withhold(&self, reason: &str) -> Repair {
        let verdict = crate::judge::judge(self.input, self.file, self.inventory, self.bench, self.snippets);
        Repair { verdict, text: None, fixed: 0, withheld: Some(reason.to_owned()) }
    }
}

impl Plan {
    /// Counts a finding that was repaired, unless an object is still to be added for it.
    fn take(&mut self, document: usize, base: &Path, finding: Finding) {
        let Some(fix) = &finding.fix else { return };
        if fix.companions.is_empty() {
            self.fixed += 1;
            return;
        }
        for value in fix.companions.clone() {
            // Two findings may ask for the same object; it is added once and repairs both.
            if self.companions.iter().any(|companion| companion.value == value) {
                self.fixed += 1;
                continue;
            }
            let left = Left { document, base: base.clone(), finding: finding.clone(), refused: None };
            self.companions.push(Companion { left, value });
        }
    }
}

/// Whether the new text says what was meant: every document what it should become, and broken ones byte by byte what
/// they were.
fn guard(old: &File, new: &File, expected: &[Option<Value>]) -> Result<(), String> {
    if new.documents().len() != expected.len() {
        return Err("the number of documents would differ".to_owned());
    }
    for (number, (document, expected)) in new.documents().iter().zip(expected).enumerate() {
        let agrees = match (document.value(), expected) {
            (Ok(value), Some(expected)) => value == expected,
            (Err(_), None) => {
                let before = old.documents().get(number).and_then(|document| old.text().get(document.range()));
                before == new.text().get(document.range())
            }
            _ => false,
        };
        if !agrees {
            return Err(format!("document {number} would not say what it should"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_guard_sees_what_is_lost_changed_or_added() {
        let old = File::parse("a: 1\n---\nb: [\n");
        let meant = [Some(json!({"a": 2})), None];
        assert_eq!(guard(&old, &File::parse("a: 2\n---\nb: [\n"), &meant), Ok(()));
        assert!(guard(&old, &File::parse("a: 3\n---\nb: [\n"), &meant).is_err());
        assert!(guard(&old, &File::parse("a: 2\n---\nb:  [\n"), &meant).is_err());
        assert!(guard(&old, &File::parse("a: 2\n"), &meant).is_err());
        assert!(guard(&old, &File::parse("a: 2\n---\nb: [\n---\nc: 1\n"), &meant).is_err());
    }
}
