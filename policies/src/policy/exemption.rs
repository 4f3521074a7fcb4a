//! Exemptions: what a Policy lets pass, and what comes of one that has ended.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{Glob, RuleName};
use crate::rule::{Rule, Severity};

/// One exemption. What is left out of `namespaces`, `kinds` and `names` covers all.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exemption {
    /// The rules and categories that are let pass.
    #[schemars(length(min = 1))]
    pub rules: Vec<RuleName>,
    /// In which namespaces, as globs on their names.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub namespaces: Option<Vec<Glob>>,
    /// For which kinds of object, such as `DaemonSet` and `Pod`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub kinds: Option<Vec<String>>,
    /// For which objects, as globs on their names. The pods of a workload have names of their own: end the glob with `*`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub names: Option<Vec<Glob>>,
    /// Why.
    #[schemars(length(min = 1))]
    pub reason: String,
    /// The last day on which it holds (in UTC), as `YYYY-MM-DD`; for good when left out.
    #[serde(default)]
    pub until: Option<Date>,
    /// What becomes of the findings when that day is over.
    #[serde(default)]
    pub on_expiry: OnExpiry,
}

/// What becomes of the findings that an exemption covered once it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// They come back as warnings, so that no rollout stops on a date.
    #[default]
    Warn,
    /// They come back at full severity.
    Deny,
}

/// The object that an exemption is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its namespace; `None` when unknown or when it has none.
    pub namespace: Option<&'a str>,
    /// Its kind.
    pub kind: &'a str,
    /// Its name, or what its generated name begins with; empty when unknown.
    pub name: &'a str,
}

/// What an exemption says of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// It is let pass.
    Exempted {
        /// Why.
        reason: String,
        /// The last day; `None` for good.
        until: Option<Date>,
    },
    /// It was let pass until a day that is over.
    Expired {
        /// Why it was.
        reason: String,
        /// The last day it was.
        until: Date,
        /// The severity that the finding has at most now; `None` for its full one.
        severity: Option<Severity>,
    },
}

impl Exemption {
    /// Whether `rule` on `subject` is covered, be it still or no longer.
    pub(super) fn covers(&self, rule: &Rule, subject: &Subject<'_>) -> bool {
        self.rules.iter().any(|name| name.0 == rule.name || name.0 == rule.category.as_str())
            && fits(self.namespaces.as_deref(), subject.namespace)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == subject.kind))
            && fits(self.names.as_deref(), Some(subject.name).filter(|name| !name.is_empty()))
    }

    /// What it says on the day `today`, given that it covers the finding.
    pub(super) fn on(&self, today: Date) -> Exempt {
        let reason = self.reason.clone();
        match self.until {
            Some(until) if until < today => {
                let severity = match self.on_expiry {
                    OnExpiry::Warn => Some(Severity::Warning),
                    OnExpiry::Deny => None,
                };
                Exempt::Expired { reason, until, severity }
            }
            until => Exempt::Exempted { reason, until },
        }
    }
}

impl Exempt {
    /// How good it is for the workload: with several exemptions the best counts, as none may take away what another
    /// gives.
    pub(super) fn grace(&self) -> u8 {
        match self {
            Self::Exempted { .. } => 2,
            Self::Expired { severity: Some(_), .. } => 1,
            Self::Expired { severity: None, .. } => 0,
        }
    }
}

/// Whether one of `globs` fits `name`. A name that is not known fits only where all do.
pub(super) fn fits(globs: Option<&[Glob]>, name: Option<&str>) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.is_all() || name.is_some_and(|name| glob.matches(name))))
}
