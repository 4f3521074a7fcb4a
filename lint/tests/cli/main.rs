//! The command line from outside: the real binary for what a process has, the seam for the rest.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod examples;
mod fix;
mod help;
mod input;
mod labels;
mod lint;
mod policy;
mod support;
