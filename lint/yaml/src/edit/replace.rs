//! Puts a value where another one stands.

use serde_json::Value;

use crate::document::Document;
use crate::edit::place::{Way, kind};
use crate::edit::{Plan, Replacement};
use crate::lines::part;
use crate::read::{line_end, seek};
use crate::style::{self, column, line_break, line_start};
use crate::tree::{ANCHOR, Kind};
use crate::write::{self, Format, indented};

/// Replaces the value at the end of the way.
pub(crate) fn replace(document: &Document, way: &Way, value: &Value) -> Plan {
    if way.in_flow(document) || document.tree.node(0).is_some_and(|root| root.kind.is_flow()) {
        return in_flow(document, way, value);
    }
    let Some(parent) = way.parent() else { return root(document, value) };
    let (text, last) = (&*document.text, way.last());
    let Some(node) = document.tree.node(last.value) else { return Err("there is no value".to_owned()) };
    let format = style::format(document);
    let (lead, base) = match last.key.and_then(|key| document.tree.node(key)) {
        Some(key) => {
            let colon = seek(text, key.end as usize, node.start as usize, b':');
            (colon.ok_or("the key has no colon")?, column(text, key.start as usize))
        }
        None => {
            let dash = dash(document, parent, last.value).ok_or("the item has no dash")?;
            (dash, column(text, dash))
        }
    };
    let (start, end) = (node.start as usize, node.end as usize);
    let same_line = line_start(text, start) == line_start(text, lead);
    let item = last.key.is_none();
    let quote = match node.kind {
        Kind::Single => '\'',
        Kind::Double => '"',
        _ => format.quote,
    };
    // A comment right below a block scalar, or a comment or blank line between its header and its lines, would become
    // part of it.
    let between = part(text, line_end(text.as_bytes(), lead).min(start), start);
    let blocks = !between.contains('#') && between.matches('\n').count() < 2 && !comment_below(document, end, base + 1);
    let format = Format { quote, blocks, ..format };

    // Where it already stands on a line of its own, a scalar for a scalar stays there.
    if !same_line && matches!(node.kind, Kind::Plain | Kind::Single | Kind::Double) && one_line(value, &format) {
        return Ok(vec![Replacement::new(start..end, inline(value, node.kind, quote))]);
    }

    let tail_column = match value {
        Value::Object(map) if !map.is_empty() => match (item, node.kind) {
            (false, Kind::Mapping) if !same_line => column(text, start),
            (false, _) => base + format.indent,
            (true, _) if same_line && node.kind != Kind::Empty => column(text, start),
            (true, _) => base + 2,
        },
        Value::Array(items) if !items.is_empty() => match (item, node.kind) {
            (false, Kind::Sequence) if !same_line => column(text, start),
            (false, _) => base + format.list,
            (true, _) if same_line && node.kind != Kind::Empty => column(text, start),
            (true, _) => base + 2,
        },
        // The further lines of a block scalar come with their indentation relative to the key or dash.
        _ => base,
    };
    let (head, tail) = head_and_tail(value, item, node.kind, &format, tail_column);
    let comment = if node.kind == Kind::Block { header_comment(text, start) } else { "" };
    let nothing = node.kind == Kind::Empty;

    let mut plan = Vec::new();
    if same_line || nothing {
        let gap = if comment.is_empty() || head.is_empty() { "" } else { " " };
        let (from, new) = match (head.is_empty(), nothing) {
            (true, true) => (start, String::new()),
            (true, false) => {
                let before = part(text, 0, start).trim_end_matches([' ', '\t']).len();
                (before, if comment.is_empty() { String::new() } else { format!(" {comment}") })
            }
            (false, true) => (start, format!(" {head}")),
            (false, false) => (start, format!("{head}{gap}{comment}")),
        };
        plan.push(Replacement::new(from..end, new));
        if !tail.is_empty() {
            plan.extend(lines_after(document, end, &tail));
        }
        return Ok(plan);
    }

    if node.has(ANCHOR) {
        return Err("the value has an anchor on another line".to_owned());
    }
    let first = line_start(text, start);
    if !part(text, first, start).trim_matches(' ').is_empty() {
        return Err("the value does not start its line".to_owned());
    }
    if !head.is_empty() {
        plan.push(Replacement::insert(lead + 1, format!(" {head}")));
    }
    plan.push(whole_lines(document, first, end, &tail));
    Ok(plan)
}

