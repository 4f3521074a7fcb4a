//! Turns a draft into the value that kubectl sees: tags, aliases, merge keys and duplicate keys as go-yaml v2 has them.

use std::borrow::Cow;
use std::collections::HashMap;

use buttress_policies::path::Path;
use serde_json::{Map, Value};

use crate::document::{DuplicateKey, ReadError};
use crate::limits::Limits;
use crate::lines::narrow;
use crate::read::Draft;
use crate::scalar::{Scalar, float, float_key, is_timestamp, resolve};
use crate::tree::{Kind, MERGES, TAG, Tree, plain_name};

const CORE: &str = "tag:yaml.org,2002:";

/// How many duplicate keys of one document are told.
const TOLD_DUPLICATES: usize = 100;

/// A document that was read.
pub(crate) struct Built {
    pub(crate) tree: Tree,
    pub(crate) value: Value,
    pub(crate) duplicates: Vec<DuplicateKey>,
}

/// The value of a draft.
pub(crate) fn build(text: &str, draft: Draft<'_>, limits: &Limits) -> Result<Built, ReadError> {
    let Draft { tree, texts, tags } = draft;
    let mut builder = Builder {
        text,
        limits,
        tree: &tree,
        texts: &texts,
        tags: &tags,
        aliases: Vec::new(),
        depth: 0,
        decoded: 0,
        aliased: 0,
        names: Vec::new(),
        duplicates: Vec::new(),
        merging: Vec::new(),
    };
    let value = builder.value(0)?;
    let (mut names, merging) = (std::mem::take(&mut builder.names), std::mem::take(&mut builder.merging));
    let found = std::mem::take(&mut builder.duplicates);
    names.sort_unstable_by_key(|(key, _)| *key);
    names.dedup_by_key(|(key, _)| *key);
    let mut tree = tree;
    for mapping in merging {
        if let Some(node) = tree.nodes.get_mut(mapping) {
            node.flags |= MERGES;
        }
    }
    tree.names = names;
    let mut duplicates = Vec::new();
    for (mapping, first, second) in found {
        let path = path_of(&tree, text, mapping).key(tree.name(text, second));
        if let (Some(first), Some(second)) = (tree.node(first), tree.node(second)) {
            duplicates.push(DuplicateKey { path, first: first.range(), second: second.range() });
        }
    }
    Ok(Built { tree, value, duplicates })
}

/// The path of a node by walking down to it.
fn path_of(tree: &Tree, text: &str, node: usize) -> Path {
    let (mut path, mut here) = (Path::root(), 0);
    while here != node {
        let step =
            tree.children(here).enumerate().find(|(_, child)| node >= child.value && node < tree.next(child.value));
        let Some((index, child)) = step else { break };
        path = match child.key {
            Some(key) => path.key(tree.name(text, key)),
            None => path.index(index),
        };
        here = child.value;
    }
    path
}

struct Builder<'a, 'd> {
    text: &'a str,
    limits: &'a Limits,
    tree: &'a Tree,
    texts: &'a [Cow<'d, str>],
    tags: &'a [(u32, String)],
    /// The aliases that are being followed.
    aliases: Vec<usize>,
    depth: usize,
    decoded: usize,
    aliased: usize,
    names: Vec<(u32, Box<str>)>,
    /// Mapping, first key, later key.
    duplicates: Vec<(usize, usize, usize)>,
    merging: Vec<usize>,
}

impl Builder<'_, '_> {
    fn offset(&self, index: usize) -> usize {
        self.tree.node(index).map_or(0, |node| node.start as usize)
    }

    fn error(&self, index: usize, message: impl Into<String>) -> ReadError {
        ReadError::new(self.offset(index), message.into())
    }

