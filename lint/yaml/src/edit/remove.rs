//! Takes a pair out of a mapping or an item out of a list.

use crate::document::Document;
use crate::edit::add::trailing_comma;
use crate::edit::place::{Way, kind};
use crate::edit::replace::{dash, delete_lines};
use crate::edit::{Plan, Replacement};
use crate::lines::part;
use crate::read::{line_end, seek};
use crate::style::line_start;
use crate::tree::{ANCHOR, Child, EXPLICIT, Kind, TAG};

/// Removes what stands at the end of the way.
pub(crate) fn remove(document: &Document, way: &Way) -> Plan {
    let (text, tree, last) = (&*document.text, &document.tree, way.last());
    let Some(parent) = way.parent() else { return Err("the whole document would be removed".to_owned()) };
    let siblings: Vec<Child> = tree.children(parent).collect();
    let Some(at) = siblings.iter().position(|child| *child == last) else {
        return Err("there is nothing to remove".to_owned());
    };
    let next = siblings.get(at + 1).copied();
    match kind(document, parent) {
        Kind::Mapping | Kind::Sequence => {}
        Kind::FlowPair => return Err("a pair without braces stands in a list".to_owned()),
        _ => {
            let before = at.checked_sub(1).and_then(|before| siblings.get(before)).copied();
            return in_flow(document, parent, before, last, next);
        }
    }
    let end = tree.node(last.value).map_or(0, |node| node.end as usize);
    let Some(lead) = lead(document, parent, last) else { return Err("the item has no dash".to_owned()) };
    let end = end.max(lead + 1);
    if siblings.len() == 1 {
        return last_child(document, way, parent, lead, end);
    }
    let first = line_start(text, lead);
    if part(text, first, lead).trim_matches(' ').is_empty() {
        return Ok(vec![delete_lines(document, first, end)]);
    }
    // It shares its line with the dash of the item it is in, and the next one moves up to it.
    let Some(next) = next else { return Err("it does not start its line".to_owned()) };
    let next = self::lead(document, parent, next).ok_or("the next item has no dash")?;
    let below = line_end(text.as_bytes(), end).min(next);
    let stop = below + (part(text, below, next).len() - part(text, below, next).trim_start().len());
    Ok(vec![Replacement::new(lead..stop, "")])
}

/// Where a pair or an item starts, its dash included.
fn lead(document: &Document, parent: usize, child: Child) -> Option<usize> {
    match child.key {
        Some(key) => document.tree.node(key).map(|node| node.start as usize),
        None => dash(document, parent, child.value),
    }
}

/// Removes the only child, and leaves `{}` or `[]`.
fn last_child(document: &Document, way: &Way, parent: usize, lead: usize, end: usize) -> Plan {
    let (text, tree) = (&*document.text, &document.tree);
    let empty = if kind(document, parent).is_mapping() { "{}" } else { "[]" };
    let Some(node) = tree.node(parent) else { return Err("there is nothing to remove".to_owned()) };
    if node.flags & (ANCHOR | TAG) != 0 {
        return Err("what would be left empty has an anchor or a tag".to_owned());
    }
    let above = way.steps.len().checked_sub(2).and_then(|at| way.steps.get(at)).copied();
    let first = line_start(text, lead);
    let own_line = part(text, first, lead).trim_matches(' ').is_empty();
    let key = above.and_then(|above| above.key).and_then(|key| tree.node(key));
    match key {
        Some(key) if own_line => {
            if key.has(EXPLICIT) {
                return Err("the key is written with a question mark".to_owned());
            }
            let colon = seek(text, key.end as usize, node.start as usize, b':').ok_or("the key has no colon")?;
            Ok(vec![Replacement::insert(colon + 1, format!(" {empty}")), delete_lines(document, first, end)])
        }
        _ => Ok(vec![Replacement::new(node.start as usize..end, empty)]),
    }
}

/// Removes a pair or an item from inside brackets, with the comma that it makes needless.
fn in_flow(document: &Document, parent: usize, before: Option<Child>, child: Child, next: Option<Child>) -> Plan {
    let (text, tree) = (&*document.text, &document.tree);
    let span = |child: Child| {
        let start = tree.node(child.key.unwrap_or(child.value)).map_or(0, |node| node.start as usize);
        start..tree.node(child.value).map_or(start, |node| node.end as usize)
    };
    let marked = |index: usize| tree.node(index).is_some_and(|node| node.flags & (ANCHOR | TAG) != 0);
    let around = [before, Some(child), next];
    if around.into_iter().flatten().any(|child| child.key.is_some_and(marked) || marked(child.value)) {
        return Err("an anchor or a tag stands between the brackets".to_owned());
    }
    let Some(node) = tree.node(parent) else { return Err("there is nothing to remove".to_owned()) };
    let range = match (before, next) {
        (None, None) => node.start as usize + 1..(node.end as usize).saturating_sub(1),
        (_, Some(next)) => span(child).start..span(next).start,
        (Some(before), None) => span(before).end..span(child).end,
    };
    let inner = span(child);
    let outside = [range.start..inner.start.max(range.start), inner.end.min(range.end)..range.end];
    if !outside.into_iter().any(|part| text.get(part).is_some_and(|part| part.contains('#'))) {
        return Ok(vec![Replacement::new(range, "")]);
    }
    // A comment stays, so only the item and one comma go.
    let close = (node.end as usize).saturating_sub(1);
    let comma = match (before, next) {
        (_, Some(next)) => trailing_comma(text, inner.end, span(next).start),
        (Some(before), None) => trailing_comma(text, span(before).end, inner.start),
        (None, None) => trailing_comma(text, inner.end, close),
    };
    let comma = comma.map(|comma| Replacement::new(comma..comma + 1, ""));
    Ok(comma.into_iter().chain([Replacement::new(inner, "")]).collect())
}
