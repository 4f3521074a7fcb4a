//! JSON text with spans. Kubernetes reads a text that starts with a brace as JSON first, and JSON has escapes that its
//! YAML reader refuses.

use serde_json::{Map, Number, Value};

use crate::document::{DuplicateKey, ReadError};
use crate::limits::Limits;
use crate::lines::narrow;
use crate::scalar::float;
use crate::tree::{Kind, Node, Tree, plain_name};
use crate::value::Built;
use buttress_policies::path::Path;

/// Reads one JSON value at `from`; gives it and where it ends.
pub(crate) fn read(text: &str, from: usize, limits: &Limits) -> Result<(Built, usize), Failure> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: from,
        limits,
        depth: 0,
        tree: Tree::default(),
        duplicates: Vec::new(),
        is_json: false,
    };
    let mut path = Vec::new();
    let value = match reader.value(&mut path) {
        Ok(value) => value,
        Err(error) => return Err(Failure { error, is_json: reader.is_json }),
    };
    let end = reader.at;
    reader.tree.names.sort_unstable_by_key(|(key, _)| *key);
    reader.tree.nodes.shrink_to_fit();
    Ok((Built { tree: reader.tree, value, duplicates: reader.duplicates }, end))
}

/// Why a text is not read as JSON.
pub(crate) struct Failure {
    pub(crate) error: ReadError,
    /// The text is JSON all the same, and must not be tried as YAML.
    pub(crate) is_json: bool,
}

enum Step {
    Key(String),
    Index(usize),
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    depth: usize,
    tree: Tree,
    duplicates: Vec<DuplicateKey>,
    /// An error is about what the text says, not how.
    is_json: bool,
}

