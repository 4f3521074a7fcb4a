//! One document of a file: its value, or why it has none, and where its parts stand.

use std::ops::Range;

use buttress_policies::path::Path;
use serde_json::Value;

use crate::tree::{Child, Kind, MERGES, Tree};

/// One document of a [`File`](crate::File).
#[derive(Debug)]
pub struct Document {
    pub(crate) text: std::sync::Arc<str>,
    pub(crate) range: Range<usize>,
    pub(crate) tree: Tree,
    pub(crate) value: Result<Value, ReadError>,
    pub(crate) duplicates: Vec<DuplicateKey>,
    pub(crate) json: bool,
}

/// A key that a mapping has twice. The later one counts, silently, in everything but strict validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateKey {
    /// Where in the value.
    pub path: Path,
    /// The bytes of the key where it first stands.
    pub first: Range<usize>,
    /// The bytes of the key where it stands again.
    pub second: Range<usize>,
}

/// Where something of a value stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Whether the path names something that is there; else the rest tells of the nearest parent that is.
    pub found: bool,
    /// The bytes of the key; items of a list and the whole document have none.
    pub key: Option<Range<usize>>,
    /// The bytes of the value.
    pub value: Range<usize>,
}

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What is wrong, for the user.
    pub message: String,
    /// The byte of the file at which it shows.
    pub offset: usize,
    /// Whether the document looks like a template that has to be rendered first.
    pub template: bool,
}

impl ReadError {
    pub(crate) fn new(offset: usize, message: String) -> Self {
        Self { message, offset, template: false }
    }

    pub(crate) fn too_deep(offset: usize, depth: usize) -> Self {
        Self::new(offset, format!("nested more than {depth} levels deep"))
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl Document {
    /// The bytes of the file that belong to the document, its comments included and the `---` lines around it not.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The value as kubectl reads it.
    ///
    /// # Errors
    /// When kubectl would refuse the document, or it goes beyond the [`Limits`](crate::Limits).
    pub fn value(&self) -> Result<&Value, &ReadError> {
        self.value.as_ref()
    }

    /// The keys that stand twice in one mapping, the first hundred of them.
    pub fn duplicate_keys(&self) -> &[DuplicateKey] {
        &self.duplicates
    }

    /// Whether the document is JSON text.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the document as a whole is written in braces or brackets, as JSON is.
    pub fn is_flow(&self) -> bool {
        self.tree.node(0).is_some_and(|root| root.kind.is_flow())
    }

    /// Where the value at `path` stands. What comes in by an alias or a merge key is found where it is written.
    pub fn locate(&self, path: &Path) -> Located {
        let text = &*self.text;
        let mut here = Child { key: None, value: 0 };
        let mut found = true;
        for segment in path.segments() {
            let index = self.tree.target(here.value);
            let step = match self.tree.node(index) {
                Some(node) if node.kind.is_mapping() => self.find(text, index, &segment, 0),
                Some(node) if node.kind.is_sequence() => {
                    segment.parse().ok().and_then(|position| self.tree.item(index, position))
                }
                _ => None,
            };
            match step {
                Some(child) => here = child,
                None => {
                    found = false;
                    break;
                }
            }
        }
        let range = |index| self.tree.node(index).map_or(self.range.start..self.range.start, |node| node.range());
        Located { found: found && self.value.is_ok(), key: here.key.map(range), value: range(here.value) }
    }

    /// The pair that gives a mapping its value of that name, looked for in merged mappings too.
    fn find(&self, text: &str, mapping: usize, name: &str, depth: usize) -> Option<Child> {
        if let Some((child, _)) = self.tree.find(text, mapping, name) {
            return Some(child);
        }
        if depth > 20 || !self.tree.node(mapping).is_some_and(|node| node.has(MERGES)) {
            return None;
        }
        let merge = self.tree.find(text, mapping, "<<")?.0.value;
        match self.tree.node(merge)?.kind {
            Kind::Sequence | Kind::FlowSequence => self
                .tree
                .children(merge)
                .find_map(|item| self.find(text, self.tree.target(item.value), name, depth + 1)),
            _ => self.find(text, self.tree.target(merge), name, depth + 1),
        }
    }
}
