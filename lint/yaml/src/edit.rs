//! Applies edits to the text of a document and verifies the outcome by reading it again.

mod add;
mod place;
mod remove;
mod replace;

use std::ops::Range;
use std::sync::Arc;

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use serde_json::Value;

use crate::document::Document;
use crate::file::{File, read_piece};
use crate::json;
use crate::limits::Limits;
use crate::split::{Piece, pieces};
use crate::style;
use crate::value::same;
use crate::write;

/// Why an edit was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was to be changed.
    pub path: Path,
    /// Why it was not, for the user.
    pub reason: String,
    /// Whether the edit was made and then found wrong when it was read again: a defect of the editor, not of the text.
    pub defect: bool,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_root() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

impl std::error::Error for Refusal {}

/// One stretch of text and what comes in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

impl Replacement {
    pub(crate) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    pub(crate) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }
}

/// What a plan for one edit gives: replacements in the order of the text, or why there is none.
pub(crate) type Plan = Result<Vec<Replacement>, String>;

/// Applies `edits` one after another to a document of `file` and gives the whole new text.
///
/// # Errors
/// When an edit does not fit the value, or cannot be made without guessing what the author wants. Nothing is changed
/// then.
pub fn edit(file: &File, document: usize, edits: &[Edit]) -> Result<String, Refusal> {
    let refusal = |path: &Path, reason: String| Refusal { path: path.clone(), reason, defect: false };
    let Some(original) = file.documents().get(document) else {
        return Err(refusal(&Path::root(), format!("the file has no document {document}")));
    };
    let mut expected = match original.value() {
        Ok(value) => value.clone(),
        Err(error) => return Err(refusal(&Path::root(), format!("the document cannot be read: {error}"))),
    };
    let mut current: Option<Document> = None;
    for edit in edits {
        let before = current.as_ref().unwrap_or(original);
        let path = edit.path();
        if has_lone_return(before) {
            return Err(refusal(path, "the file has line ends of a carriage return alone".to_owned()));
        }
        let unchanged = match edit {
            Edit::Set { path, value } => path.get(&expected).is_some_and(|old| same(old, value)),
            Edit::Append { .. } | Edit::Remove { .. } => false,
        };
        if unchanged {
            continue;
        }
        let plan = place::plan(before, &expected, edit)
            .map_err(|reason| refusal(path, reason.say(before, file.line_column(original.range.start).line)))?;
        edit.apply(&mut expected).map_err(|error| refusal(path, error.to_string()))?;
        let text = spliced(&before.text, &before.range, plan).ok_or_else(|| Refusal {
            path: path.clone(),
            reason: "the places to change overlap".to_owned(),
            defect: true,
        })?;
        let follows = original.range.end < file.text().len();
        let after = reread(text, before.json, follows, file.limits(), &expected).map_err(|reason| Refusal {
            path: path.clone(),
            reason: format!("the edited text would not read as intended: {reason}"),
            defect: true,
        })?;
        current = Some(after);
    }
    let Some(after) = current else { return Ok(file.text().to_owned()) };
    let (text, range) = (file.text(), &original.range);
    let (head, tail) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    let new = [head, &after.text, tail].concat();
    // A text that starts with a brace is tried as JSON, and all that follows is then read in another way.
    if !original.json && new.trim_start().starts_with('{') {
        let whole = File::parse_with(new.as_str(), file.limits());
        let read = whole.documents().get(document).and_then(|one| one.value().ok());
        if whole.documents().len() != file.documents().len() || !read.is_some_and(|read| same(read, &expected)) {
            return Err(refusal(&Path::root(), "the text would be taken for JSON".to_owned()));
        }
    }
    Ok(new)
}

fn has_lone_return(document: &Document) -> bool {
    let bytes = document.text.as_bytes().get(document.range.clone()).unwrap_or_default();
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1).is_some_and(|next| *next != b'\n'))
}

/// The text of `range` with its replacements made; `None` when they overlap or leave it.
fn spliced(text: &str, range: &Range<usize>, mut plan: Vec<Replacement>) -> Option<String> {
    plan.sort_by_key(|replacement| (replacement.range.start, replacement.range.end));
    let mut out = String::with_capacity(range.len() + 64);
    let mut at = range.start;
    for replacement in &plan {
        out.push_str(text.get(at..replacement.range.start)?);
        out.push_str(&replacement.text);
        at = replacement.range.end;
    }
    out.push_str(text.get(at..range.end)?);
    Some(out)
}

/// Reads an edited document again and holds it against the value it should have.
fn reread(text: String, is_json: bool, follows: bool, limits: &Limits, expected: &Value) -> Result<Document, String> {
    let text: Arc<str> = text.into();
    if is_json {
        let (built, end) = json::read(&text, 0, limits).map_err(|failure| failure.error.message)?;
        if end != text.len() || !same(&built.value, expected) {
            return Err("the value differs".to_owned());
        }
        let range = 0..text.len();
        return Ok(Document {
            text,
            range,
            tree: built.tree,
            value: Ok(built.value),
            duplicates: built.duplicates,
            json: true,
        });
    }
    if pieces(&text, 0).len() != 1 || follows && !text.is_empty() && !text.ends_with('\n') {
        return Err("it would be cut elsewhere".to_owned());
    }
    let piece = Piece { range: 0..text.len(), bad_separator: None };
    let document = read_piece(&text, piece, limits).ok_or_else(|| "it would be empty".to_owned())?;
    match document.value() {
        Ok(value) if same(value, expected) => Ok(document),
        Ok(_) => Err("the value differs".to_owned()),
        Err(error) => Err(error.message.clone()),
    }
}

/// The whole text of `file` with a document more at its end, in the file's own style.
///
/// # Errors
/// For JSON files, which hold one object, and for files whose last document is broken.
pub fn append_document(file: &File, value: &Value) -> Result<String, Refusal> {
    let refusal = |reason: &str, defect| Refusal { path: Path::root(), reason: reason.to_owned(), defect };
    if file.documents().iter().any(Document::is_json) {
        return Err(refusal("a JSON file holds no further document", false));
    }
    if file.documents().last().is_some_and(|last| last.value().is_err()) {
        return Err(refusal("the last document of the file cannot be read", false));
    }
    let text = file.text();
    let format = file.documents().iter().find(|one| !one.is_flow()).map(style::format).unwrap_or_default();
    let line_break = style::line_break(text);
    let mut out = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        out.push_str(line_break);
    }
    let last_line = out.lines().next_back().unwrap_or_default();
    if !file.documents().is_empty() && last_line.trim_end() != "---" {
        out.push_str("---");
        out.push_str(line_break);
    }
    for line in write::lines(value, &format) {
        out.push_str(&line);
        out.push_str(line_break);
    }
    let after = File::parse_with(out.as_str(), file.limits());
    let (old, new) = (file.documents(), after.documents());
    let kept = old.len() + 1 == new.len()
        && old.iter().zip(new).all(|(old, new)| old.value().ok() == new.value().ok())
        && new.last().is_some_and(|last| last.value().is_ok_and(|read| same(read, value)));
    if kept { Ok(out) } else { Err(refusal("the added document would not read as intended", true)) }
}
