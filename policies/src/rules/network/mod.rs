//! Rules on Services and network policies.

pub mod network_policy_blocks_service;
pub mod unmatched_namespace_selector;
