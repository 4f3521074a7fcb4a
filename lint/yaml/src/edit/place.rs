//! Finds the place of an edit in the text, and refuses those where a change would reach further than it says.

use buttress_policies::edit::Edit;
use serde_json::{Map, Value};

use crate::document::Document;
use crate::edit::{Replacement, add, remove, replace};
use crate::lines::{Lines, part};
use crate::template::looks_like_template;
use crate::tree::{ALIASED, ANCHOR, Child, EXPLICIT, Kind, MERGES, TAG};

/// Why there is no plan. Lines are filled in when it is told, since counting them costs.
pub(crate) enum No {
    /// A reason as it is.
    Because(String),
    /// A reason with `{line}` for the line of an offset.
    At(&'static str, usize),
}

impl From<&str> for No {
    fn from(reason: &str) -> Self {
        Self::Because(reason.to_owned())
    }
}

impl From<String> for No {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

impl No {
    /// The reason for the user; `first_line` is the line of the file on which the document starts.
    pub(crate) fn say(self, document: &Document, first_line: usize) -> String {
        match self {
            Self::Because(reason) => reason,
            Self::At(reason, offset) => {
                let lines = Lines::new(&document.text);
                let start = lines.position(&document.text, document.range.start).line;
                let line = lines.position(&document.text, offset).line - start + first_line;
                reason.replace("{line}", &line.to_string())
            }
        }
    }
}

/// The way to the place of an edit, as far as it is there.
pub(crate) struct Way {
    /// From the root down, the root itself included.
    pub(crate) steps: Vec<Child>,
    /// The keys that are not there yet.
    pub(crate) rest: Vec<String>,
}

impl Way {
    pub(crate) fn last(&self) -> Child {
        self.steps.last().copied().unwrap_or(Child { key: None, value: 0 })
    }

    /// The collection around the last step.
    pub(crate) fn parent(&self) -> Option<usize> {
        self.steps.len().checked_sub(2).and_then(|above| self.steps.get(above)).map(|step| step.value)
    }

    /// Whether the last step stands inside brackets or braces.
    pub(crate) fn in_flow(&self, document: &Document) -> bool {
        document.json || self.steps.iter().rev().skip(1).any(|step| kind(document, step.value).is_flow())
    }
}

pub(crate) fn kind(document: &Document, node: usize) -> Kind {
    document.tree.node(node).map_or(Kind::Empty, |node| node.kind)
}

/// The replacements that make `edit`, by the value that the document has now.
pub(crate) fn plan(document: &Document, value: &Value, edit: &Edit) -> Result<Vec<Replacement>, No> {
    if let Err(error) = fits(value, edit) {
        return Err(error.into());
    }
    let way = walk(document, value, edit)?;
    let last = way.last();
    match edit {
        Edit::Set { path, value } => {
            if path.is_root() {
                return Err("replacing a whole document is no edit of its text".into());
            }
            if way.rest.is_empty() { Ok(replace::replace(document, &way, value)?) } else { put(document, &way, value) }
        }
        Edit::Append { value, .. } => {
            let target = kind(document, last.value);
            if !way.rest.is_empty() {
                return put(document, &way, &Value::Array(vec![value.clone()]));
            }
            let filled = document.tree.children(last.value).next().is_some();
            if target.is_sequence() && filled {
                Ok(add::item(document, &way, value)?)
            } else {
                Ok(replace::replace(document, &way, &Value::Array(vec![value.clone()]))?)
            }
        }
        Edit::Remove { .. } => {
            if !way.rest.is_empty() {
                return Err("there is nothing to remove".into());
            }
            Ok(remove::remove(document, &way)?)
        }
    }
}

/// Whether the edit fits the value, without changing it.
fn fits(value: &Value, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Remove { path } if path.is_root() || path.get(value).is_none() => {
            Err(format!("there is nothing at {path}"))
        }
        Edit::Append { path, .. } => match path.get(value) {
            None | Some(Value::Null | Value::Array(_)) => Ok(()),
            Some(_) => Err(format!("{path} is not a list")),
        },
        _ => Ok(()),
    }
}

/// Puts the first absent key, with mappings for the others, where the way ends.
fn put(document: &Document, way: &Way, value: &Value) -> Result<Vec<Replacement>, No> {
    let Some((first, deeper)) = way.rest.split_first() else { return Err("there is no key to set".into()) };
    let nested = deeper.iter().rev().fold(value.clone(), |value, key| mapping(key, value));
    let target = way.last().value;
    let filled = document.tree.children(target).next().is_some();
    if kind(document, target).is_mapping() && filled {
        return Ok(add::pair(document, way, first, &nested)?);
    }
    Ok(replace::replace(document, way, &mapping(first, nested))?)
}

fn mapping(key: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value)]))
}

