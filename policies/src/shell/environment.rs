//! The environment of a container as far as its manifest and its script tell, and how the kubelet puts it into `command`
//! and `args`.
//!
//! Source: `k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go`.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use super::Word;

/// The text that stands for the pod's own address, which is known to be reachable though its value is not.
pub(crate) const POD_ADDRESS: &str = "status.podIP";

/// What is known of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<'s> {
    /// It has this value.
    Set(&'s str),
    /// It is, or may be, set, and its value comes from elsewhere.
    Unknown,
    /// The manifest does not set it; the image or `envFrom` may.
    Unset,
}

/// How much the variables and parameters of one container may grow to. A few short variables that name each other double
/// with each step, so that without a border thirty of them fill the memory.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Cell<usize>,
    words: Cell<usize>,
    changes: Cell<usize>,
    spent: Cell<bool>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: Cell::new(256 * 1024),
            words: Cell::new(10_000),
            changes: Cell::new(1_000),
            spent: Cell::new(false),
        }
    }
}

impl Budget {
    fn take(&self, from: &Cell<usize>, amount: usize) -> bool {
        match from.get().checked_sub(amount) {
            Some(left) => from.set(left),
            None => self.spent.set(true),
        }
        !self.spent.get()
    }

    /// Whether a value of so many bytes may still be put in.
    pub(super) fn word(&self, bytes: usize) -> bool {
        self.take(&self.words, 1) && self.take(&self.bytes, bytes)
    }

    /// Whether something was left out.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.get()
    }
}

/// The variables of a container, or those that one of its programs gets.
#[derive(Clone, Debug, Default)]
pub struct Environment<'a> {
    container: Rc<Container<'a>>,
    /// What the script and its commands made of them, the last first.
    changes: Option<Rc<Change>>,
}

/// What the manifest sets.
#[derive(Debug, Default)]
struct Container<'a> {
    variables: HashMap<&'a str, Option<Cow<'a, str>>>,
    open: bool,
    budget: Budget,
}

/// What became of a variable.
#[derive(Debug)]
struct Change {
    /// The variable; `None` for all of them.
    name: Option<String>,
    /// What the shell knows it as; `None` when that cannot be told.
    shell: Option<String>,
    /// What a program gets to see of it.
    program: Seen,
    before: Option<Rc<Change>>,
}

/// What a program sees of a variable that the shell has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// What the shell knows.
    Shell,
    /// It may see the shell's value, another or none.
    Unknown,
}

