//! `unrequested-accelerator`: a container that sees GPUs which nobody counts, because it asks for none.

use serde_json::{Value, json};

use crate::catalog::{Completion, Role};
use crate::container::{Container, covers};
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unrequested-accelerator",
    summary: "a container may use GPUs of the node without asking for one",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The variable `NVIDIA_VISIBLE_DEVICES` tells NVIDIA's container runtime which GPUs to put into a container. Set by hand instead of \
by the device plugin, it gives GPUs that the scheduler does not know to be taken: two models meet on one device and run out of \
its memory, quotas count nothing, and a tenant sees the data of the others \
([NVIDIA: device plugin](https://github.com/NVIDIA/k8s-device-plugin#running-gpu-jobs)). Ask for `nvidia.com/gpu` or a share of \
it. Images built on CUDA set the variable to `all` themselves, so that a server meant for the CPU may take a GPU on nodes where \
that runtime is the default; `NVIDIA_VISIBLE_DEVICES: void` keeps it away. Node agents, which have to see all devices, are let be.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: summaries-on-cpu
spec:
  containers:
    - name: server
      image: ollama/ollama:0.12.3
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: summaries-on-cpu
spec:
  containers:
    - name: server
      image: ollama/ollama:0.12.3
      env:
        - name: NVIDIA_VISIBLE_DEVICES
          value: void
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

const VISIBLE: &str = "NVIDIA_VISIBLE_DEVICES";

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let containers = pod.containers().iter().enumerate();
    let seeing: Vec<(&Container<'_>, Sees)> =
        containers.filter_map(|(at, container)| Some((container, sees(pod, container, at, context)?))).collect();
    if seeing.is_empty() || asks_otherwise(pod) || is_infrastructure(pod) {
        return Vec::new();
    }
    seeing.into_iter().map(|(container, sees)| finding(container, sees)).collect()
}

/// Why a container sees GPUs.
#[derive(Clone, Copy)]
enum Sees {
    /// The variable at this position of `env` says so.
    ByHand(usize),
    /// Its image sets the variable.
    ByImage,
}

fn sees(pod: &Pod<'_>, container: &Container<'_>, at: usize, context: &Context<'_>) -> Option<Sees> {
    let env = list(container.value(), "env");
    if let Some(index) = env.iter().position(|variable| text(variable, "name") == Some(VISIBLE)) {
        return text(&env[index], "value").is_some_and(names_devices).then_some(Sees::ByHand(index));
    }
    let known = pod.profile().containers.get(at)?;
    let runtime = known.runtime.as_ref().filter(|runtime| runtime.sees_all_devices && known.sure && known.serves)?;
    let invocation = pod.invocations().get(at)?;
    let image = invocation.image.as_ref()?;
    let own = context.catalog().runtime_by_image(image)?;
    let may_see = own.runtime.id == runtime.id
        && own.sure
        && !invocation.environment.is_open()
        && !is_for_others(image.path)
        && !image.tag.is_some_and(is_for_others)
        && !is_given_devices(pod, container);
    may_see.then_some(Sees::ByImage)
}

/// Whether a name of an image tells that it is built for the CPU or the devices of another vendor.
fn is_for_others(name: &str) -> bool {
    const OTHERS: &[&str] =
        &["cpu", "rocm", "hip", "vulkan", "xpu", "musa", "intel", "sycl", "openvino", "npu", "cann", "ascend"];
    OTHERS.iter().any(|word| name.contains(word))
}

/// Whether the container is given devices of the node by path, `/dev/kfd` or `/dev/dri`, and so takes those.
fn is_given_devices(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    list(container.value(), "volumeMounts").iter().filter_map(|mount| text(mount, "name")).any(|name| {
        let path = pod.volume(name).map(|volume| volume.walk(&["hostPath", "path"]));
        path.and_then(|path| path.value().as_str())
            .is_some_and(|path| covers("/dev", path) && !covers("/dev/shm", path))
    })
}

fn finding(container: &Container<'_>, sees: Sees) -> Finding {
    match sees {
        Sees::ByHand(index) => {
            let message = format!(
                "{} takes GPUs by `{VISIBLE}` and asks for none: the scheduler does not count them, and others may be given \
                 the same; ask for `nvidia.com/gpu` instead",
                container.title()
            );
            RULE.finding(container.path().key("env").index(index).key("value"), message)
        }
        Sees::ByImage => {
            let message = format!(
                "{} asks for no GPU, and its image sees every GPU of a node where NVIDIA's runtime is the default; ask for \
                 one, or set `{VISIBLE}` to `void`",
                container.title()
            );
            let variable = json!({"name": VISIBLE, "value": "void"});
            let fix = Fix::r#unsafe("let it see no GPU", vec![container.get("env").append(variable)]);
            RULE.finding(container.path().clone(), message).at_most(Severity::Advice).with_fix(fix)
        }
    }
}

/// Whether a value of the variable means devices: `all`, or indices and identifiers. `void`, `none` and nothing mean none.
fn names_devices(value: &str) -> bool {
    let one = |device: &str| {
        let device = device.trim();
        device == "all"
            || device.starts_with("GPU-")
            || device.starts_with("MIG-")
            || !device.is_empty() && device.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    };
    value.split(',').all(one)
}

/// Whether the pod asks for devices in some way, even one that nobody here knows: any extended resource, claims, pod-level
/// resources, or annotations of schedulers that share GPUs.
fn asks_otherwise(pod: &Pod<'_>) -> bool {
    let extended = |resources: &Value| {
        ["limits", "requests"].iter().any(|field| {
            let list = resources.get(field).and_then(Value::as_object);
            list.is_some_and(|list| list.keys().any(|name| name.contains('/')))
        }) || !list(resources, "claims").is_empty()
    };
    let metadata = pod.metadata().map_or(&Value::Null, |metadata| metadata.value());
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    !pod.profile().accelerators.is_empty()
        || pod.is_completed(Completion::Resources)
        || pod.containers().iter().any(|container| container.value().get("resources").is_some_and(extended))
        || pod.spec().value().get("resources").is_some_and(extended)
        || !list(pod.spec().value(), "resourceClaims").is_empty()
        || annotations.is_some_and(|all| all.keys().any(|key| key.contains("gpu") || key.contains("device")))
}

/// Whether the pod looks after the node and its devices, and so has to see all of them.
fn is_infrastructure(pod: &Pod<'_>) -> bool {
    const AGENTS: &[&str] =
        &["exporter", "device-plugin", "dcgm", "driver", "toolkit", "validator", "feature-discovery", "mps"];
    let flag = |name: &str| pod.spec().get(name).value().as_bool() == Some(true);
    pod.definition().per_node
        || pod.controller() == Controller::DaemonSet
        || flag("hostPID")
        || pod.profile().role == Role::Infrastructure
        || pod.containers().iter().zip(&pod.profile().containers).any(|(container, known)| {
            known.role == Role::Infrastructure
                || container.image().is_some_and(|image| AGENTS.iter().any(|word| image.contains(word)))
        })
}
