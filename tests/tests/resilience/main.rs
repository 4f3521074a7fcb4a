//! Proofs of what happens when something breaks: the webhook, a replica of it, its certificates, its leader, or the API
//! server. Load runs all the while, and each request of it counts.

#![allow(clippy::unwrap_used, reason = "tests fail by it")]

mod api_server;
mod authority;
mod caller;
mod configurations;
mod files;
mod load;
mod outage;
mod rollout;
mod service;
mod support;
