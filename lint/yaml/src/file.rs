//! A text as kubectl splits it into documents and reads each.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::check;
use crate::document::{Document, ReadError};
use crate::json;
use crate::limits::Limits;
use crate::lines::{Lines, Position, part};
use crate::read::read;
use crate::split::{Piece, pieces};
use crate::template::looks_like_template;
use crate::tree::{Kind, Tree};
use crate::value::{Built, build};

/// One YAML or JSON text as kubectl would split and read it.
#[derive(Debug)]
pub struct File {
    text: Arc<str>,
    documents: Vec<Document>,
    lines: OnceLock<Lines>,
    limits: Limits,
}

impl File {
    /// Reads `text`. It never fails as a whole: each document has its own outcome.
    pub fn parse(text: impl Into<Arc<str>>) -> Self {
        Self::parse_with(text, &Limits::default())
    }

    /// Reads `text` within other bounds than the usual ones.
    pub fn parse_with(text: impl Into<Arc<str>>, limits: &Limits) -> Self {
        let text = text.into();
        let mut documents = Vec::new();
        if text.len() > limits.bytes.min(u32::MAX as usize - 1) {
            let error = ReadError::new(0, format!("text is longer than {} bytes", limits.bytes));
            documents.push(broken(&text, 0..text.len(), error));
        } else {
            let rest = read_json_stream(&text, limits, &mut documents);
            if let Some(from) = rest {
                for piece in pieces(&text, from) {
                    documents.extend(read_piece(&text, piece, limits));
                }
            }
        }
        Self { text, documents, lines: OnceLock::new(), limits: *limits }
    }

    /// The text that was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The documents that are not empty, broken ones included; those of nothing but blanks and comments are left out.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The line and column of a byte of the text. A byte-order mark is no column.
    pub fn line_column(&self, offset: usize) -> Position {
        self.lines.get_or_init(|| Lines::new(&self.text)).position(&self.text, offset)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Reads JSON objects one after another, as kubectl does with a text that starts with a brace. Gives the place from
/// which on the text is to be read as YAML, if any.
fn read_json_stream(text: &Arc<str>, limits: &Limits, documents: &mut Vec<Document>) -> Option<usize> {
    let blank = |at: usize| part(text, at, text.len()).len() - part(text, at, text.len()).trim_start().len();
    let mut at = blank(0);
    if !part(text, at, text.len()).starts_with('{') {
        return Some(0);
    }
    let mut count = 0;
    loop {
        match json::read(text, at, limits) {
            Ok((built, end)) => {
                documents.push(finished(text, at..end, built, true));
                count += 1;
                at = end + blank(end);
                if at >= text.len() {
                    return None;
                }
            }
            // A text that has given no more than one object may still be YAML, after the rest of that line.
            Err(failure) if count > 1 || failure.is_json => {
                documents.push(broken(text, at..text.len(), failure.error));
                return None;
            }
            // The decoder looks four bytes ahead here and gives up when there are fewer.
            Err(failure) if count == 1 && documents.last().is_some_and(|last| text.len() - last.range.end < 4) => {
                documents.push(broken(text, at..text.len(), failure.error));
                return None;
            }
            Err(_) if count == 1 => {
                let end = documents.last().map_or(0, |document| document.range.end);
                let blanks = part(text, end, at);
                return Some(blanks.find('\n').map_or(at, |newline| end + newline + 1));
            }
            Err(_) => return Some(0),
        }
    }
}

/// Reads what stands between two separators; nothing when it is empty.
pub(crate) fn read_piece(text: &Arc<str>, piece: Piece, limits: &Limits) -> Option<Document> {
    let range = piece.range;
    if let Some(line) = piece.bad_separator {
        let error = ReadError::new(line, "only a comment may follow the document separator `---`".to_owned());
        return Some(broken(text, range, error));
    }
    let outcome = read(text, range.clone(), limits)
        .and_then(|draft| check::check(text, range.clone(), &draft).map(|()| draft))
        .and_then(|draft| match draft.tree.node(0) {
            None if text[range.clone()].lines().any(|line| line.starts_with("...")) => {
                Err(ReadError::new(range.start, "did not find expected node content".to_owned()))
            }
            None => Ok(None),
            Some(root) if root.kind == Kind::Empty && root.flags == 0 => Ok(None),
            Some(_) => build(text, draft, limits).map(Some),
        });
    match outcome {
        Ok(None) => None,
        Ok(Some(built)) => Some(finished(text, range, built, false)),
        Err(error) => Some(broken(text, range, error)),
    }
}

fn finished(text: &Arc<str>, range: Range<usize>, built: Built, json: bool) -> Document {
    let Built { tree, value, duplicates } = built;
    Document { text: Arc::clone(text), range, tree, value: Ok::<Value, _>(value), duplicates, json }
}

fn broken(text: &Arc<str>, range: Range<usize>, mut error: ReadError) -> Document {
    error.template = text.get(range.clone()).is_some_and(looks_like_template);
    Document {
        text: Arc::clone(text),
        range,
        tree: Tree::default(),
        value: Err(error),
        duplicates: Vec::new(),
        json: false,
    }
}
