//! Rules on starting, serving and healing.

pub mod liveness_without_startup_budget;
pub mod missing_liveness_probe;
pub mod missing_readiness_probe;
pub mod missing_startup_probe;
mod probes;
pub mod unspread_replicas;
