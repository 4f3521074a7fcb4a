//! The annotation that tells what the webhook put into a pod: which repairs, under which Policies, by which version.

use buttress_policies::edit::Edit;
use buttress_policies::finding::Finding;
use buttress_policies::path::Path;
use buttress_policies::policy::Effective;
use buttress_policies::rules::RULES;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The key of the annotation.
pub const ANNOTATION: &str = "buttress.dev/injected";

/// The most repairs that are taken over from an earlier annotation: it may be forged.
const MAX_EARLIER: usize = 200;

/// What the annotation holds, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// The version of Buttress.
    pub version: String,
    /// The Policies in force, in the order in which they apply; in a cluster each with its generation, as in `ml@3`.
    #[serde(default)]
    pub policy: Vec<String>,
    /// The repairs.
    pub repairs: Vec<Injection>,
}

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Injection {
    /// The rule whose finding was repaired.
    pub rule: String,
    /// Where it was found, as a JSON Pointer.
    pub path: String,
}

/// Where the annotation lies.
pub(crate) fn path() -> Path {
    Path::parse("/metadata/annotations").key(ANNOTATION)
}

impl Injected {
    /// Reads the annotation of a pod; `None` when it has none, or not one of ours.
    pub fn of(pod: &Value) -> Option<Self> {
        serde_json::from_str(path().get(pod)?.as_str()?).ok()
    }

    /// What is to be said of `applied` on `pod`. When the API server calls again because another webhook changed the
    /// pod, what was said the first time stays.
    pub(crate) fn new(pod: &Value, applied: &[&Finding], policy: &Effective) -> Self {
        let earlier = Self::of(pod).map(|injected| injected.repairs).unwrap_or_default();
        let mut repairs: Vec<Injection> =
            earlier
                .into_iter()
                .filter(|repair| RULES.iter().any(|rule| rule.name == repair.rule))
                .filter(|repair| pod.pointer(&repair.path).is_some())
                .take(MAX_EARLIER)
                .chain(applied.iter().map(|finding| Injection {
                    rule: finding.rule.name.to_owned(),
                    path: finding.at.as_str().to_owned(),
                }))
                .collect();
        repairs.sort();
        repairs.dedup();
        let sources = policy.sources().iter().map(|source| match source.generation {
            Some(generation) => format!("{}@{generation}", source.name),
            None => source.name.clone(),
        });
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), policy: sources.collect(), repairs }
    }

    /// The edit that writes the annotation.
    pub(crate) fn edit(&self) -> Option<Edit> {
        let text = serde_json::to_string(self).ok()?;
        Some(Edit::Set { path: path(), value: Value::String(text) })
    }
}
