//! Cuts a stream into documents by its `---` lines, as the `YAMLReader` of Kubernetes does before any YAML is parsed.

use std::ops::Range;

use memchr::memchr;

/// A stretch of text between two separators.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    /// Where the line starts that ended the piece though it is no separator, such as `--- text`.
    pub(crate) bad_separator: Option<usize>,
}

/// The pieces of `text` from `from` on. The cut is textual: a line that starts with `---` inside a block scalar cuts
/// too, because it does so in Kubernetes.
pub(crate) fn pieces(text: &str, from: usize) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let (mut start, mut line) = (from, from);
    while line < bytes.len() {
        let end = memchr(b'\n', &bytes[line..]).map_or(bytes.len(), |newline| line + newline + 1);
        if bytes[line..end].starts_with(b"---") {
            let rest = text.get(line + 3..end).unwrap_or_default().trim();
            let bad = !rest.is_empty() && !rest.starts_with('#');
            if bad {
                pieces.push(Piece { range: start..end, bad_separator: Some(line) });
            } else {
                pieces.push(Piece { range: start..line, bad_separator: None });
            }
            start = end;
        }
        line = end;
    }
    pieces.push(Piece { range: start..bytes.len(), bad_separator: None });
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        pieces(text, 0).into_iter().map(|piece| &text[piece.range]).collect()
    }

    #[test]
    fn only_a_line_that_starts_with_three_dashes_cuts() {
        assert_eq!(cut("a: 1\n---\nb: 1\n"), ["a: 1\n", "b: 1\n"]);
        assert_eq!(cut("---\na: 1\n--- # c\r\n ---\n"), ["", "a: 1\n", " ---\n"]);
        assert_eq!(cut("a: |\n---\nb"), ["a: |\n", "b"]);
        assert_eq!(pieces("a\n--- b\nc", 0)[0].bad_separator, Some(2));
    }
}
