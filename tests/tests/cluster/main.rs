//! Proofs on a real control plane: what the API server, the scheduler and the controllers make of pods, with Buttress and
//! without it.

#![allow(clippy::unwrap_used, reason = "tests fail by it")]

mod authority;
mod chart;
mod harness;
mod limits;
mod registration;
mod repairs;
mod sidecars;
mod support;
mod verdicts;
