//! Paths of a server that are not fit for a probe, or that take their time to answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, is_default};

/// Why a path is not fit for a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unfit {
    /// What is wrong with it, as the end of a sentence about the path.
    pub why: String,
    /// The probes for which it is not fit; all of them when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probes: Vec<ProbeKind>,
    /// Whether it is so only once callers must say who they are, and each probe without credentials then fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guarded: bool,
    /// Whether a probe does no harm there, and only tells less than it could.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mild: bool,
}

/// The three probes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProbeKind {
    /// Holds the others back until it succeeds.
    Startup,
    /// Takes the pod out of rotation while it fails.
    Readiness,
    /// Restarts the container when it fails.
    Liveness,
}

/// A path that a healthy server takes its time to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slow {
    /// The path.
    pub path: String,
    /// Seconds below which a probe fails on a healthy server.
    pub least_timeout_seconds: u32,
    /// What the server does there, as the end of a sentence about the path.
    pub why: String,
    /// Settings that make it answer at once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unless: Condition,
}
