//! What a workload is there for: the [`Role`] that decides which rules and which repairs fit it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a workload is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers requests with a model.
    Inference,
    /// Answers requests with vectors or ranks.
    Embedding,
    /// Makes or tunes a model and ends.
    Training,
    /// Works through data or measures, and ends.
    Batch,
    /// Serves one person's interactive session.
    Notebook,
    /// Stores and searches vectors.
    VectorDb,
    /// Passes requests on to model servers.
    Gateway,
    /// Serves the platform: drivers, exporters, operators, registries.
    Infrastructure,
    /// Nothing to do with AI as far as can be seen.
    #[default]
    None,
}

impl Role {
    /// The word as it stands in a Policy and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Embedding => "embedding",
            Self::Training => "training",
            Self::Batch => "batch",
            Self::Notebook => "notebook",
            Self::VectorDb => "vector-db",
            Self::Gateway => "gateway",
            Self::Infrastructure => "infrastructure",
            Self::None => "none",
        }
    }

    /// Whether requests are answered by a model here: what probes, drains and budgets are for.
    pub fn serves_a_model(self) -> bool {
        matches!(self, Self::Inference | Self::Embedding)
    }

    /// Whether it is a part of AI, and not of the platform around it.
    pub(crate) fn is_of_ai(self) -> bool {
        !matches!(self, Self::Infrastructure | Self::None)
    }

    /// Whether the work ends by itself, so that probes and budgets do not fit.
    pub fn ends(self) -> bool {
        matches!(self, Self::Training | Self::Batch)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
