//! Rules on money spent for nothing.

pub mod idle_training_accelerators;
