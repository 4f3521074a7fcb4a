//! Serving certificates of the webhook: from files that may change, or by an authority of its own that lives in a Secret.
//!
//! - [`Identity`] is a chain with its key, [`Served`] the one that is served now, [`server_config`] the TLS side of a
//!   server; [`ClientAuthority`] lets in only some clients.
//! - [`Files`] follows a pair of files.
//! - [`authority`] is the pure part of the built-in authority: which certificates are made, trusted and signed with at
//!   what time.
//! - [`cluster`] does what that says: in the Secret, and in the `caBundle` of the webhook configurations, by the one
//!   replica that [`cluster::Election`] makes the leader.
//! - [`Events`] tells of all of it.
//!
//! What must hold: a serving certificate is never worse than the one before; no private key of a serving certificate of
//! the built-in authority leaves the memory; no key reaches a log or an error; every serving certificate that a replica
//! may show is trusted by every `caBundle` that an API server may know.

pub mod authority;
mod client;
pub mod cluster;
mod error;
mod event;
mod files;
mod identity;
mod served;
mod validity;

pub use client::ClientAuthority;
pub use error::CertsError;
pub use event::{Event, Events, Observer, Subject};
pub use files::{Files, POLL};
pub use identity::Identity;
pub use served::{Served, server_config};
pub use validity::Validity;
