//! Writes values as YAML text whose scalars mean to every reader of Kubernetes what they mean here.

use serde_json::{Map, Value};

use crate::scalar::{Scalar, is_float, is_timestamp, resolve};

/// How to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// How many columns a mapping is indented under its key.
    pub(crate) indent: usize,
    /// How many columns a list is indented under its key.
    pub(crate) list: usize,
    /// The quote for strings that need one and have no escapes.
    pub(crate) quote: char,
    /// Whether strings of several lines may become block scalars.
    pub(crate) blocks: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self { indent: 2, list: 0, quote: '"', blocks: true }
    }
}

/// A value as block YAML: lists flush with their keys as kubectl prints them, `apiVersion`, `kind`, `metadata` and names
/// first, other keys in alphabetical order.
pub fn to_string(value: &Value) -> String {
    let mut text = lines(value, &Format::default()).join("\n");
    text.push('\n');
    text
}

/// A value as lines without common indentation.
pub(crate) fn lines(value: &Value, format: &Format) -> Vec<String> {
    let mut out = Vec::new();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in ordered(map) {
                pair(name, value, format, &mut out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for value in items {
                item(value, 1, format, &mut out);
            }
        }
        _ => scalar_under("", value, format.indent, format, &mut out),
    }
    out
}

/// The keys in the order people write them: what a thing is comes first, the rest by name.
pub(crate) fn ordered(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |key: &str| {
        let first = [
            "apiVersion",
            "kind",
            "metadata",
            "name",
            "namespace",
            "key",
            "operator",
            "value",
            "weight",
            "exec",
            "grpc",
            "httpGet",
            "tcpSocket",
        ];
        first.iter().position(|known| *known == key).unwrap_or(first.len())
    };
    let mut pairs: Vec<_> = map.iter().collect();
    pairs.sort_by_key(|(key, _)| rank(key));
    pairs
}

/// Adds the lines of a key and its value.
pub(crate) fn pair(name: &str, value: &Value, format: &Format, out: &mut Vec<String>) {
    let head = format!("{}:", string(name, format.quote));
    let indent = match value {
        Value::Object(map) if !map.is_empty() => format.indent,
        Value::Array(items) if !items.is_empty() => format.list,
        _ => return scalar_under(&format!("{head} "), value, format.indent, format, out),
    };
    out.push(head);
    out.extend(lines(value, format).into_iter().map(|line| indented(&line, indent)));
}

/// Adds the lines of a list item whose content stands `gap` columns behind its dash.
pub(crate) fn item(value: &Value, gap: usize, format: &Format, out: &mut Vec<String>) {
    let lead = format!("-{}", " ".repeat(gap));
    let nested = matches!(value, Value::Object(map) if !map.is_empty())
        || matches!(value, Value::Array(items) if !items.is_empty());
    if !nested {
        return scalar_under(&lead, value, gap + 1, format, out);
    }
    for (number, line) in lines(value, format).into_iter().enumerate() {
        out.push(if number == 0 { format!("{lead}{line}") } else { indented(&line, gap + 1) });
    }
}

/// Adds a scalar behind `lead`; the further lines of a block scalar are indented by `indent`.
fn scalar_under(lead: &str, value: &Value, indent: usize, format: &Format, out: &mut Vec<String>) {
    if let Value::String(text) = value
        && format.blocks
        && let Some((header, body)) = literal(text)
    {
        out.push(format!("{lead}{header}"));
        out.extend(body.into_iter().map(|line| indented(line, indent.max(1))));
        return;
    }
    out.push(format!("{lead}{}", scalar(value, format.quote)));
}

/// A line moved to the right; a blank line stays blank.
pub(crate) fn indented(line: &str, by: usize) -> String {
    if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(by)) }
}

/// The header and the lines of a block scalar that says `text`; `None` where one could not or would read badly.
pub(crate) fn literal(text: &str) -> Option<(&'static str, Vec<&str>)> {
    let (header, body) = match text.strip_suffix('\n') {
        Some(body) => ("|", body),
        None => ("|-", text),
    };
    let fits = text.contains('\n')
        && !body.is_empty()
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        // A line of blanks alone could be taken for indentation, and so could a tab at its front.
        && body.split('\n').all(|line| line.is_empty() || !line.starts_with('\t') && !line.ends_with([' ', '\t']))
        && body.chars().all(|character| character == '\n' || character == '\t' || printable(character));
    fits.then(|| (header, body.split('\n').collect()))
}

