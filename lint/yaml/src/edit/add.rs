//! Adds a pair to a mapping or an item to a list that already has some.

use serde_json::Value;

use crate::document::Document;
use crate::edit::place::{Way, kind};
use crate::edit::replace::{FlowWriter, comment_below, dash, lines_after};
use crate::edit::{Plan, Replacement};
use crate::lines::part;
use crate::read::line_end;
use crate::style::{self, column, line_break, line_start};
use crate::tree::{Child, EXPLICIT, Kind};
use crate::write::{self, Format, indented};

/// Adds a pair to the mapping at the end of the way.
pub(crate) fn pair(document: &Document, way: &Way, key: &str, value: &Value) -> Plan {
    let (text, mapping) = (&*document.text, way.last().value);
    if kind(document, mapping) != Kind::Mapping {
        let writer = FlowWriter::new(document, way);
        return in_flow(document, mapping, &writer, |indent| writer.pair(key, value, indent));
    }
    let mut children = document.tree.children(mapping);
    let first = children.next().and_then(|child| child.key).and_then(|key| document.tree.node(key));
    let Some(first) = first else { return Err("the mapping is empty".to_owned()) };
    if first.has(EXPLICIT) {
        return Err("the keys are written with question marks".to_owned());
    }
    let by = column(text, first.start as usize);
    let start = line_start(text, first.start as usize);
    if !part(text, start, first.start as usize).bytes().all(|byte| matches!(byte, b' ' | b'-')) {
        return Err("the mapping does not start its line".to_owned());
    }
    let end = document.tree.node(mapping).map_or(0, |node| node.end as usize);
    let at = after_comments(document, end, |comment| comment >= by);
    let mut lines = Vec::new();
    write::pair(key, value, &format_above(document, at, by), &mut lines);
    let lines: Vec<String> = lines.iter().map(|line| indented(line, by)).collect();
    Ok(lines_after(document, at, &lines).into_iter().collect())
}

/// Adds an item to the list at the end of the way.
pub(crate) fn item(document: &Document, way: &Way, value: &Value) -> Plan {
    let (text, tree, sequence) = (&*document.text, &document.tree, way.last().value);
    if kind(document, sequence) != Kind::Sequence {
        let writer = FlowWriter::new(document, way);
        return in_flow(document, sequence, &writer, |indent| writer.value(value, indent));
    }
    let last = tree.children(sequence).last().map_or(0, |child| child.value);
    let dash = dash(document, sequence, last).ok_or("the last item has no dash")?;
    let (by, content) = (column(text, dash), tree.node(last).map_or(0, |node| node.start as usize));
    let behind = text.get(dash + 1..content).unwrap_or_default();
    let gap = if !behind.is_empty() && behind.bytes().all(|byte| byte == b' ') { behind.len() } else { 1 };
    let end = tree.node(sequence).map_or(0, |node| node.end as usize);
    let at = after_comments(document, end, |comment| comment > by);
    let mut lines = Vec::new();
    write::item(value, gap, &format_above(document, at, by), &mut lines);
    let lines: Vec<String> = lines.iter().map(|line| indented(line, by)).collect();
    Ok(lines_after(document, at, &lines).into_iter().collect())
}

/// The style for lines to insert after that of `at`: a comment below them must not end up in a block scalar.
fn format_above(document: &Document, at: usize, by: usize) -> Format {
    Format { blocks: !comment_below(document, at, by + 1), ..style::format(document) }
}

/// The end of the line of `at`, or of the last comment right below it that `belongs` by its column.
fn after_comments(document: &Document, at: usize, belongs: impl Fn(usize) -> bool) -> usize {
    let bytes = document.text.as_bytes();
    let mut end = line_end(bytes, at);
    while end < document.range.end {
        let next = end + 1;
        let stop = line_end(bytes, next).min(document.range.end);
        let line = bytes.get(next..stop).unwrap_or_default();
        let blanks = line.iter().take_while(|byte| **byte == b' ').count();
        if line.get(blanks) != Some(&b'#') || !belongs(blanks) {
            break;
        }
        end = stop;
    }
    end
}

/// Adds a pair or an item behind the last one inside brackets.
fn in_flow(document: &Document, inside: usize, writer: &FlowWriter<'_>, new: impl Fn(&str) -> String) -> Plan {
    let (text, tree) = (&*document.text, &document.tree);
    let Some(node) = tree.node(inside) else { return Err("there is no value".to_owned()) };
    if node.kind == Kind::FlowPair {
        return Err("a pair without braces stands in a list".to_owned());
    }
    let close = (node.end as usize).saturating_sub(1);
    let Some(last) = tree.children(inside).last() else { return Err("there is no item".to_owned()) };
    let last_end = tree.node(last.value).map_or(close, |node| node.end as usize);
    let last_start = start(document, last);
    let comma = trailing_comma(text, last_end, close);
    let at = comma.map_or(last_end, |comma| comma + 1);
    let own_line = part(text, line_start(text, last_start), last_start).trim_matches([' ', '\t']).is_empty();
    let stop = line_end(text.as_bytes(), at);
    if own_line && stop < close {
        let indent = writer.line_indent(last_start);
        let stop = if part(text, 0, stop).ends_with('\r') { stop - 1 } else { stop };
        let end = if comma.is_some() { "," } else { "" };
        let line = format!("{}{indent}{}{end}", line_break(text), new(indent));
        if comma.is_some() {
            return Ok(vec![Replacement::insert(stop, line)]);
        }
        if stop == last_end {
            return Ok(vec![Replacement::insert(stop, format!(",{line}"))]);
        }
        return Ok(vec![Replacement::insert(last_end, ","), Replacement::insert(stop, line)]);
    }
    let indent = writer.line_indent(last_start);
    let blank = if writer.tight { "" } else { " " };
    Ok(vec![Replacement::insert(
        at,
        match comma {
            Some(_) => format!("{blank}{},", new(indent)),
            None => format!(",{blank}{}", new(indent)),
        },
    )])
}

fn start(document: &Document, child: Child) -> usize {
    document.tree.node(child.key.unwrap_or(child.value)).map_or(0, |node| node.start as usize)
}

/// Where a comma stands behind the last item, comments passed over.
pub(crate) fn trailing_comma(text: &str, from: usize, close: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < close {
        match bytes.get(at)? {
            b',' => return Some(at),
            b'#' => at = line_end(bytes, at),
            _ => at += 1,
        }
    }
    None
}
