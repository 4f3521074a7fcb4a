//! The rules, one file each.
//!
//! To add one: copy a neighbour, change it, add it to [`RULES`] and to its category's `mod.rs`, and put fixtures into
//! `tests/fixtures/<name>/`.

use crate::rule::Rule;

pub mod api;
pub mod correctness;
pub mod cost;
pub mod disruption;
pub mod images;
pub mod network;
pub mod pod_security;
pub mod reliability;
pub mod resources;
pub mod scheduling;
pub mod secrets;
pub mod security;

/// Every rule, in the order of their names.
pub static RULES: &[&Rule] = &[
    &reliability::abrupt_shutdown::RULE,
    &resources::accelerator_in_init_container::RULE,
    &resources::accelerator_limit_mismatch::RULE,
    &scheduling::accelerator_node_selector_mismatch::RULE,
    &resources::accelerator_quota_exceeded::RULE,
    &resources::accelerators_in_several_containers::RULE,
    &images::always_pulled_image::RULE,
    &disruption::blocking_disruption_budget::RULE,
    &reliability::checkpoint_on_empty_dir::RULE,
    &secrets::committed_secret::RULE,
    &reliability::competing_autoscalers::RULE,
    &api::deprecated_kustomize_field::RULE,
    &disruption::disruption_counts_as_failure::RULE,
    &disruption::evictable_training::RULE,
    &images::floating_image_tag::RULE,
    &scheduling::gang_without_scheduler::RULE,
    &scheduling::gpu_node_without_accelerator::RULE,
    &scheduling::gpu_toleration_missing::RULE,
    &reliability::grace_shorter_than_drain::RULE,
    &reliability::grace_shorter_than_pre_stop::RULE,
    &pod_security::host_namespaces::RULE,
    &pod_security::host_path_volume::RULE,
    &cost::idle_accelerators::RULE,
    &cost::idle_training_accelerators::RULE,
    &reliability::impatient_liveness_probe::RULE,
    &correctness::indexed_job_without_completions::RULE,
    &correctness::invalid_job_restart_policy::RULE,
    &scheduling::invalid_toleration::RULE,
    &secrets::literal_secret::RULE,
    &reliability::liveness_equals_readiness::RULE,
    &reliability::liveness_without_startup_budget::RULE,
    &reliability::loopback_server::RULE,
    &resources::memory_volume_above_limit::RULE,
    &disruption::missing_disruption_budget::RULE,
    &reliability::missing_job_ttl::RULE,
    &reliability::missing_liveness_probe::RULE,
    &resources::missing_memory_limit::RULE,
    &reliability::missing_readiness_probe::RULE,
    &resources::missing_requests::RULE,
    &pod_security::missing_seccomp_profile::RULE,
    &correctness::missing_selector::RULE,
    &reliability::missing_startup_probe::RULE,
    &scheduling::mistyped_toleration::RULE,
    &reliability::model_cache_on_container_filesystem::RULE,
    &correctness::mpi_processes_above_slots::RULE,
    &network::network_policy_blocks_service::RULE,
    &security::open_authorization_policy::RULE,
    &reliability::overlapping_cron_jobs::RULE,
    &resources::parallelism_above_accelerators::RULE,
    &correctness::parallelism_above_completions::RULE,
    &resources::parallelism_over_slices::RULE,
    &pod_security::privilege_escalation::RULE,
    &pod_security::privileged_container::RULE,
    &reliability::probe_on_wrong_port::RULE,
    &reliability::probe_scheme_mismatch::RULE,
    &reliability::probe_without_listener::RULE,
    &resources::processes_above_accelerators::RULE,
    &reliability::progress_deadline_before_startup::RULE,
    &reliability::read_only_root_with_accelerator::RULE,
    &api::removed_api::RULE,
    &reliability::replicas_under_autoscaler::RULE,
    &reliability::resource_scaled_accelerator_server::RULE,
    &scheduling::rollout_waits_for_volume::RULE,
    &pod_security::root_user::RULE,
    &correctness::selector_mismatch::RULE,
    &correctness::service_link_collision::RULE,
    &scheduling::shared_read_write_once_claim::RULE,
    &reliability::shell_as_first_process::RULE,
    &reliability::short_checkpoint_grace::RULE,
    &reliability::short_probe_timeout::RULE,
    &reliability::short_startup_budget::RULE,
    &reliability::sidecar_outlives_job::RULE,
    &resources::small_model_cache::RULE,
    &resources::small_shared_memory::RULE,
    &scheduling::spot_grace_exceeded::RULE,
    &secrets::static_cloud_credentials::RULE,
    &scheduling::surge_needs_spare_accelerators::RULE,
    &scheduling::surplus_gpu_toleration::RULE,
    &scheduling::tpu_topology_missing::RULE,
    &security::unauthenticated_public_server::RULE,
    &resources::unbounded_memory_volume::RULE,
    &reliability::undeclared_probe_port::RULE,
    &correctness::undeclared_resource_claim::RULE,
    &scheduling::undefined_priority_class::RULE,
    &correctness::undefined_variable_reference::RULE,
    &pod_security::undropped_capabilities::RULE,
    &correctness::unexpanded_variable::RULE,
    &correctness::unexplained_exemption::RULE,
    &reliability::unfit_probe_endpoint::RULE,
    &scheduling::unhealthy_node_toleration::RULE,
    &network::unmatched_namespace_selector::RULE,
    &reliability::unpinned_model_revision::RULE,
    &correctness::unrendered_expression::RULE,
    &resources::unrequested_accelerator::RULE,
    &scheduling::unrollable_placement::RULE,
    &reliability::unspread_replicas::RULE,
    &scheduling::untolerated_flavor::RULE,
    &cost::unused_resource_claim::RULE,
    &reliability::unwritable_model_directory::RULE,
    &reliability::weights_per_replica::RULE,
    &api::wrong_api_version::RULE,
];

/// The rule of this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.binary_search_by(|rule| rule.name.cmp(name)).ok().map(|at| RULES[at])
}