/// A scalar or an empty collection on one line.
pub(crate) fn scalar(value: &Value, quote: char) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(text) => string(text, quote),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// A value in brackets and braces on one line.
pub(crate) fn flow(value: &Value, quote: char) -> String {
    match value {
        Value::Object(map) => flow_mapping(map, quote),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(|item| flow(item, quote)).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => flow_string(text, quote),
        other => scalar(other, quote),
    }
}

fn flow_mapping(map: &Map<String, Value>, quote: char) -> String {
    let pairs: Vec<String> = ordered(map)
        .into_iter()
        .map(|(name, value)| format!("{}: {}", flow_string(name, quote), flow(value, quote)))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A string inside brackets, where commas, brackets and question marks end a plain one.
pub(crate) fn flow_string(text: &str, quote: char) -> String {
    if text.contains([',', '[', ']', '{', '}', ':', '?']) { quoted(text, quote) } else { string(text, quote) }
}

/// A string on one line, in quotes where it would not be read back as itself without.
pub(crate) fn string(text: &str, quote: char) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text, quote) }
}

/// A string in quotes.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    if quote == '\'' && text.chars().all(printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            other if printable(other) => out.push(other),
            other => out.push_str(&format!("\\u{:04x}", u32::from(other))),
        }
    }
    out.push('"');
    out
}

/// Characters that may stand for themselves; the line ends of Unicode may not, as YAML 1.1 breaks lines at them.
fn printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Whether a string may stand without quotes: go-yaml reads it as that string, and no other common reader as a number,
/// date or truth value.
pub(crate) fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    if first.is_whitespace() || text.ends_with(char::is_whitespace) || !text.chars().all(printable) {
        return false;
    }
    let second = text.chars().nth(1);
    let opens = match first {
        '-' => second.is_some_and(|second| second != ' ') && !text.starts_with("---"),
        '?' | ':' => false,
        '.' => !text.starts_with("..."),
        first => !",[]{}#&*!|>'\"%@`=<~".contains(first),
    };
    opens
        && !text.contains(": ")
        && !text.ends_with(':')
        && !text.contains(" #")
        && resolve(text) == Scalar::Text
        && !looks_like_number(text)
}

/// Whether some reader of YAML 1.1 or 1.2 might take `text` for a number or date.
fn looks_like_number(text: &str) -> bool {
    let first = text.bytes().next().unwrap_or_default();
    if !(first.is_ascii_digit() || b"+-.".contains(&first)) {
        return false;
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    let sexagesimal = plain.contains(':') && plain.bytes().all(|byte| byte.is_ascii_digit() || b":.+-".contains(&byte));
    let prefixed = plain.trim_start_matches(['+', '-']);
    let based = ["0x", "0o", "0b", "0X", "0O", "0B"].iter().any(|base| prefixed.starts_with(base));
    is_float(&plain)
        || sexagesimal
        || based
        || is_timestamp(text)
        || resolve(&text.to_ascii_lowercase()) != Scalar::Text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_that_kubernetes_reads_as_something_else_are_quoted() {
        for text in [
            "",
            "y",
            "N",
            "on",
            "Off",
            "yes",
            "NO",
            "true",
            "~",
            "null",
            "1",
            "1_000",
            "08",
            "0x1F",
            "0b1",
            "1e3",
            "1e400",
            ".5",
            ".inf",
            "-.INF",
            "+1",
            "1:30",
            "2001-01-01",
            "<<",
            "=",
            "- a",
            "-",
            "a: b",
            "a:",
            "a #b",
            "*a",
            "&a",
            "!a",
            "{a",
            "[a",
            "# a",
            "%a",
            "@a",
            "`a",
            "'a",
            "\"a",
            " a",
            "a ",
            "---",
            "--- a",
            "...",
            "? a",
            ": a",
            "a\tb",
            "\u{85}",
        ] {
            assert!(!is_plain(text), "{text:?}");
        }
        for text in
            ["a", "nvidia.com/gpu", "500m", "8Gi", "1.2.3", "--model", "-x", "a:b", "a#b", "nginx:1.25", "yep", "é"]
        {
            assert!(is_plain(text), "{text:?}");
        }
    }

    #[test]
    fn a_value_is_written_as_kubectl_writes_it() {
        let value = json!({"a": {"b": [1, {"c": "x", "d": []}, ["y"]]}, "t": "one\ntwo\n", "u": "one\ntwo", "e": {}});
        assert_eq!(
            to_string(&value),
            "a:\n  b:\n  - 1\n  - c: x\n    d: []\n  - - \"y\"\ne: {}\nt: |\n  one\n  two\nu: |-\n  one\n  two\n"
        );
    }
}
