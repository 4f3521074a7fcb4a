//! Whether a pod uses accelerators, in any of the ways there are, and whether it is one that belongs on nodes with them all
//! the same: what several rules on placement must know before they speak.

use serde_json::Value;

use crate::catalog::{Accelerator, Catalog, Completion, Role};
use crate::container::Container;
use crate::node::{list, text};
use crate::quantity::Quantity;
use crate::shell::Setting;
use crate::workload::{Controller, Pod};

/// Variables by which a container sees devices without asking for them.
const VISIBLE_DEVICES: &[&str] = &[
    "NVIDIA_VISIBLE_DEVICES",
    "AMD_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
    "ASCEND_VISIBLE_DEVICES",
    "ASCEND_RT_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
];

/// The accelerators that a container asks for, with more than zero of them, and what is known of each.
pub(crate) fn asked<'a, 'c>(container: &Container<'a>, catalog: &'c Catalog) -> Vec<(&'a str, &'c Accelerator, i64)> {
    let asked = container.accelerators(catalog).into_iter();
    asked
        .filter_map(|(resource, quantity)| {
            let known = catalog.accelerator(resource).filter(|known| known.counts.is_compute())?;
            let quantity = Quantity::from_value(quantity).filter(|quantity| *quantity > Quantity::ZERO)?;
            Some((resource, known, quantity.value()))
        })
        .collect()
}

/// Whether another scheduler than Kubernetes' own deals out the pod's devices: shares of them, of which the numbers of the
/// pod tell nothing.
pub(crate) fn is_dealt_out_by_others(pod: &Pod<'_>, catalog: &Catalog) -> bool {
    let intercepted = |container: &Container<'_>| {
        container
            .accelerators(catalog)
            .iter()
            .any(|(resource, _)| catalog.accelerator(resource).is_some_and(|known| known.intercepted_by.is_some()))
    };
    pod.containers().iter().any(intercepted) || has_share(pod)
}

/// Whether annotations ask for a share of a device: KAI, Run:ai, HAMi, Volcano.
fn has_share(pod: &Pod<'_>) -> bool {
    let annotations = pod.metadata().and_then(|metadata| metadata.value().get("annotations")?.as_object());
    annotations.into_iter().flatten().any(|(key, _)| {
        key.starts_with("gpu-fraction")
            || key.starts_with("gpu-memory")
            || key.starts_with("nvidia.com/")
            || key.starts_with("hami.io/")
            || key.starts_with("volcano.sh/vgpu")
    })
}

/// Whether anything says that the pod uses an accelerator, or may use one: a resource that is one or is not known, a claim,
/// a share, a variable that shows devices, a runtime class, a device of the host.
pub(crate) fn may_use(pod: &Pod<'_>) -> bool {
    let spec = pod.spec().value();
    let asks = |container: &Container<'_>| {
        let resources = container.value().get("resources");
        let named = |field: &str| resources.and_then(|resources| resources.get(field)?.as_object());
        ["limits", "requests"]
            .iter()
            .filter_map(|field| named(field))
            .flatten()
            .any(|(name, quantity)| name.contains('/') && !is_zero(quantity))
            || resources.is_some_and(|resources| !list(resources, "claims").is_empty())
            || !list(container.value(), "volumeDevices").is_empty()
    };
    pod.containers().iter().any(asks)
        || !list(spec, "resourceClaims").is_empty()
        || spec.get("runtimeClassName").is_some_and(|class| !class.is_null())
        || has_share(pod)
        || is_of_the_host(pod)
        || sees_devices(pod)
}

/// A quantity of nothing, as chart defaults leave behind.
fn is_zero(quantity: &Value) -> bool {
    Quantity::from_value(quantity) == Some(Quantity::ZERO)
}

/// Whether a container sees devices by its variables or its image.
fn sees_devices(pod: &Pod<'_>) -> bool {
    let by_variable = pod
        .invocations()
        .iter()
        .any(|invocation| VISIBLE_DEVICES.iter().any(|name| invocation.environment.get(name) != Setting::Unset));
    let by_image = pod.profile().containers.iter().filter_map(|known| known.runtime.as_ref());
    by_variable || by_image.into_iter().any(|runtime| runtime.sees_all_devices)
}

/// Whether the pod reaches into its node: it looks after the node, whatever it asks for.
fn is_of_the_host(pod: &Pod<'_>) -> bool {
    let spec = pod.spec().value();
    let host = |field: &str| spec.get(field).and_then(Value::as_bool) == Some(true);
    let privileged = |container: &Container<'_>| {
        container.value().pointer("/securityContext/privileged").and_then(Value::as_bool) == Some(true)
    };
    let path = |volume: &Value| {
        let path = volume.pointer("/hostPath/path").and_then(Value::as_str).unwrap_or_default();
        ["/dev", "/run", "/var/run", "/var/lib/kubelet", "/sys", "/proc", "/usr"]
            .iter()
            .any(|own| path.starts_with(own))
            || path == "/"
    };
    host("hostNetwork")
        || host("hostPID")
        || pod.containers().iter().any(privileged)
        || list(spec, "volumes").iter().any(path)
}

/// Whether the pod looks after nodes and goes wherever they are.
pub(crate) fn is_node_agent(pod: &Pod<'_>) -> bool {
    let class = text(pod.spec().value(), "priorityClassName").unwrap_or_default();
    let namespace = pod.owner().namespace.unwrap_or_default();
    pod.definition().per_node
        || pod.controller() == Controller::DaemonSet
        || class.starts_with("system-")
        || namespace == "kube-system"
        || namespace == "gpu-operator"
        || pod.profile().role == Role::Infrastructure
        || is_of_the_host(pod)
}

/// Whether the pod is all there: made by Kubernetes itself or a well-known kind of its own, with nothing that an operator,
/// a queue or a patch is still to add. Only of such a pod can it be said that it asks for nothing.
pub(crate) fn is_whole(pod: &Pod<'_>) -> bool {
    let mut regular = pod.containers().iter().filter(|container| container.is_long_running()).peekable();
    pod.has_spec()
        && pod.controller() != Controller::Other
        && pod.operator().is_none()
        && !pod.is_completed(Completion::Resources)
        && !pod.is_queued()
        && !pod.is_decided_elsewhere()
        && regular.peek().is_some()
        && regular.all(|container| container.image().is_some())
}
