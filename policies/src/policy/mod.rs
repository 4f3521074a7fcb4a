//! The Policy: the document in which an organisation says what Buttress judges, repairs and refuses, and what is in force
//! for one namespace when several such documents, and none, lie over each other.
//!
//! A [`Policy`] comes from a value, so that the file of the linter and the custom resource of the webhook are read alike
//! and every mistake in them is told at once, with its place. An [`Effective`] is what the engine asks.

mod document;
mod exemption;
mod injection;
mod layers;
mod names;
mod schema;
mod validate;
mod walk;

pub use document::{
    Allow, AllowWord, Annotations, ApiVersion, DocumentKind, Edition, Enforcement, Glob, Metadata, PodSecurity,
    PodSecurityLevel, PodSecuritySettings, PodSecurityVersion, Policy, Preset, RuleName, RuleSettings, SeveritySetting,
    Spec,
};
pub use exemption::{Exempt, Exemption, OnExpiry, Subject};
pub use injection::{
    Amount, Injection, Limit, PerAccelerator, Requests, Size, Sizes, StartupBudget, TaintEffect, Toleration,
    TolerationOperator,
};
pub use layers::{Conflict, Effective, Source, matching};
pub use names::{UnknownName, resolve};
pub use schema::schema;
pub use validate::PolicyError;

#[cfg(test)]
mod testing;