/// Replaces all lines from `first` to that of `end` by others, and keeps the file's end as it is.
fn whole_lines(document: &Document, first: usize, end: usize, tail: &[String]) -> Replacement {
    let text = &*document.text;
    let stop = line_end(text.as_bytes(), end).min(document.range.end);
    let line_break = line_break(text);
    if tail.is_empty() {
        return delete_lines(document, first, end);
    }
    // The line break of the last line stays where it is, carriage return included.
    let stop = if part(text, 0, stop).ends_with('\r') { stop - 1 } else { stop };
    Replacement::new(first..stop.max(end), tail.join(line_break))
}

/// Deletes the lines from the one that starts at `first` to that of `end`.
pub(crate) fn delete_lines(document: &Document, first: usize, end: usize) -> Replacement {
    let text = &*document.text;
    let stop = line_end(text.as_bytes(), end);
    if stop < document.range.end {
        return Replacement::new(first..stop + 1, "");
    }
    // The last line had no line break, so the one before it goes, with blank lines that would then be the last.
    let before = part(text, 0, first).trim_end_matches(['\n', '\r', ' ', '\t']).len();
    // Blank lines at the end of a block scalar may belong to it, the line break of the last one included.
    let above = document.tree.nodes.iter().filter(|node| node.kind == Kind::Block && (node.end as usize) < first);
    let kept = above.map(|node| node.end as usize).filter(|end| *end > before);
    let before = kept.map(|end| (line_end(text.as_bytes(), end) + 1).min(first)).fold(before, usize::max);
    Replacement::new(before.max(document.range.start)..document.range.end.max(end), "")
}

/// Inserts whole lines after the line of `at`.
pub(crate) fn lines_after(document: &Document, at: usize, lines: &[String]) -> Option<Replacement> {
    if lines.is_empty() {
        return None;
    }
    let text = &*document.text;
    let line_break = line_break(text);
    let stop = line_end(text.as_bytes(), at);
    if stop < document.range.end {
        let block: String = lines.iter().flat_map(|line| [line.as_str(), line_break]).collect();
        return Some(Replacement::insert(stop + 1, block));
    }
    let block: String = lines.iter().flat_map(|line| [line_break, line.as_str()]).collect();
    Some(Replacement::insert(document.range.end, block))
}

/// Whether a value takes one line in block style.
fn one_line(value: &Value, format: &Format) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => !format.blocks || write::literal(text).is_none(),
        _ => true,
    }
}

/// A value on one line, in the quotes of the scalar that it replaces.
fn inline(value: &Value, old: Kind, quote: char) -> String {
    match (value, old) {
        (Value::String(text), Kind::Single | Kind::Double) => write::quoted(text, quote),
        _ => write::scalar(value, quote),
    }
}

/// Whether a block scalar that ends on the line of `at` would take in what is below: a comment at `column` or to the
/// right of it, or a line of that many blanks.
pub(crate) fn comment_below(document: &Document, at: usize, column: usize) -> bool {
    let text = part(&document.text, 0, document.range.end);
    let below = part(text, line_end(text.as_bytes(), at) + 1, text.len());
    for line in below.lines() {
        let rest = line.trim_start_matches(' ');
        let deep = line.len() - rest.len() >= column;
        if !rest.trim().is_empty() {
            return deep && rest.starts_with('#');
        }
        if deep && !line.is_empty() {
            return true;
        }
    }
    false
}