impl<'a> Container<'a> {
    fn get(&self, name: &str) -> Setting<'_> {
        match self.variables.get(name) {
            Some(Some(value)) => Setting::Set(value),
            Some(None) => Setting::Unknown,
            None => Setting::Unset,
        }
    }

    fn expand<'t>(&self, text: &Cow<'t, str>) -> Word<'t> {
        let braces = text.contains("{{");
        if !text.contains('$') {
            return Word { text: text.clone(), known: !braces };
        }
        let (mut out, mut known, mut rest) = (String::with_capacity(text.len()), !braces, text.as_ref());
        let mut closes = true;
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let inner = rest.strip_prefix('(').filter(|_| closes);
            let Some((name, after)) = inner.and_then(|inner| inner.split_once(')')) else {
                // Without a bracket to come there is none for those after it either: to look each time would take the
                // square of the length.
                closes &= inner.is_none();
                out.push('$');
                continue;
            };
            match self.get(name) {
                Setting::Set(value) if self.budget.word(value.len()) => out.push_str(value),
                Setting::Set(_) | Setting::Unknown | Setting::Unset => {
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

impl<'a> Environment<'a> {
    /// Reads `env` and `envFrom` of a container.
    pub fn of(container: &'a Value) -> Self {
        let list = |key: &str| container.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut own = Container { open: !list("envFrom").is_empty(), ..Container::default() };
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
                    let word = own.expand(&Cow::Borrowed(value.as_str()));
                    word.known.then_some(word.text)
                }
                // What is no text does not pass the API server; nothing is known of it.
                (None, Some(_)) => None,
            };
            own.variables.insert(name, value);
        }
        Self { container: Rc::new(own), changes: None }
    }

    fn changes(&self) -> impl Iterator<Item = &Change> {
        std::iter::successors(self.changes.as_deref(), |change| change.before.as_deref())
    }

    /// The last change of this variable, if any.
    fn change(&self, name: &str) -> Option<&Change> {
        self.changes().find(|change| change.name.as_deref().is_none_or(|changed| changed == name))
    }

    /// What is known of a variable to the program.
    pub fn get(&self, name: &str) -> Setting<'_> {
        match self.change(name) {
            Some(Change { program: Seen::Shell, shell: Some(value), .. }) => Setting::Set(value),
            Some(_) => Setting::Unknown,
            None => self.container.get(name),
        }
    }

    /// What the shell itself puts in place of a variable; nobody but it knows what is not exported.
    pub(super) fn shell(&self, name: &str) -> Option<&str> {
        match self.change(name) {
            Some(change) => change.shell.as_deref(),
            None => match self.container.get(name) {
                Setting::Set(value) => Some(value),
                Setting::Unknown | Setting::Unset => None,
            },
        }
    }

    fn push(&mut self, name: Option<&str>, shell: Option<String>, program: Seen) {
        let budget = self.budget();
        if !budget.take(&budget.changes, 1) {
            return;
        }
        let before = self.changes.take();
        self.changes = Some(Rc::new(Change { name: name.map(str::to_owned), shell, program, before }));
    }

    /// Gives the program this variable; `None` for a value that cannot be told.
    pub(super) fn export(&mut self, name: &str, value: Option<String>) {
        self.push(Some(name), value, Seen::Shell);
    }

    /// Sets a variable of the shell. A program sees it only where the variable was given to programs before; the image
    /// may have done that too.
    pub(super) fn assign(&mut self, name: &str, value: Option<String>) {
        if self.budget().is_spent() {
            return;
        }
        let exported = match self.change(name) {
            Some(change) => change.program == Seen::Shell,
            None => self.container.get(name) != Setting::Unset,
        };
        self.push(Some(name), value, if exported { Seen::Shell } else { Seen::Unknown });
    }

    /// Makes a variable one whose value cannot be told.
    pub(super) fn forget(&mut self, name: &str) {
        self.push(Some(name), None, Seen::Unknown);
    }

    /// Makes every variable one whose value cannot be told.
    pub(super) fn forget_all(&mut self) {
        self.push(None, None, Seen::Unknown);
    }

    /// Takes back to unknown all that changed since `mark`, which is an earlier state of this environment.
    pub(super) fn forget_since(&mut self, mark: &Self) {
        let until = mark.changes.as_ref().map(Rc::as_ptr);
        let changed: Vec<Option<String>> = self
            .changes()
            .take_while(|change| until.is_none_or(|until| !std::ptr::eq(*change, until)))
            .map(|change| change.name.clone())
            .collect();
        self.changes.clone_from(&mark.changes);
        for name in changed {
            self.push(name.as_deref(), None, Seen::Unknown);
        }
    }

    /// What the variables of the container may still grow by.
    pub(super) fn budget(&self) -> &Budget {
        &self.container.budget
    }

    /// Whether more variables come from a ConfigMap or Secret (`envFrom`) and cannot be seen.
    pub fn is_open(&self) -> bool {
        self.container.open
    }

    /// The names of the variables that the manifest sets.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.container.variables.keys().copied()
    }

    /// `text` with each `$(VAR)` in place as the kubelet does it: `$$` is a dollar sign, and a name that is not set stays
    /// as it is written.
    pub(super) fn expand<'t>(&self, text: &Cow<'t, str>) -> Word<'t> {
        self.container.expand(text)
    }
}