/// Walks to the place of the edit.
fn walk(document: &Document, value: &Value, edit: &Edit) -> Result<Way, No> {
    let (text, tree) = (&*document.text, &document.tree);
    let mut way = Way { steps: vec![Child { key: None, value: 0 }], rest: Vec::new() };
    let mut here_value = Some(value);
    let mut segments = edit.path().segments();
    while let Some(segment) = segments.next() {
        let here = way.last().value;
        let Some(node) = tree.node(here) else { return Err("the document is empty".into()) };
        refuse_shared(document, here)?;
        if node.has(TAG) {
            return Err(No::At("the value has a tag at line {line}", node.start as usize));
        }
        let child = match node.kind {
            Kind::FlowPair => return Err("a pair without braces stands in a list".into()),
            Kind::Mapping | Kind::FlowMapping => {
                let next_value = here_value.and_then(|value| value.get(segment.as_ref()));
                match tree.find(text, here, &segment) {
                    Some((_, true)) => {
                        return Err(No::At("the mapping at line {line} has this key twice", node.start as usize));
                    }
                    Some((child, false)) => {
                        if child.key.and_then(|key| tree.node(key)).is_some_and(|key| key.has(EXPLICIT)) {
                            return Err("the key is written with a question mark".into());
                        }
                        here_value = next_value;
                        child
                    }
                    None if next_value.is_some() && node.has(MERGES) => {
                        return Err(No::At(
                            "the key comes from a mapping that is merged in at line {line}; change it there",
                            node.start as usize,
                        ));
                    }
                    None => {
                        way.rest =
                            std::iter::once(segment.clone()).chain(segments).map(|key| key.into_owned()).collect();
                        return Ok(way);
                    }
                }
            }
            Kind::Sequence | Kind::FlowSequence => {
                let index: Option<usize> = segment.parse().ok();
                here_value = index.and_then(|index| here_value.and_then(|value| value.get(index)));
                let item = index.and_then(|index| tree.item(here, index));
                item.ok_or_else(|| No::Because(format!("the list has no item {segment}")))?
            }
            _ if here_value.is_some_and(Value::is_null) => {
                way.rest = std::iter::once(segment.clone()).chain(segments).map(|key| key.into_owned()).collect();
                return Ok(way);
            }
            _ => return Err("something on the way is not a mapping".into()),
        };
        way.steps.push(child);
    }
    let last = way.last();
    let removes = matches!(edit, Edit::Remove { .. });
    if !removes {
        refuse_shared(document, last.value)?;
    }
    let node = tree.node(last.value).copied();
    let adds = matches!(edit, Edit::Append { .. });
    if node.is_some_and(|node| node.has(TAG)) && !removes {
        return Err(No::At("the value has a tag at line {line}", node.map_or(0, |node| node.start as usize)));
    }
    if node.is_some_and(|node| {
        node.kind == Kind::Plain && looks_like_template(part(text, node.start as usize, node.end as usize))
    }) {
        return Err(No::At("the value at line {line} is a template", node.map_or(0, |node| node.start as usize)));
    }
    if let Some(key) = last.key.and_then(|key| tree.node(key))
        && key.flags & (ANCHOR | ALIASED | TAG) != 0
    {
        return Err(No::At("the key at line {line} has an anchor or a tag", key.start as usize));
    }
    if !adds {
        // What goes away must not hold an anchor that something elsewhere refers to.
        let within = last.value..tree.next(last.value).min(tree.nodes.len());
        for (alias, target) in &tree.aliases {
            if within.contains(&(*target as usize)) && !within.contains(&(*alias as usize)) {
                let at = tree.node(*alias as usize).map_or(0, |node| node.start as usize);
                return Err(No::At("it holds an anchor that line {line} refers to", at));
            }
        }
    }
    Ok(way)
}

/// Refuses what other places share.
fn refuse_shared(document: &Document, index: usize) -> Result<(), No> {
    let tree = &document.tree;
    let Some(node) = tree.node(index) else { return Ok(()) };
    if node.kind == Kind::Alias {
        let target = tree.node(tree.target(index)).map_or(0, |node| node.start as usize);
        return Err(No::At("the value comes from the alias of line {line}; change it there", target));
    }
    if node.has(ALIASED) {
        let number = crate::lines::narrow(index);
        let alias = tree.aliases.iter().find(|(_, target)| *target == number);
        let at = alias.and_then(|(alias, _)| tree.node(*alias as usize)).map_or(0, |node| node.start as usize);
        return Err(No::At("the value has an anchor that line {line} refers to, which would change as well", at));
    }
    Ok(())
}
