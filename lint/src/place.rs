//! Where a finding stands in the text: at a key, at an item, or at what is nearest above something that is missing.

use std::borrow::Cow;
use std::ops::Range;

use buttress_policies::path::Path;
use buttress_yaml::{Document, File, Position};
use serde_json::Value;

/// The longest line that is shown whole, in bytes; of a longer one, what is around the place.
const SHOWN: usize = 240;

/// The bytes to point at for `path`.
///
/// An entry of a mapping is shown by its key and, when it stands on the same line, its plain value. An item of a list
/// or a document is shown by its first entry. For what is missing it is the key or item that should hold it.
pub(crate) fn span(file: &File, document: &Document, path: &Path) -> Range<usize> {
    let located = document.locate(path);
    let Ok(root) = document.value() else { return located.value };
    match located.key {
        Some(key) if located.found => {
            let scalar = path.get(root).is_some_and(|value| !value.is_object() && !value.is_array());
            if scalar && on_one_line(file, key.start, located.value.end) { key.start..located.value.end } else { key }
        }
        Some(key) => key,
        None => {
            let (path, value) = present(document, path, root);
            item(file, document, &path, value, located.value)
        }
    }
}

/// The nearest of `path` and the places above it where there is something.
fn present<'a>(document: &Document, path: &Path, root: &'a Value) -> (Path, &'a Value) {
    let mut path = path.clone();
    loop {
        if let (true, Some(value)) = (document.locate(&path).found, path.get(root)) {
            return (path, value);
        }
        match path.parent() {
            Some(parent) => path = parent,
            None => return (Path::root(), root),
        }
    }
}

fn item(file: &File, document: &Document, path: &Path, value: &Value, whole: Range<usize>) -> Range<usize> {
    let keys = value.as_object().into_iter().flat_map(|map| map.keys());
    let first = keys.map(|key| document.locate(&path.key(key))).find_map(|child| {
        let key = child.key.filter(|key| child.found && key.start == whole.start)?;
        Some(if on_one_line(file, key.start, child.value.end) { key.start..child.value.end } else { key })
    });
    first.unwrap_or_else(|| {
        let line = file.text().get(whole.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        whole.start..whole.start + line.trim_end().len()
    })
}

fn on_one_line(file: &File, start: usize, end: usize) -> bool {
    start <= end && file.text().get(start..end).is_some_and(|text| !text.contains('\n'))
}

/// The lines around a place, kept for the report when the file itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// The lines.
    pub(crate) text: String,
    /// The number of the first, from 1.
    pub(crate) first: usize,
    /// The bytes of `text` to point at.
    pub(crate) span: Range<usize>,
    /// The place in the file.
    pub(crate) start: Position,
}

impl Snippet {
    /// The line of `span`, with one before and one after. What is in `hidden` is there, but cannot be read.
    pub(crate) fn of(file: &File, span: &Range<usize>, hidden: &[Range<usize>]) -> Self {
        let text = file.text();
        let start = file.line_column(span.start);
        let line_start = |at: usize| text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let line_end = |at: usize| text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |end| at + end);
        let own = line_start(span.start)..line_end(span.start);
        let mut snippet = Self { text: String::new(), first: start.line, span: 0..0, start };
        if own.start > 0 {
            let before = line_start(own.start - 1)..own.start - 1;
            let (line, from) = shown(text, &before, before.start);
            snippet.text.push_str(&masked(line, from, hidden));
            snippet.text.push('\n');
            snippet.first -= 1;
        }
        let (line, from) = shown(text, &own, span.start);
        let base = snippet.text.len();
        snippet.text.push_str(&masked(line, from, hidden));
        let clip = |at: usize| base + at.saturating_sub(from).min(line.len());
        snippet.span = clip(span.start)..clip(span.end.min(own.end));
        if own.end < text.len() {
            let after = own.end + 1..line_end(own.end + 1);
            if !after.is_empty() {
                let (line, from) = shown(text, &after, after.start);
                snippet.text.push('\n');
                snippet.text.push_str(&masked(line, from, hidden));
            }
        }
        snippet
    }
}

/// A line that starts at `from` in its text, with stars for the bytes in `hidden`: as many, so that places stay.
fn masked<'a>(line: &'a str, from: usize, hidden: &[Range<usize>]) -> Cow<'a, str> {
    let mut out = Cow::Borrowed(line);
    for range in hidden {
        let start = line.ceil_char_boundary(range.start.saturating_sub(from));
        let end = line.floor_char_boundary(range.end.saturating_sub(from));
        if start < end {
            out.to_mut().replace_range(start..end, &"*".repeat(end - start));
        }
    }
    out
}

/// What is shown of a line so that `at` is in it, and where in the text that starts.
fn shown<'a>(text: &'a str, line: &Range<usize>, at: usize) -> (&'a str, usize) {
    let whole = text.get(line.clone()).unwrap_or_default();
    let whole = whole.strip_suffix('\r').unwrap_or(whole);
    if whole.len() <= SHOWN {
        return (whole, line.start);
    }
    let start = whole.floor_char_boundary(at.saturating_sub(line.start).saturating_sub(SHOWN / 3));
    let end = whole.floor_char_boundary((start + SHOWN).min(whole.len()));
    (whole.get(start..end).unwrap_or_default(), line.start + start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kind: Pod\nspec:\n  containers:\n  - name: a # one\n    image: \"x\"\n  - {name: b}\n";

    fn shown_at(path: &str) -> String {
        let file = File::parse(TEXT);
        let span = span(&file, &file.documents()[0], &Path::parse(path));
        TEXT[span].to_owned()
    }

    #[test]
    fn a_place_is_a_key_an_item_or_what_is_nearest_above() {
        assert_eq!(shown_at("/spec/containers/0/image"), "image: \"x\"");
        assert_eq!(shown_at("/spec/containers/0"), "name: a");
        assert_eq!(shown_at("/spec/containers/0/startupProbe/httpGet"), "name: a");
        assert_eq!(shown_at("/spec/containers"), "containers");
        assert_eq!(shown_at("/spec/tolerations"), "spec");
        assert_eq!(shown_at("/metadata/name"), "kind: Pod");
        assert_eq!(shown_at("/spec/containers/1"), "{name: b}");
    }

    #[test]
    fn a_snippet_is_three_lines_and_points_into_them() {
        let file = File::parse(TEXT);
        let at = TEXT.find("image").unwrap();
        let snippet = Snippet::of(&file, &(at..at + 10), &[]);
        assert_eq!(snippet.text, "  - name: a # one\n    image: \"x\"\n  - {name: b}");
        assert_eq!((&snippet.text[snippet.span.clone()], snippet.first), ("image: \"x\"", 4));
    }

    #[test]
    fn of_a_long_line_only_what_is_near_is_kept() {
        let long = format!("a: \"{}ä\"\nb: 1\n", "é".repeat(5_000));
        let file = File::parse(long.as_str());
        let snippet = Snippet::of(&file, &(5_000..5_004), &[]);
        assert!(snippet.text.len() < 300 && !snippet.span.is_empty());
    }

    #[test]
    fn what_is_hidden_is_starred_and_moves_nothing() {
        let text = "a: 1\nb: sécret # why\nc: 2\n";
        let file = File::parse(text);
        let hidden = text.find('s').unwrap()..text.find(" #").unwrap();
        let snippet = Snippet::of(&file, &(0..4), std::slice::from_ref(&hidden));
        assert_eq!(snippet.text, "a: 1\nb: ******* # why");
        assert_eq!(Snippet::of(&file, &hidden, std::slice::from_ref(&hidden)).text, "a: 1\nb: ******* # why\nc: 2");
    }
}
