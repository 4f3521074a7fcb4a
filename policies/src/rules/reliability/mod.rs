//! Rules on starting, serving and healing.

mod autoscalers;
pub mod checkpoint_on_empty_dir;
pub mod competing_autoscalers;
pub mod liveness_without_startup_budget;
pub mod missing_job_ttl;
pub mod missing_liveness_probe;
pub mod missing_readiness_probe;
pub mod missing_startup_probe;
pub mod model_cache_on_container_filesystem;
pub mod overlapping_cron_jobs;
mod probes;
pub mod progress_deadline_before_startup;
pub mod read_only_root_with_accelerator;
pub mod replicas_under_autoscaler;
pub mod resource_scaled_accelerator_server;
pub mod short_checkpoint_grace;
pub mod sidecar_outlives_job;
pub mod unpinned_model_revision;
pub mod unspread_replicas;
pub mod unwritable_model_directory;
pub mod weights_per_replica;