    /// Counts a decoded node as go-yaml does, and stops what goes beyond its limit or ours.
    fn count(&mut self, index: usize) -> Result<(), ReadError> {
        self.decoded += 1;
        if !self.aliases.is_empty() {
            self.aliased += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "the counts are far below 2^52")]
        let (aliased, decoded) = (self.aliased as f64, self.decoded as f64);
        let allowed = match self.decoded {
            ..=400_000 => 0.99,
            4_000_000.. => 0.10,
            _ => 0.99 - 0.89 * ((decoded - 400_000.0) / 3_600_000.0),
        };
        let excessive = self.aliased > 100 && self.decoded > 1000 && aliased / decoded > allowed;
        if excessive || self.aliased > self.limits.aliased {
            return Err(self.error(index, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn deeper<T>(
        &mut self,
        index: usize,
        then: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.depth >= self.limits.depth {
            return Err(ReadError::too_deep(self.offset(index), self.limits.depth));
        }
        self.depth += 1;
        let outcome = then(self);
        self.depth -= 1;
        outcome
    }

    fn value(&mut self, index: usize) -> Result<Value, ReadError> {
        self.count(index)?;
        let Some(node) = self.tree.node(index) else { return Ok(Value::Null) };
        match node.kind {
            Kind::Alias => self.follow(index, Self::value),
            kind if kind.is_mapping() => self.deeper(index, |builder| {
                let mut map = Map::new();
                builder.fill(index, &mut map)?;
                Ok(Value::Object(map))
            }),
            kind if kind.is_sequence() => self.deeper(index, |builder| {
                let tree = builder.tree;
                let items = tree.children(index).map(|child| builder.value(child.value));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }),
            _ => {
                let (scalar, text) = self.scalar(index)?;
                match scalar {
                    Scalar::Text => Ok(Value::String(text.into_owned())),
                    other => other
                        .to_value()
                        .ok_or_else(|| self.error(index, "infinity and not-a-number cannot be written in JSON")),
                }
            }
        }
    }

    /// Does `then` with what an alias stands for.
    fn follow<T>(
        &mut self,
        index: usize,
        then: impl FnOnce(&mut Self, usize) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.aliases.contains(&index) {
            return Err(self.error(index, "anchor value contains itself"));
        }
        self.aliases.push(index);
        let target = self.tree.target(index);
        let outcome = self.deeper(index, |builder| then(builder, target));
        self.aliases.pop();
        outcome
    }

    /// What a scalar means, and its text where it means that.
    fn scalar(&self, index: usize) -> Result<(Scalar, Cow<'_, str>), ReadError> {
        let text: &str = self.texts.get(index).map_or("", |text| text);
        let Some(node) = self.tree.node(index) else { return Ok((Scalar::Null, Cow::Borrowed(""))) };
        if !node.has(TAG) {
            let plain = matches!(node.kind, Kind::Plain | Kind::Empty);
            return Ok((if plain { resolve(text) } else { Scalar::Text }, Cow::Borrowed(text)));
        }
        let found = self.tags.binary_search_by_key(&narrow(index), |(node, _)| *node);
        let tag = found.ok().and_then(|found| self.tags.get(found)).map_or("", |(_, tag)| tag.as_str());
        let resolved = resolve(text);
        let fits = match tag.strip_prefix(CORE) {
            Some("binary") => return Ok((Scalar::Text, Cow::Owned(self.binary(index, text)?))),
            Some("null") => matches!(resolved, Scalar::Null).then_some(resolved),
            Some("bool") => matches!(resolved, Scalar::Bool(_)).then_some(resolved),
            Some("int") => matches!(resolved, Scalar::Int(_) | Scalar::Uint(_)).then_some(resolved),
            Some("float") => match resolved {
                Scalar::Float(_) => Some(resolved),
                #[expect(clippy::cast_precision_loss, reason = "go-yaml converts just so")]
                Scalar::Int(value) => Some(Scalar::Float(value as f64)),
                _ => None,
            },
            Some("timestamp") => is_timestamp(text).then_some(Scalar::Text),
            // Any other tag, known or not, makes text of a scalar.
            _ => Some(Scalar::Text),
        };
        match fits {
            Some(scalar) => Ok((scalar, Cow::Borrowed(text))),
            None => Err(self.error(index, format!("cannot decode `{}` as a !!{}", short(text), &tag[CORE.len()..]))),
        }
    }

    fn binary(&self, index: usize, text: &str) -> Result<String, ReadError> {
        let bytes =
            decode_base64(text).ok_or_else(|| self.error(index, "!!binary value contains invalid base64 data"))?;
        Ok(lossy(&bytes))
    }

    /// Whether a key merges, which it does only without quotes, or with the tag for it.
    fn merges(&self, key: usize) -> bool {
        let Some(node) = self.tree.node(key) else { return false };
        if !node.kind.is_scalar() || self.texts.get(key).is_none_or(|text| text != "<<") {
            return false;
        }
        if !node.has(TAG) {
            return node.kind == Kind::Plain;
        }
        let found = self.tags.binary_search_by_key(&narrow(key), |(node, _)| *node);
        let tag = found.ok().and_then(|found| self.tags.get(found)).map_or("", |(_, tag)| tag.as_str());
        tag == "!" || tag.strip_prefix(CORE) == Some("merge")
    }

    fn fill(&mut self, mapping: usize, map: &mut Map<String, Value>) -> Result<(), ReadError> {
        let tree = self.tree;
        let (mut merged, mut clash) = (false, false);
        let mut own = 0;
        let before = map.len();
        for child in tree.children(mapping) {
            let Some(key) = child.key else { continue };
            if self.merges(key) {
                merged = true;
                if self.aliases.is_empty() {
                    self.merging.push(mapping);
                }
                self.merge(child.value, map)?;
                continue;
            }
            let name = self.key(key)?;
            let value = self.value(child.value)?;
            own += 1;
            clash |= map.insert(name, value).is_some();
        }
        let alone = !merged && before == 0;
        if clash && self.aliases.is_empty() && (!alone || map.len() < own) {
            self.tell_duplicates(mapping)?;
        }
        Ok(())
    }

    /// Notes each key of a mapping that an earlier one has the name of.
    fn tell_duplicates(&mut self, mapping: usize) -> Result<(), ReadError> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let tree = self.tree;
        for child in tree.children(mapping) {
            let Some(key) = child.key else { continue };
            if self.merges(key) {
                continue;
            }
            let name = self.key(key)?;
            if let Some(first) = seen.get(&name) {
                if self.duplicates.len() >= TOLD_DUPLICATES {
                    break;
                }
                self.duplicates.push((mapping, *first, key));
            } else {
                seen.insert(name, key);
            }
        }
        Ok(())
    }

    fn merge(&mut self, index: usize, map: &mut Map<String, Value>) -> Result<(), ReadError> {
        let Some(node) = self.tree.node(index) else { return Ok(()) };
        if node.kind.is_sequence() {
            let items: Vec<usize> = self.tree.children(index).map(|child| child.value).collect();
            // Backwards, since earlier ones take precedence.
            for item in items.into_iter().rev() {
                self.merge_one(item, map)?;
            }
            return Ok(());
        }
        self.merge_one(index, map)
    }

    fn merge_one(&mut self, index: usize, map: &mut Map<String, Value>) -> Result<(), ReadError> {
        let target = self.tree.target(index);
        if !self.tree.node(target).is_some_and(|node| node.kind.is_mapping()) {
            return Err(self.error(index, "map merge requires map or sequence of maps as the value"));
        }
        self.count(index)?;
        if target == index {
            return self.deeper(index, |builder| builder.fill(index, map));
        }
        self.follow(index, |builder, target| {
            builder.count(target)?;
            builder.fill(target, map)
        })
    }

    /// The name of a key in JSON.
    fn key(&mut self, index: usize) -> Result<String, ReadError> {
        self.count(index)?;
        let target = self.tree.target(index);
        let Some(node) = self.tree.node(target) else { return Ok(String::new()) };
        if !node.kind.is_scalar() {
            return Err(self.error(index, "a mapping or list cannot be a key"));
        }
        if target != index {
            self.count(target)?;
        }
        let (scalar, text) = self.scalar(target)?;
        let name = match scalar {
            Scalar::Text => text.into_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Float(value) => float_key(value),
            Scalar::Null => return Err(self.error(index, "null cannot be a key")),
            Scalar::Uint(value) => return Err(self.error(index, format!("{value} is too large for a key"))),
        };
        if target != index || plain_name(self.text, node) != name {
            self.names.push((narrow(index), name.clone().into_boxed_str()));
        }
        Ok(name)
    }
}

fn short(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(at, _)| &text[..at])
}

/// Standard base64 with padding; line breaks in between are skipped, as Go skips them.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut padding, mut length) = (0u32, 0u32, 0, 0usize);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                length += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        length += 1;
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            #[expect(clippy::cast_possible_truncation, reason = "only the lowest eight bits are wanted")]
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    let fits = match padding {
        0 => held == 0,
        1 => held == 2,
        2 => held == 4,
        _ => false,
    };
    (length % 4 == 0 && fits).then_some(bytes)
}

/// Bytes as text the way Go's JSON writes them: one replacement character for each byte that is no UTF-8.
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
    }
    text
}

/// Whether two values are the same to a reader: `1` and `1.0` are one number, as they are in Go's JSON.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((key, value), (other_key, other_value))| key == other_key && same(value, other_value))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(value, other)| same(value, other))
        }
        (Value::Number(one), Value::Number(other)) => {
            one == other
                || one.as_f64().and_then(float) == other.as_f64().and_then(float) && (one.is_f64() || other.is_f64())
        }
        _ => one == other,
    }
}
