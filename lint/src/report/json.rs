//! The report for programs. Its form has a version; within one, keys are only added.

use std::io::{self, Write};

use buttress_policies::rule::{Category, Severity};
use buttress_yaml::Position;
use serde::Serialize;

use super::Report;
use crate::judge::{Found, Subject};

/// The version of the form.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    findings: Vec<Finding<'a>>,
    errors: Vec<Error<'a>>,
    skipped: Vec<Skipped<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    category: Category,
    severity: Severity,
    message: &'a str,
    object: Object<'a>,
    path: &'a str,
    file: &'a str,
    document: usize,
    start: Place,
    end: Place,
    fix: Option<Fix<'a>>,
    url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a> {
    api_version: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Fix<'a> {
    title: &'a str,
    safety: &'static str,
    /// Why it was not made although it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a str>,
}

#[derive(Serialize)]
struct Error<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
}

#[derive(Serialize)]
struct Skipped<'a> {
    file: &'a str,
    document: usize,
    reason: &'a str,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    documents: usize,
    error: usize,
    warning: usize,
    advice: usize,
    fixed: usize,
}

impl<'a> From<&'a Subject> for Object<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self {
            api_version: &subject.api_version,
            kind: &subject.kind,
            namespace: subject.namespace.as_deref(),
            name: subject.name.as_deref(),
        }
    }
}

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self { line: position.line, column: position.column }
    }
}

impl<'a> From<&'a Found> for Finding<'a> {
    fn from(found: &'a Found) -> Self {
        Self {
            rule: found.rule.name,
            category: found.rule.category,
            severity: found.severity,
            message: &found.message,
            object: Object::from(&found.object),
            path: found.path.as_str(),
            file: &found.file,
            document: found.document,
            start: found.start.into(),
            end: found.end.into(),
            fix: found.fix.as_ref().map(|(title, safety)| Fix {
                title,
                safety: safety.as_str(),
                refused: found.refused.as_deref(),
            }),
            url: found.rule.url(),
        }
    }
}

/// Writes the report.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let summary = report.summary;
    let document = Document {
        version: VERSION,
        findings: report.findings.iter().map(Finding::from).collect(),
        errors: report
            .problems
            .iter()
            .map(|problem| Error {
                file: &problem.file,
                line: problem.place.map(|place| place.line),
                column: problem.place.map(|place| place.column),
                message: &problem.message,
            })
            .collect(),
        skipped: report
            .skipped
            .iter()
            .map(|skipped| Skipped { file: &skipped.file, document: skipped.document, reason: &skipped.reason })
            .collect(),
        summary: Summary {
            files: summary.files,
            documents: summary.documents,
            error: summary.error,
            warning: summary.warning,
            advice: summary.advice,
            fixed: summary.fixed,
        },
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}
