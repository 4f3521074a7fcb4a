//! What the tests over all of Buttress share: where manifests come from, how the API server would default them, and a
//! seeded source of random objects.

pub mod corpus;
pub mod defaulting;
pub mod laws;
pub mod manifests;
pub mod marks;
pub mod random;
