//! What a cluster holds that verdicts depend on: the Policies, and facts of other objects, followed by watching.
//!
//! # Code map
//! - [`Cluster`]: the watches; hands out what they saw.
//! - [`Facts`]: the engine's inventory of each namespace, kept up to date.
//! - `policies`, `status`: Policies are checked before they take effect, the last good version stays while a later one has
//!   mistakes, and the status of each says so.
//! - [`crd`]: the CustomResourceDefinition, from the schema of the Policy.
//!
//! # Invariants
//! 1. What was not seen is unknown, never absent, unless the list of its kind is complete.
//! 2. A loss of the API server takes nothing away: verdicts go on by what was last known.
//! 3. No whole object is kept, and no content of an object is logged.

mod crd;
mod facts;
mod pauses;
mod policies;
mod status;
mod watching;

pub use crd::{GROUP, PLURAL, VERSION, crd};
pub use facts::Facts;
pub use watching::{Cluster, Observer};
