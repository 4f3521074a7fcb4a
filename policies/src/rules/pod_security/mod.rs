//! Rules after controls of the Pod Security Standards.

use crate::context::Context;
use crate::policy::PodSecurityLevel;
use crate::workload::{Controller, Pod};

pub mod host_namespaces;
pub mod privileged_container;

/// Whether the pod is an agent of its node, such as a device plugin, a driver or a network plugin, for which the host's
/// devices and namespaces are the very purpose. That is a judgement by kind, good for advice and no more: once the
/// Policy names a level of the Pod Security Standards, the control holds to the letter and nobody is let off.
fn is_node_agent(pod: &Pod<'_>, context: &Context<'_>) -> bool {
    context.policy.pod_security().level == PodSecurityLevel::Privileged
        && pod.controller() == Controller::DaemonSet
        && !pod.profile().serves()
        && pod.profile().accelerators.is_empty()
}
