//! Rules on money spent for nothing.

pub mod idle_accelerators;
pub mod idle_training_accelerators;
pub mod unused_resource_claim;
