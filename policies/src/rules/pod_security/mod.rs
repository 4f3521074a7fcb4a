//! Rules after controls of the Pod Security Standards.

use crate::context::Context;
use crate::inventory::{Namespace, Sight};
use crate::node::{is_placeholder, text};
use crate::policy::{PodSecurity, PodSecurityLevel, PodSecurityVersion};
use crate::workload::{Controller, Pod};

pub mod host_namespaces;
pub mod host_path_volume;
pub mod missing_seccomp_profile;
pub mod privilege_escalation;
pub mod privileged_container;
pub mod root_user;
pub mod undropped_capabilities;

/// Whether the pod is an agent of its node, such as a device plugin, a driver or a network plugin, for which the host's
/// devices and namespaces are the very purpose. That is a judgement by kind, good for advice and no more: once the
/// Policy or the namespace names a level of the Pod Security Standards, the control holds to the letter and nobody is let
/// off.
fn is_node_agent(pod: &Pod<'_>, context: &Context<'_>) -> bool {
    pod.controller() == Controller::DaemonSet
        && !pod.profile().serves()
        && pod.profile().accelerators.is_empty()
        && in_force(pod, context).level == PodSecurityLevel::Privileged
}

/// The Pod Security Standard that the pod is held to: the Policy's, or the one that its namespace enforces by label where
/// that is in sight and stricter.
fn in_force(pod: &Pod<'_>, context: &Context<'_>) -> PodSecurity {
    let own = context.policy.pod_security();
    let Some(name) = pod.owner().namespace.or(context.namespace) else { return own };
    match context.inventory.namespace(name) {
        Sight::Present(namespace) => match enforced(namespace) {
            Some(enforced) if (enforced.level, enforced.version) > (own.level, own.version) => enforced,
            _ => own,
        },
        Sight::Absent | Sight::Unknown => own,
    }
}

/// What a namespace enforces. The API server takes a level that it cannot read for the strictest one
/// (kubernetes/pod-security-admission `api/helpers.go`).
fn enforced(namespace: &Namespace) -> Option<PodSecurity> {
    let level = namespace.label("pod-security.kubernetes.io/enforce")?;
    let version = namespace
        .label("pod-security.kubernetes.io/enforce-version")
        .and_then(|version| PodSecurityVersion::try_from(version.to_owned()).ok())
        .unwrap_or(PodSecurityVersion::Latest);
    let level = match level {
        "privileged" => PodSecurityLevel::Privileged,
        "baseline" => PodSecurityLevel::Baseline,
        "restricted" => PodSecurityLevel::Restricted,
        other if is_placeholder(other) => return None,
        _ => return Some(PodSecurity { level: PodSecurityLevel::Restricted, version: PodSecurityVersion::Latest }),
    };
    Some(PodSecurity { level, version })
}

/// The version of the *restricted* standard that the pod is held to and can be judged by; nothing where another level is in
/// force, where the whole pod is not in sight, or where an operator writes the security context.
fn restricted(pod: &Pod<'_>, context: &Context<'_>) -> Option<PodSecurityVersion> {
    if !pod.has_spec() || pod.is_completed(crate::catalog::Completion::SecurityContext) || is_filled_in(pod) {
        return None;
    }
    let standard = in_force(pod, context);
    (standard.level == PodSecurityLevel::Restricted).then_some(standard.version)
}

/// Whether another object or a setting of the cluster may fill in what the pod leaves out: runtimes are templates for the
/// workloads that name them, and Knative can be told to secure its pods (`secure-pod-defaults`).
fn is_filled_in(pod: &Pod<'_>) -> bool {
    let owner = pod.owner();
    match owner.group {
        "serving.kserve.io" => matches!(owner.kind, "ServingRuntime" | "ClusterServingRuntime"),
        "trainer.kubeflow.org" => matches!(owner.kind, "TrainingRuntime" | "ClusterTrainingRuntime"),
        "serving.knative.dev" => true,
        _ => false,
    }
}

/// Whether the pod says that its nodes run Windows, for which Linux' own controls do not count.
fn is_windows(pod: &Pod<'_>) -> bool {
    pod.spec().value().get("os").and_then(|os| text(os, "name")) == Some("windows")
}

/// Whether the pod has a user namespace of its own, in which root is nobody on the node.
fn has_user_namespace(pod: &Pod<'_>) -> bool {
    pod.spec().value().get("hostUsers") == Some(&serde_json::Value::Bool(false))
}
