//! What a rule says: where something is wrong, in which words, and how to repair it.

use serde::Serialize;
use serde_json::Value;

use crate::edit::Edit;
use crate::path::Path;
use crate::rule::{Rule, Severity};

/// One defect at one place of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// Where. It may be a place where something is missing.
    pub at: Path,
    /// What is wrong here; one line, at most some 200 characters, without object contents that could be secret.
    pub message: String,
    /// How bad it is here: the rule's severity unless the Policy says otherwise, or less where the rule found it milder.
    pub severity: Severity,
    /// How to repair it; `None` where a person must decide.
    pub fix: Option<Fix>,
}

impl Finding {
    /// The same finding with a repair.
    #[must_use]
    pub fn with_fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// The same finding where it is no worse than `severity`. A rule has the severity of the worst that it finds.
    #[must_use]
    pub fn at_most(mut self, severity: Severity) -> Self {
        self.severity = self.severity.min(severity);
        self
    }
}

/// A repair: edits on the object, and whole objects to stand beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// What it does, as an imperative: "tolerate the taint of GPU nodes".
    pub title: String,
    /// Whether it may be made without being asked.
    pub safety: Safety,
    /// The changes, to be made together and in this order.
    pub edits: Vec<Edit>,
    /// Objects to add beside this one. Admission never creates anything and leaves them out.
    pub companions: Vec<Value>,
}

/// Whether a repair may be made without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Safety {
    /// Sets what is absent, or appends, and keeps what the author meant: the webhook and `--fix` make it.
    Safe,
    /// May change behaviour or cost: `--unsafe-fixes` makes it, the webhook never does.
    Unsafe,
}

impl Safety {
    /// The name as users read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
        }
    }
}

impl Fix {
    /// A repair that may be made without being asked.
    pub fn safe(title: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Safe, edits, companions: Vec::new() }
    }

    /// A repair to be made only on request.
    pub fn r#unsafe(title: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self { title: title.into(), safety: Safety::Unsafe, edits, companions: Vec::new() }
    }

    /// A repair that adds an object and changes none.
    pub fn companion(title: impl Into<String>, companion: Value) -> Self {
        Self { title: title.into(), safety: Safety::Safe, edits: Vec::new(), companions: vec![companion] }
    }
}
