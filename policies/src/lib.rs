//! The engine of Buttress: what is wrong with a Kubernetes object that runs AI, and how to repair it.
//!
//! [`check()`] judges one object, [`repair()`] mends it. Both front doors, the linter and the admission webhook, call these
//! two and nothing else, so they cannot disagree.
//!
//! # Code map
//! - [`object`], [`workload`], [`container`], [`node`]: an untyped object, its pods and containers, and places in it.
//! - [`invocation`], [`shell`], [`image`]: what a container is told to run.
//! - [`job`]: the Job around a template of pods.
//! - [`catalog`], [`profile`]: what is known of runtimes, accelerators and kinds, and what of it runs in a pod.
//! - [`rules`]: one file a rule; [`rule`], [`finding`], [`edit`]: what a rule is and says.
//! - [`disruption`], [`rollout`]: the arithmetic of budgets and of rolling updates.
//! - [`policy`], [`inventory`], [`context`]: what a rule may know besides the object.
//! - [`mod@check`], [`mod@repair`]: all rules on one object, and the loop that repairs it.
//!
//! # Invariants
//! 1. Nothing here does I/O, reads a clock or the environment, or spawns anything; the date comes in by
//!    [`context::Context`]. Neither YAML text, HTTP nor AdmissionReview is known here.
//! 2. A rule cannot fail and cannot panic: a field of the wrong type is absent to it.
//! 3. One iterator visits init, sidecar, regular and ephemeral containers.
//! 4. The object stays untyped, so fields newer than this crate survive, and custom resources work as built-ins do.
//! 5. A value that can be neither derived nor configured is never invented; the finding says what a human must decide.
//! 6. An unsure fact of the catalog may be used to look, never to patch.
//! 7. A safe fix sets what is absent, or appends. It never replaces what the author wrote.

pub mod catalog;
pub mod check;
pub mod container;
pub mod context;
pub mod disruption;
pub mod edit;
pub mod finding;
pub mod image;
pub mod inventory;
pub mod invocation;
pub mod job;
pub mod node;
pub mod object;
pub mod path;
pub mod policy;
pub mod profile;
pub mod quantity;
pub mod repair;
pub mod rollout;
pub mod rule;
pub mod rules;
pub mod selector;
pub mod shell;
pub mod workload;

pub use check::{check, check_object};
pub use repair::{Repaired, repair};
