//! Proofs on a real control plane of what an installation brings along: the Policy resource, its status, and the facts of
//! the cluster that verdicts depend on.

#![allow(clippy::unwrap_used, reason = "tests fail by it")]

mod facts;
mod policies;
mod support;
