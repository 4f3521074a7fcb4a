//! Rules on CPU, memory, accelerators and shared memory.

pub mod accelerator_limit_mismatch;
pub mod missing_memory_limit;
pub mod missing_requests;
mod sizes;
pub mod small_shared_memory;