impl Reader<'_> {
    fn error<T>(&self, message: &str) -> Result<T, ReadError> {
        Err(ReadError::new(self.at, message.to_owned()))
    }

    fn blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind) -> Result<usize, ReadError> {
        let index = self.tree.nodes.len();
        if index >= self.limits.nodes {
            self.is_json = true;
            return self.error("document has too many keys and values");
        }
        let start = narrow(self.at);
        self.tree.nodes.push(Node { start, end: start, next: narrow(index + 1), kind, flags: 0 });
        Ok(index)
    }

    fn close(&mut self, index: usize) {
        let next = narrow(self.tree.nodes.len());
        let end = narrow(self.at);
        if let Some(node) = self.tree.nodes.get_mut(index) {
            node.end = end;
            node.next = next;
        }
    }

    fn value(&mut self, path: &mut Vec<Step>) -> Result<Value, ReadError> {
        self.blanks();
        match self.bytes.get(self.at) {
            Some(b'{') => self.nested(Kind::FlowMapping, path),
            Some(b'[') => self.nested(Kind::FlowSequence, path),
            Some(b'"') => {
                let index = self.push(Kind::Double)?;
                let text = self.string()?;
                self.close(index);
                Ok(Value::String(text))
            }
            Some(b'-' | b'0'..=b'9') => {
                let index = self.push(Kind::Plain)?;
                let number = self.number()?;
                self.close(index);
                Ok(Value::Number(number))
            }
            _ => {
                let rest = &self.bytes[self.at.min(self.bytes.len())..];
                for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
                {
                    if rest.starts_with(word.as_bytes()) {
                        let index = self.push(Kind::Plain)?;
                        self.at += word.len();
                        self.close(index);
                        return Ok(value);
                    }
                }
                self.error("a JSON value is expected here")
            }
        }
    }

    fn nested(&mut self, kind: Kind, path: &mut Vec<Step>) -> Result<Value, ReadError> {
        if self.depth >= self.limits.depth {
            self.is_json = true;
            return Err(ReadError::too_deep(self.at, self.limits.depth));
        }
        self.depth += 1;
        let index = self.push(kind)?;
        self.at += 1;
        let value = if kind == Kind::FlowMapping { self.object(path)? } else { self.array(path)? };
        self.close(index);
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self, path: &mut Vec<Step>) -> Result<Value, ReadError> {
        let mut map = Map::new();
        let mut firsts: Vec<(String, usize)> = Vec::new();
        self.blanks();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            self.blanks();
            if self.bytes.get(self.at) != Some(&b'"') {
                return self.error("a key in double quotes is expected here");
            }
            let key = self.push(Kind::Double)?;
            let name = self.string()?;
            self.close(key);
            if self.tree.node(key).is_some_and(|node| plain_name(self.text, node) != name) {
                self.tree.names.push((narrow(key), name.clone().into_boxed_str()));
            }
            self.blanks();
            if self.bytes.get(self.at) != Some(&b':') {
                return self.error("a colon is expected here");
            }
            self.at += 1;
            path.push(Step::Key(name.clone()));
            let value = self.value(path)?;
            if map.insert(name.clone(), value).is_some() {
                self.duplicate(&mut firsts, path, &name, key);
            }
            path.pop();
            self.blanks();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(map));
                }
                _ => return self.error("a comma or a closing brace is expected here"),
            }
        }
    }

    /// Notes that `key` is not the first of its name in the object being read.
    fn duplicate(&mut self, firsts: &mut Vec<(String, usize)>, path: &[Step], name: &str, key: usize) {
        if self.duplicates.len() >= 100 {
            return;
        }
        let first = match firsts.iter().find(|(seen, _)| seen == name) {
            Some((_, first)) => *first,
            None => {
                // The object is still open, so its first child is found from the front of its nodes.
                let mut at = self.open_object(key);
                while at < key && self.tree.name(self.text, at) != name {
                    at = self.tree.next(self.tree.next(at));
                }
                firsts.push((name.to_owned(), at));
                at
            }
        };
        let steps = path.iter().fold(Path::root(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(index) => path.index(*index),
        });
        if let (Some(first), Some(second)) = (self.tree.node(first), self.tree.node(key)) {
            self.duplicates.push(DuplicateKey { path: steps, first: first.range(), second: second.range() });
        }
    }

    /// The first key of the object that `key` is in: nodes of open collections still have themselves as their end.
    fn open_object(&self, key: usize) -> usize {
        let mut at = key;
        while at > 0 {
            at -= 1;
            if self.tree.node(at).is_some_and(|node| node.kind == Kind::FlowMapping && node.start == node.end) {
                return at + 1;
            }
        }
        0
    }

    fn array(&mut self, path: &mut Vec<Step>) -> Result<Value, ReadError> {
        let mut items = Vec::new();
        self.blanks();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            path.push(Step::Index(items.len()));
            items.push(self.value(path)?);
            path.pop();
            self.blanks();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return self.error("a comma or a closing bracket is expected here"),
            }
        }
    }

    fn number(&mut self) -> Result<Number, ReadError> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        if whole == 0 || whole > 1 && self.bytes.get(self.at - whole) == Some(&b'0') {
            return self.error("this is no JSON number");
        }
        let mut integer = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            integer = false;
            self.at += 1;
            if self.digits() == 0 {
                return self.error("this is no JSON number");
            }
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.error("this is no JSON number");
            }
        }
        let text = &self.text[start..self.at];
        if integer {
            if let Ok(value) = text.parse::<i64>() {
                return Ok(value.into());
            }
            if let Ok(value) = text.parse::<u64>() {
                return Ok(value.into());
            }
        }
        match text.parse::<f64>().ok().and_then(|value| if integer { Number::from_f64(value) } else { float(value) }) {
            Some(number) => Ok(number),
            None => {
                self.is_json = true;
                self.error("this number is too large")
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.bytes.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, ReadError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let run = self.bytes[self.at..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            text.push_str(&self.text[self.at..self.at + run]);
            self.at += run;
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let escape = self.bytes.get(self.at).copied();
                    self.at += 1;
                    text.push(match escape {
                        Some(quoted @ (b'"' | b'\\' | b'/')) => char::from(quoted),
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => self.unicode()?,
                        _ => return self.error("this is no escape that JSON knows"),
                    });
                }
                Some(_) => return self.error("a control character in a JSON string has to be escaped"),
                None => return self.error("the text ends inside a string"),
            }
        }
    }

    /// The character of `\uXXXX` and, where it is one half of a surrogate pair, of the second half. A lone half becomes
    /// a replacement character, as in Go.
    fn unicode(&mut self) -> Result<char, ReadError> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at.min(self.bytes.len())..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or('\u{fffd}'))
    }

    fn hex(&mut self) -> Result<u32, ReadError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return self.error("four hexadecimal digits are expected here");
        }
        let code = digits.iter().fold(0, |code, digit| code * 16 + char::from(*digit).to_digit(16).unwrap_or(0));
        self.at += 4;
        Ok(code)
    }
}
