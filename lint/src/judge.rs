//! Judging one file: its objects, each under the Policy of its namespace, and the places of what is found.

use std::ops::Range;
use std::sync::Arc;

use buttress_policies::check;
use buttress_policies::context::Context;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::inventory::Inventory;
use buttress_policies::object::Identity;
use buttress_policies::path::Path;
use buttress_policies::policy::Effective;
use buttress_policies::rule::{Category, Rule, Severity};
use buttress_yaml::{Document, File, Position};
use jiff::civil::Date;
use serde_json::Value;

use crate::objects::objects;
use crate::place::{Snippet, span};
use crate::policy::Policies;
use crate::source::{Input, Problem, may_hold_objects};

/// What all files of a run are judged by.
pub(crate) struct Bench<'a> {
    pub(crate) policies: &'a Policies,
    /// The namespace of objects that name none.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) today: Date,
}

impl Bench<'_> {
    /// The Policy in force for an object.
    pub(crate) fn policy_of(&self, object: &Value) -> Arc<Effective> {
        self.policies.of(Identity::of(object).namespace.or(self.namespace))
    }

    /// What a rule may know, for an object of the file called `origin`.
    pub(crate) fn context<'c>(
        &'c self,
        policy: &'c Effective,
        inventory: &'c Inventory,
        origin: &'c str,
    ) -> Context<'c> {
        Context { policy, inventory, namespace: self.namespace, origin, today: self.today }
    }
}

/// Who a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Subject {
    pub(crate) fn of(object: &Value, namespace: Option<&str>) -> Self {
        let identity = Identity::of(object);
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let generated = || Some(format!("{}*", object.pointer("/metadata/generateName")?.as_str()?));
        Self {
            api_version: version.to_owned(),
            kind: identity.kind.to_owned(),
            namespace: identity.namespace.or(namespace).map(str::to_owned),
            name: if identity.name.is_empty() { generated() } else { Some(identity.name.to_owned()) },
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, " {namespace}/{name}"),
            (None, Some(name)) => write!(f, " {name}"),
            _ => Ok(()),
        }
    }
}

/// A finding with its place in the text.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) rule: &'static Rule,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) object: Subject,
    /// Where in the document.
    pub(crate) path: Path,
    pub(crate) file: Arc<str>,
    pub(crate) document: usize,
    pub(crate) start: Position,
    pub(crate) end: Position,
    /// What the repair does, and whether it may be made without being asked.
    pub(crate) fix: Option<(String, Safety)>,
    /// Why the repair was not made although it was asked for.
    pub(crate) refused: Option<String>,
    pub(crate) snippet: Option<Snippet>,
}

/// A document that is not judged because it has to be rendered first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) file: Arc<str>,
    pub(crate) document: usize,
    pub(crate) reason: String,
}

/// What came of a file.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) found: Vec<Found>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) skipped: Vec<Skipped>,
    /// The documents that hold Kubernetes objects.
    pub(crate) documents: usize,
}

impl Verdict {
    /// Whether the file had to do with Kubernetes, or should have.
    pub(crate) fn counts(&self) -> bool {
        self.documents > 0 || !self.problems.is_empty() || !self.skipped.is_empty()
    }
}

/// Tells of the documents of a file that cannot be read, and counts those that can.
pub(crate) fn survey(input: &Input, file: &File) -> Verdict {
    let mut verdict = Verdict::default();
    let foreign = input.may_be_foreign() && !may_hold_objects(file.text());
    for (number, document) in file.documents().iter().enumerate() {
        match document.value() {
            Ok(value) => verdict.documents += usize::from(!objects(value).is_empty()),
            Err(_) if foreign => {}
            Err(error) if error.template => verdict.skipped.push(Skipped {
                file: input.name.as_str().into(),
                document: number,
                reason: "a template; it can be judged once it is rendered".to_owned(),
            }),
            Err(error) => verdict.problems.push(Problem {
                file: input.name.clone(),
                place: Some(file.line_column(error.offset)),
                message: format!("cannot be read as YAML: {}", error.message),
            }),
        }
    }
    verdict
}

/// Judges every object of a file.
pub(crate) fn judge(input: &Input, file: &File, inventory: &Inventory, bench: &Bench<'_>, snippets: usize) -> Verdict {
    let mut verdict = survey(input, file);
    if verdict.documents == 0 {
        return verdict;
    }
    let mut report = Reporter::new(&input.name, file, bench, snippets);
    for (number, document) in file.documents().iter().enumerate() {
        let Ok(value) = document.value() else { continue };
        for item in objects(value) {
            let policy = bench.policy_of(&item.value);
            for finding in check(&item.value, &bench.context(&policy, inventory, &input.name)) {
                report.add(document, number, &item.base, &item.value, &finding, None);
            }
        }
    }
    verdict.found = report.finish();
    verdict
}

/// Turns findings on objects of a file into findings with a place in it.
pub(crate) struct Reporter<'a> {
    name: Arc<str>,
    file: &'a File,
    namespace: Option<&'a str>,
    snippets: usize,
    found: Vec<(Range<usize>, Found)>,
    /// The values that are secret: a report may be read by more people than the file.
    secrets: Vec<Range<usize>>,
}

impl<'a> Reporter<'a> {
    /// For a file; the first `snippets` findings will have the lines around them.
    pub(crate) fn new(name: &str, file: &'a File, bench: &'a Bench<'_>, snippets: usize) -> Self {
        let namespace = bench.namespace;
        Self { name: name.into(), file, namespace, snippets, found: Vec::new(), secrets: Vec::new() }
    }

    /// Adds a finding on the object at `base` of a document.
    pub(crate) fn add(
        &mut self,
        document: &Document,
        number: usize,
        base: &Path,
        object: &Value,
        finding: &Finding,
        refused: Option<String>,
    ) {
        let path = base.join(&finding.at);
        let span = span(self.file, document, &path);
        let end = span.end.max(span.start);
        if finding.rule.category == Category::Secrets {
            self.secrets.push(document.locate(&path).value);
        }
        let found = Found {
            rule: finding.rule,
            severity: finding.severity,
            message: finding.message.clone(),
            object: Subject::of(object, self.namespace),
            path,
            file: Arc::clone(&self.name),
            document: number,
            start: self.file.line_column(span.start),
            end: self.file.line_column(end),
            fix: finding.fix.as_ref().map(|fix| (fix.title.clone(), fix.safety)),
            refused,
            snippet: None,
        };
        self.found.push((span, found));
    }

    /// The findings in the order of reports: by document, place and rule.
    pub(crate) fn finish(mut self) -> Vec<Found> {
        self.found.sort_by(|(_, one), (_, other)| {
            let key = |found: &Found| (found.document, found.start, found.rule.name);
            let rest = || one.path.cmp(&other.path).then_with(|| one.message.cmp(&other.message));
            key(one).cmp(&key(other)).then_with(rest)
        });
        for (span, found) in self.found.iter_mut().take(self.snippets) {
            found.snippet = Some(Snippet::of(self.file, span, &self.secrets));
        }
        self.found.into_iter().map(|(_, found)| found).collect()
    }
}
