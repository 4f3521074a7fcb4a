//! Sees how a document is written, so that what is added to it looks the same.

use crate::document::Document;
use crate::tree::Kind;
use crate::write::Format;

/// Where the line of `offset` starts; a byte-order mark is not part of the line.
pub(crate) fn line_start(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    match memchr::memrchr(b'\n', before) {
        Some(newline) => newline + 1,
        None if text.starts_with('\u{feff}') => '\u{feff}'.len_utf8().min(offset),
        None => 0,
    }
}

/// The column of `offset`, counted from 0 in bytes; indentation is made of one-byte characters.
pub(crate) fn column(text: &str, offset: usize) -> usize {
    offset - line_start(text, offset)
}

/// The line break that a document uses.
pub(crate) fn line_break(text: &str) -> &'static str {
    match memchr::memchr(b'\n', text.as_bytes()) {
        Some(newline) if newline > 0 && text.as_bytes().get(newline - 1) == Some(&b'\r') => "\r\n",
        _ => "\n",
    }
}

/// The indentation and quotes that most of the document has.
pub(crate) fn format(document: &Document) -> Format {
    let (text, tree) = (&*document.text, &document.tree);
    let (mut indents, mut lists) = ([0usize; 10], [0usize; 10]);
    let (mut single, mut double) = (0usize, 0usize);
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (index, node) in tree.nodes.iter().enumerate() {
        while open.last().is_some_and(|(end, _)| index >= *end) {
            open.pop();
        }
        match node.kind {
            Kind::Single => single += 1,
            Kind::Double => double += 1,
            Kind::Mapping | Kind::Sequence => {
                let here = column(text, node.start as usize);
                // The nearest collection around counts only as a mapping: lists in lists tell nothing.
                if let Some((_, above)) = open.last()
                    && *above != usize::MAX
                    && let Some(step) = here.checked_sub(*above)
                {
                    let counts = if node.kind == Kind::Mapping { &mut indents } else { &mut lists };
                    if let Some(count) = counts.get_mut(step) {
                        *count += 1;
                    }
                }
                open.push((node.next as usize, if node.kind == Kind::Mapping { here } else { usize::MAX }));
            }
            _ => {}
        }
    }
    let most = |counts: &[usize; 10], from: usize| {
        let best = (from..10).rev().max_by_key(|step| counts.get(*step).copied().unwrap_or_default());
        best.filter(|step| counts.get(*step).is_some_and(|count| *count > 0))
    };
    let usual = Format::default();
    let indent = most(&indents, 1).unwrap_or(usual.indent);
    Format {
        indent,
        list: most(&lists, 0).unwrap_or(usual.list),
        quote: if single > double { '\'' } else { usual.quote },
        blocks: true,
    }
}
