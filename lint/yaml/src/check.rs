//! What go-yaml refuses and the parser underneath lets through: control characters and tabs in indentation.

use std::ops::Range;

use crate::document::ReadError;
use crate::read::Draft;
use crate::tree::Kind;

/// Refuses what go-yaml would refuse though the parser has read it.
pub(crate) fn check(text: &str, range: Range<usize>, draft: &Draft<'_>) -> Result<(), ReadError> {
    let piece = text.get(range.clone()).unwrap_or_default();
    control_characters(piece, range.start)?;
    if memchr::memchr(b'\t', piece.as_bytes()).is_some() {
        tabs(text, range, draft)?;
    }
    Ok(())
}

fn control_characters(piece: &str, base: usize) -> Result<(), ReadError> {
    // Nearly every text is without; those with characters of two and more bytes are looked at one by one.
    let suspicious = |byte: &u8| !matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    if !piece.as_bytes().iter().any(suspicious) {
        return Ok(());
    }
    for (at, character) in piece.char_indices() {
        let allowed = matches!(character,
            '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'
            | '\u{10000}'..='\u{10ffff}');
        if !allowed {
            return Err(ReadError::new(base + at, "control characters are not allowed".to_owned()));
        }
    }
    Ok(())
}

/// Refuses a tab in the indentation of a line in block style: no scalar spans the line's start, and no bracket is open.
fn tabs(text: &str, range: Range<usize>, draft: &Draft<'_>) -> Result<(), ReadError> {
    let bytes = text.as_bytes();
    let nodes = &draft.tree.nodes;
    let mut at = range.start;
    let mut node = 0;
    while at < range.end {
        let end = crate::read::line_end(bytes, at).min(range.end);
        let blanks = bytes[at..end].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let tab = memchr::memchr(b'\t', &bytes[at..at + blanks]);
        if let Some(tab) = tab {
            // The last node that starts before the line, and those around it, say what the line starts in.
            while nodes.get(node + 1).is_some_and(|next| (next.start as usize) < at + blanks) {
                node += 1;
            }
            let covered = covering(draft, node, at);
            if !covered && at + blanks < end && bytes[at + blanks] != b'\r' {
                return Err(ReadError::new(at + tab, "a tab cannot be used for indentation".to_owned()));
            }
        }
        at = end + 1;
    }
    Ok(())
}

/// Whether `at` lies inside a scalar or a bracketed collection; `node` is the last to start before it.
fn covering(draft: &Draft<'_>, node: usize, at: usize) -> bool {
    let inside = |index: usize| {
        draft.tree.nodes.get(index).is_some_and(|found| {
            (found.start as usize) < at && at <= found.end as usize && (found.kind.is_flow() || found.kind.is_scalar())
                && found.kind != Kind::Empty
        })
    };
    if inside(node) {
        return true;
    }
    // A bracket that is still open is an ancestor; walking down from the root finds it.
    let mut here = 0;
    loop {
        if inside(here) {
            return true;
        }
        let step = draft.tree.children(here).find_map(|child| {
            [child.key, Some(child.value)].into_iter().flatten().find(|index| *index <= node && node < draft.tree.next(*index))
        });
        match step {
            Some(next) if next != here => here = next,
            _ => return false,
        }
    }
}
