//! What is shipped, as it is shipped: `deploy/install.yaml` and the chart applied to a real control plane, and the webhook in
//! pods that a real kubelet runs. It comes up on the rights, the confinement and the credentials that the manifests give it,
//! and does what it is for; what ends, replaces or removes it never keeps a pod from being created.
//!
//! Three things stand in. The image is put together here and imported, as the Dockerfile needs a registry to begin with; it has
//! the same program, name, user and entry point. In the place of kube-proxy the API server calls the Service's endpoints itself,
//! and the one Service that our pods call is sent on by the harness. And no network plugin here knows NetworkPolicies.

#![allow(clippy::unwrap_used, reason = "tests fail by it")]

mod glass;
mod install;
mod loss;
mod policies;
mod stage;

use crate::stage::Stage;

/// One test, as each step stands on those before it.
#[tokio::test]
async fn what_is_shipped_runs_on_a_real_node() {
    let stage = Stage::start().await;
    let plain = policies::create_unseen(&stage).await;
    install::comes_up(&stage).await;
    policies::observing_changes_nothing(&stage, &plain).await;
    policies::warning_repairs_one_namespace(&stage).await;
    policies::denying_refuses_in_one_namespace(&stage).await;
    // Before anything is killed, after which another may come to lead at any time.
    install::applying_again_changes_nothing(&stage).await;
    loss::a_killed_container_fails_no_create(&stage).await;
    loss::a_rollout_misses_no_pod(&stage).await;
    loss::new_values_take_effect_and_keep_the_authority(&stage).await;
    glass::breaks_and_is_mended(&stage).await;
    install::used_the_rights_that_it_has(&stage);
}
