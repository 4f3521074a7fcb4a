//! What became of a request, for logs and metrics: names of rules, never a word of the object.

use buttress_policies::policy::Enforcement;
use buttress_policies::rule::Severity;

use crate::request::{Operation, Request};

/// What became of a request.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The hook that was called.
    pub hook: Hook,
    /// The call's identity.
    pub uid: String,
    /// What was asked for.
    pub operation: Operation,
    /// The object's kind.
    pub kind: String,
    /// The resource, with the subresource after a slash.
    pub resource: String,
    /// The namespace; empty outside namespaces.
    pub namespace: String,
    /// Whether nothing was to be stored.
    pub dry_run: bool,
    /// The outcome.
    pub decision: Decision,
    /// What was in force; `None` when nothing was judged.
    pub enforcement: Option<Enforcement>,
    /// What was found, in the order of the rules.
    pub findings: Vec<Verdict>,
    /// The rules whose findings are repaired by the patch or, when it was left out, would have been.
    pub repairs: Vec<&'static str>,
    /// The rules of which the engine withheld a repair because it would have broken a law.
    pub withheld: Vec<&'static str>,
    /// Why a patch was not sent, or why the object was not judged whole.
    pub doubt: Option<Doubt>,
}

/// The webhook's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Repairs pods.
    Mutate,
    /// Warns and refuses.
    Validate,
}

impl Hook {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is none of our business; nothing was judged.
    Skipped,
    /// Nothing to repair, or nothing wrong.
    Clean,
    /// It was judged and recorded, and let pass as it is: the Policy only observes, or there was nothing but advice.
    Observed,
    /// It got a patch.
    Patched,
    /// A patch was not sent, for one of the [`Doubt`]s.
    Withheld,
    /// It passed with warnings.
    Warned,
    /// It was refused.
    Denied,
}

impl Decision {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Clean => "clean",
            Self::Observed => "observed",
            Self::Patched => "patched",
            Self::Withheld => "withheld",
            Self::Warned => "warned",
            Self::Denied => "denied",
        }
    }
}

/// One finding and what was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule.
    pub rule: &'static str,
    /// How bad it is here.
    pub severity: Severity,
    /// What was made of it.
    pub outcome: Outcome,
}

/// What was made of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The request was refused for it.
    Denied,
    /// The request passed with a warning of it.
    Warned,
    /// It was recorded only.
    Observed,
}

impl Outcome {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Warned => "warned",
            Self::Observed => "observed",
        }
    }
}

/// Why a patch was not sent although there was something to repair, or may have been. All but the last two are defects
/// of Buttress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// `add` operations alone cannot make the repair.
    Inexpressible,
    /// The patch does not apply to the object.
    Inapplicable,
    /// The patched object is not the repaired one.
    Different,
    /// The patch changes what the author wrote.
    Overwriting,
    /// The patched object would be patched again.
    Restless,
    /// The pod's metadata is of the wrong type, so that there is no place to tell of repairs. The API server lets no such
    /// pod come this far.
    Misshapen,
    /// The object has more containers, items or keys than any that runs, and to judge it whole would take too long.
    Oversized,
}

impl Doubt {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inexpressible => "inexpressible",
            Self::Inapplicable => "inapplicable",
            Self::Different => "different",
            Self::Overwriting => "overwriting",
            Self::Restless => "restless",
            Self::Misshapen => "misshapen",
            Self::Oversized => "oversized",
        }
    }

    /// Whether it is a defect of Buttress and not of the object.
    pub fn is_defect(self) -> bool {
        !matches!(self, Self::Misshapen | Self::Oversized)
    }
}

impl Summary {
    /// The summary of a request of which nothing was judged yet.
    pub(crate) fn new(hook: Hook, request: &Request<'_>) -> Self {
        let resource = match (request.resource.as_str(), request.subresource.as_str()) {
            (resource, "") => resource.to_owned(),
            (resource, subresource) => format!("{resource}/{subresource}"),
        };
        Self {
            hook,
            uid: request.uid.clone(),
            operation: request.operation,
            kind: request.kind.clone(),
            resource,
            namespace: request.namespace.clone(),
            dry_run: request.dry_run,
            decision: Decision::Skipped,
            enforcement: None,
            findings: Vec::new(),
            repairs: Vec::new(),
            withheld: Vec::new(),
            doubt: None,
        }
    }
}
