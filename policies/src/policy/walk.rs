//! Holds a value against a JSON Schema and tells every difference with its place, in words for people.
//!
//! A general validator stops at its own vocabulary: "is not valid under any of the schemas". This one knows only the
//! keywords that schemars writes for our types, and so can say what was meant. `pattern` is for editors: what it says is
//! held through the `format` beside it.

use serde_json::{Map, Value};

use super::document::{Edition, Glob, PodSecurityVersion};
use super::injection::Amount;
use super::names::{quoted, suggest};
use super::validate::PolicyError;
use crate::path::Path;

/// Every difference between `value` and `schema`, whose `$ref`s are resolved in itself.
pub(super) fn walk(schema: &Value, value: &Value) -> Vec<PolicyError> {
    Walker { root: schema }.walk(schema, value, &Path::root())
}

struct Walker<'s> {
    root: &'s Value,
}

impl<'s> Walker<'s> {
    fn walk(&self, schema: &'s Value, value: &Value, at: &Path) -> Vec<PolicyError> {
        if let Some(known) = self.closed_set(schema) {
            return self.one_of(schema, &known, value, at);
        }
        if let Some(target) = self.target(schema) {
            return self.walk(target, value, at);
        }
        if let Some(branches) = branches(schema) {
            return self.best_branch(branches, value, at);
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|name| is_of_type(value, name)) {
            return vec![wrong_type(&types, value, at)];
        }
        match value {
            Value::Object(map) => self.mapping(schema, map, at),
            Value::Array(items) => self.list(schema, items, at),
            Value::String(text) => self::text(schema, text, at),
            Value::Number(_) => number(schema, value, at),
            Value::Null | Value::Bool(_) => Vec::new(),
        }
    }

    fn mapping(&self, schema: &'s Value, map: &Map<String, Value>, at: &Path) -> Vec<PolicyError> {
        let mut errors = Vec::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                errors.push(PolicyError::new(at.key(name), "is missing"));
            }
        }
        let names = schema.get("propertyNames").and_then(|names| Some((names, self.closed_set(names)?)));
        for (key, value) in map {
            let place = at.key(key);
            if let Some((names, known)) = &names
                && !known.iter().any(|known| known.as_str() == Some(key))
            {
                errors.push(unknown(self.title(names).unwrap_or("key"), key, &texts(known), place));
                continue;
            }
            match (properties.and_then(|properties| properties.get(key)), schema.get("additionalProperties")) {
                (Some(property), _) => errors.extend(self.walk(property, value, &place)),
                (None, Some(Value::Bool(false))) => {
                    let known: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
                    errors.push(unknown("key", key, &known, place));
                }
                (None, Some(others)) => errors.extend(self.walk(others, value, &place)),
                (None, None) => {}
            }
        }
        errors
    }

    fn list(&self, schema: &'s Value, items: &[Value], at: &Path) -> Vec<PolicyError> {
        if items.len() < limit(schema, "minItems") {
            return vec![PolicyError::new(at.clone(), "must not be empty, as an empty list covers nothing")];
        }
        let Some(each) = schema.get("items") else { return Vec::new() };
        items.iter().enumerate().flat_map(|(index, item)| self.walk(each, item, &at.index(index))).collect()
    }

    /// One of a few values that are written out.
    fn one_of(&self, schema: &'s Value, known: &[&Value], value: &Value, at: &Path) -> Vec<PolicyError> {
        if known.contains(&value) {
            return Vec::new();
        }
        let known = texts(known);
        vec![match value {
            Value::String(text) => unknown(self.title(schema).unwrap_or("value"), text, &known, at.clone()),
            other => PolicyError::new(at.clone(), format!("must be {}, not {}", listed(&known), kind_of(other))),
        }]
    }

    /// The differences from the branch that was meant: one of the value's own type, with the fewest of them.
    fn best_branch(&self, branches: &'s [Value], value: &Value, at: &Path) -> Vec<PolicyError> {
        let mut types = Vec::new();
        let mut best: Option<Vec<PolicyError>> = None;
        for branch in branches {
            let own = self.types_of(branch);
            if own.is_empty() || own.iter().any(|name| is_of_type(value, name)) {
                let errors = self.walk(branch, value, at);
                if best.as_ref().is_none_or(|best| errors.len() < best.len()) {
                    best = Some(errors);
                }
            }
            types.extend(own.into_iter().filter(|name| *name != "null"));
        }
        best.unwrap_or_else(|| vec![wrong_type(&types, value, at)])
    }

    /// The values that `schema` allows when it writes them all out, be it as one list or as one branch each.
    fn closed_set(&self, schema: &'s Value) -> Option<Vec<&'s Value>> {
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return Some(values.iter().collect());
        }
        if let Some(value) = schema.get("const") {
            return Some(vec![value]);
        }
        if let Some(target) = self.target(schema) {
            return self.closed_set(target);
        }
        let branches = branches(schema)?.iter().filter(|branch| types(branch) != ["null"]);
        let sets: Option<Vec<_>> = branches.map(|branch| self.closed_set(branch)).collect();
        sets.map(|sets| sets.into_iter().flatten().collect())
    }

    fn target(&self, schema: &Value) -> Option<&'s Value> {
        self.root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
    }

    fn title(&self, schema: &'s Value) -> Option<&'s str> {
        let own = schema.get("title").and_then(Value::as_str);
        own.or_else(|| self.title(self.target(schema)?)).or_else(|| {
            let real = branches(schema)?.iter().find(|branch| types(branch) != ["null"]);
            self.title(real?)
        })
    }

    fn types_of(&self, schema: &'s Value) -> Vec<&'s str> {
        match self.target(schema) {
            Some(target) => self.types_of(target),
            None => match branches(schema) {
                Some(branches) => branches.iter().flat_map(|branch| self.types_of(branch)).collect(),
                None => types(schema),
            },
        }
    }
}

fn branches(schema: &Value) -> Option<&[Value]> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).map(Vec::as_slice)
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        // JSON Schema takes 1.0 for an integer, and serde does not. A whole number beyond 2^64 is a fraction to it too.
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn text(schema: &Value, text: &str, at: &Path) -> Vec<PolicyError> {
    let length = text.chars().count();
    if length < limit(schema, "minLength") {
        return vec![PolicyError::new(at.clone(), "must not be empty")];
    }
    let wrong = match schema.get("format").and_then(Value::as_str) {
        Some("name-glob") => Glob::try_from(text.to_owned()).err(),
        Some("quantity") => Amount::parse(text).err().map(str::to_owned),
        Some("edition") => Edition::try_from(text.to_owned()).err().map(str::to_owned),
        Some("pod-security-version") => PodSecurityVersion::try_from(text.to_owned()).err().map(str::to_owned),
        Some("date") => date(text),
        _ => None,
    };
    wrong.map(|message| PolicyError::new(at.clone(), message)).into_iter().collect()
}

