//! Turns the events of the parser into a [`Tree`]: the spans are mended where the parser leaves them open.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, StructureStyle, Tag};

use crate::check::is_anchor_name;
use crate::document::ReadError;
use crate::limits::Limits;
use crate::lines::{narrow, part};
use crate::tree::{ALIASED, ANCHOR, EXPLICIT, Kind, Node, TAG, Tree};

/// A tree and what its scalars say, before aliases and tags are resolved.
pub(crate) struct Draft<'a> {
    pub(crate) tree: Tree,
    /// The text of each scalar by node number; other nodes have an empty one.
    pub(crate) texts: Vec<Cow<'a, str>>,
    /// The full tags, in order of the nodes.
    pub(crate) tags: Vec<(u32, String)>,
}

/// Reads the first YAML document in `range` of `text`; what follows it there is not read, nor is it by kubectl.
pub(crate) fn read<'a>(text: &'a str, range: Range<usize>, limits: &Limits) -> Result<Draft<'a>, ReadError> {
    let piece = text.get(range.clone()).unwrap_or_default();
    let failure = if piece.contains('\u{85}') {
        None
    } else {
        match attempt(text, range.clone(), limits) {
            Ok(draft) => return Ok(draft),
            Err(failure) => Some(failure),
        }
    };
    mended(piece, range.start, limits, failure)
}

/// Why the parser stopped, and what could be done about it.
struct Failure {
    error: ReadError,
    remedy: Option<Remedy>,
}

/// A change to the text that lets the parser read what go-yaml reads, too.
enum Remedy {
    /// Put a blank in front of the next `#`, which go-yaml takes for a comment even behind a quote or a comma.
    Separate,
    /// Take a tab for a blank, as go-yaml does between brackets. Where it does not, the checks that follow know.
    Blank,
}

/// Reads a copy of `piece` in which a next-line character is a line break, as it is to go-yaml, and which is mended
/// wherever the parser stops for a reason that go-yaml does not know. Spans are brought back to the original.
fn mended<'a>(piece: &str, base: usize, limits: &Limits, failure: Option<Failure>) -> Result<Draft<'a>, ReadError> {
    let mut copy = piece.replace('\u{85}', "\r\n");
    let mut added: Vec<usize> = Vec::new();
    let back = |added: &[usize], at: usize| at - added.iter().filter(|added| **added < at).count() + base;
    let mut failure = failure.map(|mut failure| {
        failure.error.offset -= base;
        failure
    });
    // Each turn mends one place; the work in all is bounded, since this is for a handful of them.
    for _ in 0..(64 << 20) / (copy.len() + 1024) {
        if let Some(Failure { error, remedy }) = failure {
            let at = error.offset.min(copy.len());
            let line = crate::style::line_start(&copy, at);
            let stop = line_end(copy.as_bytes(), at);
            let place = match &remedy {
                Some(Remedy::Separate) => {
                    // The parser points at the mark or just behind it.
                    let from = if copy.is_char_boundary(at.saturating_sub(1)) { at.saturating_sub(1) } else { at };
                    copy.get(from..stop).and_then(|rest| rest.find('#')).map(|found| from + found)
                }
                Some(Remedy::Blank) => copy.get(line..stop).and_then(|rest| rest.find('\t')).map(|found| line + found),
                None => None,
            };
            match (remedy, place) {
                (Some(Remedy::Separate), Some(hash)) if !part(&copy, 0, hash).ends_with(' ') => {
                    copy.insert(hash, ' ');
                    added.iter_mut().filter(|added| **added >= hash).for_each(|added| *added += 1);
                    added.push(hash);
                }
                (Some(Remedy::Blank), Some(tab)) => copy.replace_range(tab..=tab, " "),
                _ => return Err(ReadError { offset: back(&added, error.offset), ..error }),
            }
        }
        match attempt(&copy, 0..copy.len(), limits) {
            Ok(draft) => {
                let mut tree = draft.tree;
                for node in &mut tree.nodes {
                    node.start = narrow(back(&added, node.start as usize));
                    node.end = narrow(back(&added, node.end as usize));
                }
                let texts = draft.texts.into_iter().map(|text| Cow::Owned(text.into_owned())).collect();
                return Ok(Draft { tree, texts, tags: draft.tags });
            }
            Err(next) => failure = Some(next),
        }
    }
    Err(failure.map_or_else(
        || ReadError::new(base, "the text is too odd to read".to_owned()),
        |failure| ReadError { offset: back(&added, failure.error.offset), ..failure.error },
    ))
}