/// What goes behind the colon or dash, and the lines below it with their indentation.
fn head_and_tail(value: &Value, item: bool, old: Kind, format: &Format, tail_column: usize) -> (String, Vec<String>) {
    if one_line(value, format) {
        return (inline(value, old, format.quote), Vec::new());
    }
    if let Value::String(text) = value
        && let Some((header, body)) = write::literal(text)
    {
        let by = tail_column + if item { 2 } else { format.indent };
        return (header.to_owned(), body.into_iter().map(|line| indented(line, by)).collect());
    }
    let mut lines = write::lines(value, format);
    let head = if item && !lines.is_empty() { lines.remove(0) } else { String::new() };
    (head, lines.into_iter().map(|line| indented(&line, tail_column)).collect())
}

/// The comment behind the header of a block scalar.
fn header_comment(text: &str, header: usize) -> &str {
    let line = part(text, header, line_end(text.as_bytes(), header)).trim_end_matches('\r');
    line.find(" #").or_else(|| line.find("\t#")).map_or("", |at| part(line, at + 1, line.len()))
}

/// Where the dash of an item stands.
pub(crate) fn dash(document: &Document, sequence: usize, item: usize) -> Option<usize> {
    let (text, tree) = (&*document.text, &document.tree);
    let mut from = tree.node(sequence)?.start as usize;
    for child in tree.children(sequence) {
        let node = tree.node(child.value)?;
        let dash = seek(text, from, node.start as usize, b'-')?;
        if child.value == item {
            return Some(dash);
        }
        from = (node.end as usize).max(dash + 1);
    }
    None
}

/// The whole document is a scalar or empty collection that becomes a mapping or list.
fn root(document: &Document, value: &Value) -> Plan {
    let Some(node) = document.tree.node(0) else { return Err("the document is empty".to_owned()) };
    if !matches!(node.kind, Kind::Plain) || column(&document.text, node.start as usize) != 0 {
        return Err("the whole document would be replaced".to_owned());
    }
    Ok(vec![Replacement::new(node.range(), whole(document, node.end as usize, value))])
}

/// A value as the lines of a whole document that ends at `end`; a comment behind it must not get into a block scalar.
fn whole(document: &Document, end: usize, value: &Value) -> String {
    let text = &*document.text;
    let behind = text.get(end..line_end(text.as_bytes(), end)).unwrap_or_default();
    let blocks = !behind.contains('#') && !comment_below(document, end, 1);
    write::lines(value, &Format { blocks, ..style::format(document) }).join(line_break(text))
}

/// Replaces a value inside brackets or in JSON, or an empty `{}` that is the whole document.
fn in_flow(document: &Document, way: &Way, value: &Value) -> Plan {
    let (text, last) = (&*document.text, way.last());
    let Some(node) = document.tree.node(last.value) else { return Err("there is no value".to_owned()) };
    if way.parent().is_none() && !document.json {
        // An empty root collection; it becomes block style, being all there is.
        let blank = !text[node.range()].contains('#') && document.tree.children(0).next().is_none();
        if !blank || column(text, node.start as usize) != 0 {
            return Err("the whole document would be replaced".to_owned());
        }
        return Ok(vec![Replacement::new(node.range(), whole(document, node.end as usize, value))]);
    }
    if node.kind == Kind::FlowPair || way.parent().is_some_and(|parent| kind(document, parent) == Kind::FlowPair) {
        return Err("a pair without braces stands in a list".to_owned());
    }
    let writer = FlowWriter::new(document, way);
    let new = match (value, node.kind) {
        (Value::String(text), Kind::Double) => writer.string(text),
        (Value::String(text), Kind::Single) => write::quoted(text, '\''),
        _ => writer.value(value, writer.line_indent(node.start as usize)),
    };
    if node.kind == Kind::Empty {
        if !part(text, 0, node.start as usize).ends_with(':') {
            return Err("the key has no colon".to_owned());
        }
        return Ok(vec![Replacement::insert(node.start as usize, format!(" {new}"))]);
    }
    Ok(vec![Replacement::new(node.range(), new)])
}