/// What is wrong with a date. Other forms of ISO 8601 are refused: not every reader of the file knows them.
fn date(text: &str) -> Option<String> {
    let form = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    (!form || text.parse::<jiff::civil::Date>().is_err()).then(|| "is no date; write YYYY-MM-DD".to_owned())
}

fn number(schema: &Value, value: &Value, at: &Path) -> Vec<PolicyError> {
    if schema.get("format").and_then(Value::as_str) == Some("quantity") {
        return text(schema, &value.to_string(), at);
    }
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (f64::from(i32::MIN), f64::from(i32::MAX)),
        Some("uint32") => (0.0, f64::from(u32::MAX)),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    let border = |key: &str| schema.get(key).and_then(Value::as_f64);
    let (least, most) = (border("minimum").unwrap_or(least), border("maximum").unwrap_or(most));
    let wrong = match value.as_f64() {
        Some(number) if number < least => format!("must be at least {least}"),
        Some(number) if number > most => format!("must be at most {most}"),
        _ => return Vec::new(),
    };
    vec![PolicyError::new(at.clone(), wrong)]
}

fn limit(schema: &Value, key: &str) -> usize {
    schema.get(key).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0)
}

fn unknown(what: &str, name: &str, known: &[&str], at: Path) -> PolicyError {
    let mut message = format!("unknown {what} {}", quoted(name));
    if let Some(suggestion) = suggest(name, known.iter().copied()) {
        message.push_str(&format!("; did you mean `{suggestion}`?"));
    } else if known.len() <= 12 {
        message.push_str(&format!("; it must be {}", listed(known)));
    }
    PolicyError::new(at, message)
}

fn wrong_type(types: &[&str], value: &Value, at: &Path) -> PolicyError {
    let mut words: Vec<&str> = Vec::new();
    for word in types.iter().filter(|name| **name != "null").map(|name| word(name)) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    // YAML makes a number of `edition: 0.1` and a boolean of `value: yes`.
    let quotes = types.contains(&"string") && (value.is_number() || value.is_boolean());
    let hint = if quotes { "; put it in quotes" } else { "" };
    PolicyError::new(at.clone(), format!("must be {}, not {}{hint}", either(&words), kind_of(value)))
}

fn word(type_name: &str) -> &str {
    match type_name {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        "object" => "a mapping",
        other => other,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The values that are text. `false` beside `off` is for YAML's sake and not told.
fn texts<'a>(values: &[&'a Value]) -> Vec<&'a str> {
    values.iter().filter_map(|value| value.as_str()).collect()
}

fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    either(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn either(words: &[&str]) -> String {
    match words {
        [] => "absent".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
