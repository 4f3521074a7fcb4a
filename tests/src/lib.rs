//! What the tests over all of Buttress share: where manifests come from, how the API server would default them, a
//! seeded source of random objects, and, with the feature `cluster`, a real control plane.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod corpus;
pub mod defaulting;
pub mod laws;
pub mod manifests;
pub mod marks;
pub mod random;