/// Writes values as the brackets around them are written.
pub(crate) struct FlowWriter<'a> {
    text: &'a str,
    /// Keys and strings are always in double quotes.
    pub(crate) json: bool,
    /// Nested values are spread over lines, each level indented by so many columns.
    pub(crate) step: Option<usize>,
    /// No blank stands behind a colon or comma.
    pub(crate) tight: bool,
    quote: char,
    tab: bool,
}

impl<'a> FlowWriter<'a> {
    pub(crate) fn new(document: &'a Document, way: &Way) -> Self {
        let (text, tree) = (&*document.text, &document.tree);
        // The nearest mapping in braces that has a pair shows how this text writes them.
        let around = way.steps.iter().rev().map(|step| step.value);
        let shown = around.chain([0]).filter(|node| kind(document, *node) == Kind::FlowMapping);
        let pair = shown.filter_map(|node| tree.children(node).next().map(|child| (node, child))).next();
        let json_key = pair.and_then(|(_, child)| child.key).is_some_and(|key| kind(document, key) == Kind::Double);
        let json = document.json || json_key;
        let tight = pair.is_some_and(|(_, child)| {
            let value = tree.node(child.value).map_or(0, |node| node.start as usize);
            json && part(text, 0, value).ends_with(':')
        });
        let mut step = None;
        let mut tab = false;
        if json && let Some((node, child)) = pair {
            let start = tree.node(node).map_or(0, |node| node.start as usize);
            let key = child.key.and_then(|key| tree.node(key)).map_or(0, |node| node.start as usize);
            if line_start(text, start) != line_start(text, key) {
                let by = leading(text, key).len().saturating_sub(leading(text, start).len());
                tab = leading(text, key).contains('\t');
                step = Some(if by == 0 { 2 } else { by });
            }
        }
        Self { text, json, step, tight, quote: style::format(document).quote, tab }
    }

    /// The indentation of the line of an offset.
    pub(crate) fn line_indent(&self, offset: usize) -> &'a str {
        leading(self.text, offset)
    }

    pub(crate) fn string(&self, text: &str) -> String {
        if self.json { write::quoted(text, '"') } else { write::flow_string(text, self.quote) }
    }

    /// A value; lines after the first are indented by `indent` and more.
    pub(crate) fn value(&self, value: &Value, indent: &str) -> String {
        if !self.json {
            return write::flow(value, self.quote);
        }
        let (open, close, parts): (char, char, Vec<String>) = match value {
            Value::Object(map) => {
                let deeper = self.deeper(indent);
                let parts =
                    write::ordered(map).into_iter().map(|(key, value)| self.pair(key, value, &deeper)).collect();
                ('{', '}', parts)
            }
            Value::Array(items) => {
                let deeper = self.deeper(indent);
                ('[', ']', items.iter().map(|item| self.value(item, &deeper)).collect())
            }
            Value::String(text) => return self.string(text),
            other => return write::scalar(other, '"'),
        };
        if parts.is_empty() {
            return format!("{open}{close}");
        }
        match self.step {
            Some(_) => {
                let line_break = line_break(self.text);
                let deeper = self.deeper(indent);
                let inner = parts.join(&format!(",{line_break}{deeper}"));
                format!("{open}{line_break}{deeper}{inner}{line_break}{indent}{close}")
            }
            None => format!("{open}{}{close}", parts.join(if self.tight { "," } else { ", " })),
        }
    }

    pub(crate) fn pair(&self, key: &str, value: &Value, indent: &str) -> String {
        let colon = if self.tight { ":" } else { ": " };
        format!("{}{colon}{}", self.string(key), self.value(value, indent))
    }

    pub(crate) fn deeper(&self, indent: &str) -> String {
        let unit = if self.tab { "\t" } else { " " };
        format!("{indent}{}", unit.repeat(self.step.unwrap_or(0)))
    }
}

fn leading(text: &str, offset: usize) -> &str {
    let start = line_start(text, offset);
    let line = part(text, start, offset.max(start));
    part(line, 0, line.len() - line.trim_start_matches([' ', '\t']).len())
}
