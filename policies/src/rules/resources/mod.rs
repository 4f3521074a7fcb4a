//! Rules on CPU, memory, accelerators and shared memory.

pub mod accelerator_in_init_container;
pub mod accelerator_limit_mismatch;
pub mod accelerator_quota_exceeded;
pub mod accelerators_in_several_containers;
pub mod memory_volume_above_limit;
mod memory_volumes;
pub mod missing_memory_limit;
pub mod missing_requests;
mod namespace_bounds;
pub mod parallelism_above_accelerators;
pub mod parallelism_over_slices;
pub(crate) mod processes;
pub mod processes_above_accelerators;
mod sizes;
pub mod small_model_cache;
pub mod small_shared_memory;
pub(crate) mod spread;
pub mod unbounded_memory_volume;
pub mod unrequested_accelerator;