/// Reads a document as it is.
fn attempt<'a>(text: &'a str, range: Range<usize>, limits: &Limits) -> Result<Draft<'a>, Failure> {
    let piece = text.get(range.clone()).unwrap_or_default();
    let mut base = range.start;
    let piece = match piece.strip_prefix('\u{feff}') {
        Some(rest) => {
            base += '\u{feff}'.len_utf8();
            rest
        }
        None => piece,
    };
    let options = granit_parser::options! {
        emit_comments: false,
        emit_anchor_events: true,
        bom_inside_document_as_content: true,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
    };
    let mut reader = Reader {
        text,
        base,
        limits,
        draft: Draft { tree: Tree::default(), texts: Vec::new(), tags: Vec::new() },
        open: Vec::new(),
        anchors: HashMap::new(),
        cursor: base,
    };
    for event in Parser::new_from_str_with_options(piece, options) {
        match event {
            Ok((event, span)) => match reader.event(event, span) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(Failure { error, remedy: None }),
            },
            Err(error) => {
                let offset = (base + error.marker().byte_offset().unwrap_or_default()).min(range.end);
                let remedy = match error.kind() {
                    ErrorKind::CommentNotSeparated
                    | ErrorKind::InvalidBlockScalarHeader
                    | ErrorKind::InvalidTrailingSingleQuotedScalar
                    | ErrorKind::InvalidTrailingDoubleQuotedScalar => Some(Remedy::Separate),
                    ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
                        Some(Remedy::Blank)
                    }
                    _ => None,
                };
                let error = match error.kind() {
                    ErrorKind::RecursionLimitExceeded => ReadError::too_deep(offset, limits.depth),
                    _ => ReadError::new(offset, error.info()),
                };
                return Err(Failure { error, remedy });
            }
        }
    }
    reader.draft.tree.nodes.shrink_to_fit();
    Ok(reader.draft)
}

/// A mapping or list whose end has not come yet.
struct Open {
    node: usize,
    kind: Kind,
    /// In a mapping: the next node is a value.
    value: bool,
}

struct Reader<'a, 'l> {
    text: &'a str,
    base: usize,
    limits: &'l Limits,
    draft: Draft<'a>,
    open: Vec<Open>,
    anchors: HashMap<usize, usize>,
    /// Where the last key, value, colon or dash ended.
    cursor: usize,
}

