//! The keys and values of a document with their byte spans, as a flat array in the order of the text.

use crate::lines::narrow;
use std::ops::Range;

/// How a node is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A mapping by indentation.
    Mapping,
    /// A mapping in braces.
    FlowMapping,
    /// The mapping of one pair that `[a: b]` has without braces.
    FlowPair,
    /// A list of dashes.
    Sequence,
    /// A list in brackets.
    FlowSequence,
    /// A scalar without quotes.
    Plain,
    /// A scalar in `'`.
    Single,
    /// A scalar in `"`.
    Double,
    /// A block scalar, `|` or `>`, its header included.
    Block,
    /// A value that is not written at all; its span is empty and lies where the value would go.
    Empty,
    /// `*name`.
    Alias,
}

impl Kind {
    pub(crate) fn is_mapping(self) -> bool {
        matches!(self, Self::Mapping | Self::FlowMapping | Self::FlowPair)
    }

    pub(crate) fn is_sequence(self) -> bool {
        matches!(self, Self::Sequence | Self::FlowSequence)
    }

    pub(crate) fn is_flow(self) -> bool {
        matches!(self, Self::FlowMapping | Self::FlowPair | Self::FlowSequence)
    }

    pub(crate) fn is_scalar(self) -> bool {
        matches!(self, Self::Plain | Self::Single | Self::Double | Self::Block | Self::Empty)
    }
}

/// The node has an anchor.
pub(crate) const ANCHOR: u8 = 1;
/// The node has an anchor that some alias refers to.
pub(crate) const ALIASED: u8 = 2;
/// The node has a tag.
pub(crate) const TAG: u8 = 4;
/// The node is a key behind a `?`.
pub(crate) const EXPLICIT: u8 = 8;
/// The node is a mapping with a merge key.
pub(crate) const MERGES: u8 = 16;

/// A key or value. Sixteen bytes, since a file has one for every few characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The number of the first node after this one and all that is in it.
    pub(crate) next: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
}

impl Node {
    pub(crate) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The nodes of one document. Mappings hold their keys and values in turn.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// The keys whose name is not just the text between their quotes, in order.
    pub(crate) names: Vec<(u32, Box<str>)>,
    /// What the aliases stand for, in order of the aliases.
    pub(crate) aliases: Vec<(u32, u32)>,
}

/// A key and its value, or an item (which has no key), by node number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) key: Option<usize>,
    pub(crate) value: usize,
}

impl Tree {
    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// The node number just after `index` and all that is in it; never `index` itself, so that walks end.
    pub(crate) fn next(&self, index: usize) -> usize {
        self.nodes.get(index).map_or(usize::MAX, |node| (node.next as usize).max(index + 1))
    }

    /// The pairs of a mapping or the items of a list, in the order of the text.
    pub(crate) fn children(&self, index: usize) -> Children<'_> {
        match self.nodes.get(index) {
            Some(node) if node.kind.is_mapping() || node.kind.is_sequence() => {
                Children { tree: self, at: index + 1, end: node.next as usize, pairs: node.kind.is_mapping() }
            }
            _ => Children { tree: self, at: 0, end: 0, pairs: false },
        }
    }

    /// What an alias stands for; any other node stands for itself.
    pub(crate) fn target(&self, index: usize) -> usize {
        match self.aliases.binary_search_by_key(&narrow(index), |(alias, _)| *alias) {
            Ok(found) => self.aliases.get(found).map_or(index, |(_, target)| *target as usize),
            Err(_) => index,
        }
    }

    /// The name of a key as the value has it.
    pub(crate) fn name<'a>(&'a self, text: &'a str, key: usize) -> &'a str {
        if let Ok(found) = self.names.binary_search_by_key(&narrow(key), |(node, _)| *node) {
            return self.names.get(found).map_or("", |(_, name)| name);
        }
        let Some(node) = self.nodes.get(key) else { return "" };
        plain_name(text, node)
    }

    /// The last pair of that name in a mapping, which is the one that counts, and whether there are more of them.
    pub(crate) fn find(&self, text: &str, mapping: usize, name: &str) -> Option<(Child, bool)> {
        let mut found = None;
        for child in self.children(mapping) {
            if child.key.is_some_and(|key| self.name(text, key) == name) {
                found = Some((child, found.is_some()));
            }
        }
        found
    }

    /// The item at a position in a list.
    pub(crate) fn item(&self, sequence: usize, index: usize) -> Option<Child> {
        self.children(sequence).nth(index)
    }
}

/// The text of a key without its quotes.
pub(crate) fn plain_name<'a>(text: &'a str, node: &Node) -> &'a str {
    let range = match node.kind {
        Kind::Single | Kind::Double => node.start as usize + 1..(node.end as usize).saturating_sub(1),
        _ => node.range(),
    };
    text.get(range).unwrap_or_default()
}

/// See [`Tree::children`].
#[derive(Clone)]
pub(crate) struct Children<'a> {
    tree: &'a Tree,
    at: usize,
    end: usize,
    pairs: bool,
}

impl Iterator for Children<'_> {
    type Item = Child;

    fn next(&mut self) -> Option<Child> {
        if self.at >= self.end {
            return None;
        }
        let first = self.at;
        self.at = self.tree.next(first);
        if !self.pairs {
            return Some(Child { key: None, value: first });
        }
        if self.at >= self.end {
            return None;
        }
        let value = self.at;
        self.at = self.tree.next(value);
        Some(Child { key: Some(first), value })
    }
}
