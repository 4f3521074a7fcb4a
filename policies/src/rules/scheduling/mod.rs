//! Rules on where pods can run.

pub mod accelerator_node_selector_mismatch;
mod claims;
pub(crate) mod demand;
pub mod gang_without_scheduler;
pub mod gpu_node_without_accelerator;
pub mod gpu_toleration_missing;
pub mod invalid_toleration;
mod labels;
pub mod mistyped_toleration;
pub mod rollout_waits_for_volume;
pub mod shared_read_write_once_claim;
pub(crate) mod spot;
pub mod spot_grace_exceeded;
pub(crate) mod surge;
pub mod surge_needs_spare_accelerators;
pub mod surplus_gpu_toleration;
mod tolerations;
pub mod tpu_topology_missing;
pub mod undefined_priority_class;
pub mod unhealthy_node_toleration;
pub mod unrollable_placement;
pub mod untolerated_flavor;