impl<'a> Reader<'a, '_> {
    /// Takes one event; `false` ends the document.
    fn event(&mut self, event: Event<'a>, span: Span) -> Result<bool, ReadError> {
        let range = span.byte_range().unwrap_or_default();
        let (start, end) = (range.start + self.base, range.end + self.base);
        match event {
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                Err(ReadError::new(start, "found incompatible YAML document".to_owned()))
            }
            Event::DocumentEnd => Ok(false),
            Event::Anchor(_, name) if !is_anchor_name(&name) => {
                Err(ReadError::new(start, "an anchor is letters, digits, `-` and `_` only".to_owned()))
            }
            Event::Alias(anchor) => {
                self.lead();
                let target = self.anchors.get(&anchor).copied();
                let target = target.ok_or_else(|| ReadError::new(start, "unknown anchor referenced".to_owned()))?;
                let node = self.push(Kind::Alias, start, end, 0, None)?;
                self.draft.tree.aliases.push((narrow(node), narrow(target)));
                if let Some(target) = self.draft.tree.nodes.get_mut(target) {
                    target.flags |= ALIASED;
                }
                self.done(end);
                Ok(true)
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.scalar(value, style, anchor, tag.as_deref(), start, end)?;
                Ok(true)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.lead();
                let (kind, start) = match style {
                    StructureStyle::Flow => (Kind::FlowSequence, start),
                    StructureStyle::Block => {
                        (Kind::Sequence, seek(self.text, self.cursor, start.max(end), b'-').unwrap_or(start))
                    }
                };
                self.begin(kind, start, end, anchor, tag.as_deref())?;
                Ok(true)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.lead();
                let kind = match style {
                    StructureStyle::Block => Kind::Mapping,
                    StructureStyle::Flow if self.text.as_bytes().get(start) == Some(&b'{') && end > start => {
                        Kind::FlowMapping
                    }
                    StructureStyle::Flow => Kind::FlowPair,
                };
                self.begin(kind, start, end, anchor, tag.as_deref())?;
                Ok(true)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let flow = matches!(open.kind, Kind::FlowMapping | Kind::FlowSequence);
                    let close = if flow { end } else { self.cursor };
                    let next = narrow(self.draft.tree.nodes.len());
                    if let Some(node) = self.draft.tree.nodes.get_mut(open.node) {
                        node.end = narrow(close).max(node.start);
                        node.next = next;
                    }
                    self.done(close);
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn begin(
        &mut self,
        kind: Kind,
        start: usize,
        end: usize,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), ReadError> {
        if self.open.len() >= self.limits.depth {
            return Err(ReadError::too_deep(start, self.limits.depth));
        }
        let node = self.push(kind, start, end, anchor, tag)?;
        self.open.push(Open { node, kind, value: false });
        if kind.is_flow() {
            self.cursor = end;
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        value: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        start: usize,
        end: usize,
    ) -> Result<(), ReadError> {
        self.lead();
        let (kind, start, end) = match style {
            ScalarStyle::Plain if start >= end => {
                // The parser puts it anywhere up to the next token; its place is behind the colon or dash, or behind
                // its anchor or tag.
                let at = if anchor != 0 || tag.is_some() { start.max(self.cursor) } else { self.cursor };
                (Kind::Empty, at, at)
            }
            ScalarStyle::Plain => (Kind::Plain, start, end),
            ScalarStyle::SingleQuoted => (Kind::Single, start, end),
            ScalarStyle::DoubleQuoted => (Kind::Double, start, end),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let indicator = if style == ScalarStyle::Literal { b'|' } else { b'>' };
                let header = seek(self.text, self.cursor, start.max(end), indicator).unwrap_or(start);
                (Kind::Block, header, block_end(self.text, header, end))
            }
        };
        let value = if kind == Kind::Empty { Cow::Borrowed("") } else { value };
        let node = self.push(kind, start, end, anchor, tag)?;
        if self.open.last().is_some_and(|open| open.kind == Kind::Mapping && !open.value)
            && self.text[..start].trim_end_matches([' ', '\t']).ends_with('?')
            && let Some(key) = self.draft.tree.nodes.get_mut(node)
        {
            key.flags |= EXPLICIT;
        }
        if let Some(text) = self.draft.texts.get_mut(node) {
            *text = value;
        }
        self.done(end);
        Ok(())
    }

    /// Moves the cursor over the colon or dash that the coming node stands behind.
    fn lead(&mut self) {
        let Some(open) = self.open.last() else { return };
        let mark = match open.kind {
            Kind::Sequence => b'-',
            kind if kind.is_mapping() && open.value => b':',
            _ => return,
        };
        if let Some(at) = seek(self.text, self.cursor, self.text.len(), mark) {
            self.cursor = at + 1;
        }
    }

    fn done(&mut self, end: usize) {
        self.cursor = end.max(self.cursor);
        if let Some(open) = self.open.last_mut() {
            open.value = !open.value;
        }
    }

    fn push(
        &mut self,
        kind: Kind,
        start: usize,
        end: usize,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<usize, ReadError> {
        let index = self.draft.tree.nodes.len();
        if index >= self.limits.nodes {
            return Err(ReadError::new(start, format!("document has more than {} keys and values", self.limits.nodes)));
        }
        let mut flags = 0;
        if anchor != 0 {
            flags |= ANCHOR;
            self.anchors.insert(anchor, index);
        }
        if let Some(tag) = tag {
            flags |= TAG;
            let (handle, suffix) = tag.parts();
            self.draft.tags.push((narrow(index), format!("{handle}{suffix}")));
        }
        self.draft.tree.nodes.push(Node {
            start: narrow(start),
            end: narrow(end),
            next: narrow(index + 1),
            kind,
            flags,
        });
        self.draft.texts.push(Cow::Borrowed(""));
        Ok(index)
    }
}

/// Where `mark` stands between `from` and `end`, with nothing but blanks, comments, anchors, tags and other indicators
/// in between.
pub(crate) fn seek(text: &str, from: usize, end: usize, mark: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let end = end.saturating_add(1).min(bytes.len());
    let mut at = from;
    while at < end {
        let line_start = at == 0 || bytes[at - 1] == b'\n';
        match bytes[at] {
            b'-' if line_start && bytes[at..].starts_with(b"---") => at += 3,
            byte if byte == mark => return Some(at),
            b' ' | b'\t' | b'\r' | b'\n' | b'-' | b':' | b'?' => at += 1,
            b'#' if line_start || matches!(bytes[at - 1], b' ' | b'\t') => at = line_end(bytes, at),
            b'%' if line_start => at = line_end(bytes, at),
            b'&' | b'!' => {
                while at < end && !matches!(bytes[at], b' ' | b'\t' | b'\r' | b'\n') {
                    at += 1;
                }
            }
            // A byte-order mark before the first token.
            0xef if bytes[at..].starts_with("\u{feff}".as_bytes()) => at += 3,
            _ => return None,
        }
    }
    None
}

/// The end of the line that `at` is in, before its line break's `\n`.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)).map_or(bytes.len(), |found| at + found)
}

/// Where a block scalar ends, before the line break: after its last line with text, or with `+` after its last line.
fn block_end(text: &str, header: usize, parsed_end: usize) -> usize {
    let header_end = line_end(text.as_bytes(), header);
    let body_end = parsed_end.max(header_end).min(text.len());
    let head = text.get(header..header_end).unwrap_or_default();
    let keep = head.split('#').next().unwrap_or_default().contains('+');
    let body = text.get(header_end..body_end).unwrap_or_default();
    let length = if keep {
        let whole_lines = body.trim_end_matches([' ', '\t']);
        let whole_lines = if whole_lines.ends_with('\n') { whole_lines } else { body };
        let cut = whole_lines.strip_suffix('\n').unwrap_or(whole_lines);
        cut.strip_suffix('\r').unwrap_or(cut).len()
    } else {
        let last = body.trim_end_matches([' ', '\t', '\r', '\n']).len();
        let rest = &body[last..];
        let blanks = rest.find(['\r', '\n']).unwrap_or(rest.len());
        if last == 0 { 0 } else { last + blanks }
    };
    if length == 0 {
        return header + head.trim_end_matches(['\r', '\n']).len();
    }
    header_end + length
}
