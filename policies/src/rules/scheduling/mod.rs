//! Rules on where pods can run.

pub mod gpu_toleration_missing;
