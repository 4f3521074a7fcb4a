//! A real cluster on loopback for tests: etcd, API server, controller manager and scheduler as processes, nodes by kwok,
//! and the webhook under test beside them.
//!
//! # Code map
//! - [`Cluster`], [`Options`]: starts and stops it, gives clients, kubeconfigs and kubectl.
//! - [`shared`]: one cluster for all tests of a process that break nothing; each has its namespaces.
//! - [`Webhook`], [`Registration`]: the binary under test as a process, and how the API server comes to call it.
//! - [`Neighbour`]: another mutating webhook, before ours or after it.
//! - `node` (feature `node`): a kubelet and a containerd, on which pods really run.
//! - [`Process`], [`ToolSet`], [`Authority`], [`free_port`]: what all of these are made of; also for more of the kind.
//!
//! Everything here panics when it fails, with the tails of the logs, as tests do. Nothing outlives the test process.

mod certificates;
mod go;
mod kubeconfig;
mod kubectl;
mod kwok;
mod neighbour;
mod networks;
#[cfg(feature = "node")]
pub mod node;
mod objects;
mod options;
mod ports;
mod process;
mod reaper;
mod registration;
mod shared;
mod start;
mod tools;
mod wait;
mod webhook;

pub use certificates::{Authority, Pair};
pub use kubeconfig::Credentials;
pub use kubectl::Output;
pub use neighbour::Neighbour;
pub use options::Options;
pub use ports::{free_address, free_port, host_address};
pub use process::Process;
pub use registration::Registration;
pub use shared::{Shared, shared};
pub use start::Cluster;
pub use tools::{CONTROL_PLANE, HELM, KUBELET, KWOK, ToolSet, cache};
pub use wait::{eventually, holds};
pub use webhook::{Webhook, WebhookOptions, binary};
