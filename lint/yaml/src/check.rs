//! What go-yaml refuses and the parser underneath lets through, mostly for being YAML 1.2 and not 1.1.

use std::ops::Range;

use crate::document::ReadError;
use crate::lines::part;
use crate::read::{Draft, line_end};
use crate::tree::{EXPLICIT, Kind, Node, TAG};

/// Refuses what go-yaml would refuse though the parser has read it.
pub(crate) fn check(text: &str, range: Range<usize>, draft: &Draft<'_>) -> Result<(), ReadError> {
    let piece = text.get(range.clone()).unwrap_or_default();
    control_characters(piece, range.start)?;
    nodes(text, draft)?;
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

/// Holds every node against the rules for its kind.
fn nodes(text: &str, draft: &Draft<'_>) -> Result<(), ReadError> {
    let mut flow_until = 0;
    for (index, node) in draft.tree.nodes.iter().enumerate() {
        let in_flow = index < flow_until;
        if node.kind.is_flow() && !in_flow {
            flow_until = node.next as usize;
        }
        let written = text.get(node.range()).unwrap_or_default();
        let wrong = match node.kind {
            Kind::Double if written.contains('\\') => bad_escape(written),
            Kind::Alias => (!is_anchor_name(written.trim_start_matches('*')))
                .then_some("an alias is letters, digits, `-` and `_` only"),
            Kind::Plain if in_flow && (written.contains('?') || written.starts_with(':')) => {
                Some("between brackets a question mark, or a colon in front, needs quotes")
            }
            Kind::Plain if !written.is_ascii() && written.contains(['\u{2028}', '\u{2029}']) => {
                Some("a line separator of Unicode ends a line and needs quotes")
            }
            Kind::Empty
                if in_flow && node.has(TAG) && part(text, node.start as usize, text.len()).starts_with([',', ']']) =>
            {
                Some("the tag runs into what follows it")
            }
            _ => None,
        };
        if let Some(message) = wrong {
            return Err(ReadError::new(node.start as usize, message.to_owned()));
        }
        if node.kind == Kind::FlowMapping {
            flow_keys(text, draft, index)?;
        }
    }
    Ok(())
}

/// An escape in double quotes that YAML 1.2 or JSON has and go-yaml has not.
fn bad_escape(written: &str) -> Option<&'static str> {
    let bytes = written.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..)?) {
        at += found;
        match bytes.get(at + 1)? {
            b'/' => return Some("found unknown escape character `\\/`"),
            b'u' if matches!(
                bytes.get(at + 2..at + 4),
                Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'])
            ) =>
            {
                return Some("found invalid Unicode character escape code");
            }
            _ => at += 2,
        }
    }
    None
}

pub(crate) fn is_anchor_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A key that is followed by a colon stands on one line.
fn flow_keys(text: &str, draft: &Draft<'_>, mapping: usize) -> Result<(), ReadError> {
    for child in draft.tree.children(mapping) {
        let Some(key) = child.key.and_then(|key| draft.tree.node(key)) else { continue };
        let several = text.get(key.range()).is_some_and(|written| written.contains('\n'));
        let colon = part(text, key.end as usize, text.len()).trim_start().starts_with(':');
        if several && colon && key.kind.is_scalar() && !key.has(EXPLICIT) {
            return Err(ReadError::new(key.start as usize, "a key stands on one line with its colon".to_owned()));
        }
    }
    Ok(())
}

/// Refuses tabs where go-yaml does: where a key could stand, and in the indentation of a block scalar.
fn tabs(text: &str, range: Range<usize>, draft: &Draft<'_>) -> Result<(), ReadError> {
    let bytes = text.as_bytes();
    let nodes = &draft.tree.nodes;
    let error = |at: usize| Err(ReadError::new(at, "a tab cannot be used for indentation".to_owned()));
    for node in nodes.iter().filter(|node| node.kind == Kind::Block) {
        if let Some(at) = block_tab(text, node) {
            return error(at);
        }
    }
    // Lines come in the order of the text, and so do nodes, so both are walked once.
    let mut line = range.start;
    let mut last = None;
    let mut upcoming = 0;
    let mut flows: Vec<usize> = Vec::new();
    while line < range.end {
        let end = line_end(bytes, line).min(range.end);
        while let Some(node) = nodes.get(upcoming).filter(|node| (node.start as usize) < line) {
            if matches!(node.kind, Kind::FlowMapping | Kind::FlowSequence) {
                flows.retain(|open| nodes.get(*open).is_some_and(|open| open.end > node.start));
                flows.push(upcoming);
            }
            last = Some(upcoming);
            upcoming += 1;
        }
        if let Some(tab) = tab_in_front(&bytes[line..end]) {
            let last_node = last.and_then(|last| nodes.get(last));
            let in_scalar = last_node.is_some_and(|node| node.kind.is_scalar() && (node.end as usize) > line);
            let in_flow = flows.iter().any(|open| nodes.get(*open).is_some_and(|open| (open.end as usize) > line));
            let in_plain = last_node.is_some_and(|node| {
                node.kind == Kind::Plain
                    && text.get(node.end as usize..line).is_some_and(|between| between.trim().is_empty())
                    && tab > indentation_around(text, draft, last.unwrap_or(0))
                    && bytes[line..line + tab].iter().all(|byte| *byte == b' ')
            });
            if !in_scalar && !in_flow && !in_plain {
                return error(line + tab);
            }
        }
        line = end + 1;
    }
    Ok(())
}

/// Where the first tab stands among the blanks, dashes and question marks that a line starts with.
fn tab_in_front(line: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match line.get(at)? {
            b'\t' => return Some(at),
            b' ' => at += 1,
            b'-' | b'?' | b':' if matches!(line.get(at + 1), Some(b' ' | b'\t')) => at += 1,
            _ => return None,
        }
    }
}

/// The column of the innermost block collection that a node is in.
fn indentation_around(text: &str, draft: &Draft<'_>, node: usize) -> usize {
    let tree = &draft.tree;
    let (mut here, mut found) = (0, 0);
    while let Some(at) = tree.node(here) {
        if matches!(at.kind, Kind::Mapping | Kind::Sequence) {
            found = crate::style::column(text, at.start as usize);
        }
        let inside = |index: usize| index <= node && node < tree.next(index);
        match tree
            .children(here)
            .flat_map(|child| [child.key, Some(child.value)])
            .flatten()
            .find(|child| inside(*child))
        {
            Some(child) if child != here => here = child,
            _ => break,
        }
    }
    found
}

/// A tab among the indentation of a block scalar, left of where its text stands.
fn block_tab(text: &str, node: &Node) -> Option<usize> {
    let bytes = text.as_bytes();
    let header_end = line_end(bytes, node.start as usize);
    if text.get(node.start as usize..header_end)?.split('#').next()?.contains(|mark: char| mark.is_ascii_digit()) {
        return None;
    }
    let mut indent = None;
    let mut line = header_end + 1;
    while line < node.end as usize {
        let end = line_end(bytes, line);
        let blanks = bytes.get(line..end)?.iter().take_while(|byte| **byte == b' ').count();
        let next = bytes.get(line + blanks);
        if next == Some(&b'\t') && indent.is_none_or(|indent| blanks < indent) {
            return Some(line + blanks);
        }
        if indent.is_none() && !matches!(next, None | Some(b'\r' | b'\n')) {
            indent = Some(blanks);
        }
        line = end + 1;
    }
    None
}
