//! The environment of a container as far as its manifest tells, and how the kubelet puts it into `command` and `args`.
//!
//! Source: `k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go`.

use std::borrow::Cow;

use serde_json::Value;

use super::Word;

/// The text that stands for the pod's own address, which is known to be reachable though its value is not.
pub(crate) const POD_ADDRESS: &str = "status.podIP";

/// What is known of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<'s> {
    /// It has this value.
    Set(&'s str),
    /// It is set, but its value comes from elsewhere.
    Unknown,
    /// The manifest does not set it; the image or `envFrom` may.
    Unset,
}

/// The variables of a container.
#[derive(Clone, Debug, Default)]
pub struct Environment<'a> {
    variables: Vec<(&'a str, Option<Cow<'a, str>>)>,
    open: bool,
}

impl<'a> Environment<'a> {
    /// Reads `env` and `envFrom` of a container.
    pub fn of(container: &'a Value) -> Self {
        let list = |key: &str| container.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut environment = Self { variables: Vec::new(), open: !list("envFrom").is_empty() };
        for variable in list("env") {
            let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
            let from = variable.get("valueFrom").filter(|from| !from.is_null());
            let value = match (from, variable.get("value")) {
                (Some(from), _) => match from.pointer("/fieldRef/fieldPath").and_then(Value::as_str) {
                    Some("status.podIP" | "status.podIPs") => Some(Cow::Borrowed(POD_ADDRESS)),
                    _ => None,
                },
                (None, None | Some(Value::Null)) => Some(Cow::Borrowed("")),
                (None, Some(Value::String(value))) => {
                    let word = environment.expand(&Cow::Borrowed(value.as_str()));
                    word.known.then_some(word.text)
                }
                // What is no text does not pass the API server; nothing is known of it.
                (None, Some(_)) => None,
            };
            environment.set(name, value);
        }
        environment
    }

    /// Adds a variable, or takes the place of what it was.
    pub(super) fn set(&mut self, name: &'a str, value: Option<Cow<'a, str>>) {
        match self.variables.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.variables.push((name, value)),
        }
    }

    /// What is known of a variable.
    pub fn get(&self, name: &str) -> Setting<'_> {
        match self.variables.iter().find(|(known, _)| *known == name) {
            Some((_, Some(value))) => Setting::Set(value),
            Some((_, None)) => Setting::Unknown,
            None => Setting::Unset,
        }
    }

    /// Whether more variables come from a ConfigMap or Secret (`envFrom`) and cannot be seen.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The names of the variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.variables.iter().map(|(name, _)| *name)
    }

    /// `text` with each `$(VAR)` in place as the kubelet does it: `$$` is a dollar sign, and a name that is not set stays
    /// as it is written.
    pub(super) fn expand<'t>(&self, text: &Cow<'t, str>) -> Word<'t> {
        let braces = text.contains("{{");
        if !text.contains('$') {
            return Word { text: text.clone(), known: !braces };
        }
        let (mut out, mut known, mut rest) = (String::with_capacity(text.len()), !braces, text.as_ref());
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) else {
                out.push('$');
                continue;
            };
            match self.get(name) {
                Setting::Set(value) => out.push_str(value),
                Setting::Unknown | Setting::Unset => {
                    known = false;
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        }
        out.push_str(rest);
        Word { text: Cow::Owned(out), known }
    }
}
