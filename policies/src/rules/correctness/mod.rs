//! Rules on what would be refused or ignored.

pub mod indexed_job_without_completions;
pub mod invalid_job_restart_policy;
pub mod missing_selector;
pub mod mpi_processes_above_slots;
pub mod parallelism_above_completions;
pub mod selector_mismatch;
mod selectors;
pub mod service_link_collision;
pub mod undeclared_resource_claim;
pub mod undefined_variable_reference;
pub mod unexpanded_variable;
pub mod unexplained_exemption;
pub mod unrendered_expression;
mod variables;
