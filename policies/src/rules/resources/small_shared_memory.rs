//! `small-shared-memory`: processes that work together over a `/dev/shm` of 64 MiB.

use std::str::FromStr;

use serde_json::json;

use crate::catalog::{Completion, SharedMemoryNeed};
use crate::container::{Container, covers};
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{Node, list, text};
use crate::profile::ContainerProfile;
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "small-shared-memory",
    summary: "processes on several accelerators share a /dev/shm of 64 MiB",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A model that is split over several accelerators runs as several processes, which exchange tensors over `/dev/shm`. Container \
runtimes make it 64 MiB, and the server then dies with a bus error or hangs in NCCL, often only under load. A \
[memory volume](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir) on `/dev/shm` makes it as large as needed; what \
is written there counts against the container's memory limit, so it always has a `sizeLimit`. It is put in where the server's \
makers name a size and the memory limit leaves room for it; one that is there and too small is only raised on request.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"2\"]
      resources:
        limits:
          nvidia.com/gpu: 2
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"2\"]
      resources:
        limits:
          nvidia.com/gpu: 2
      volumeMounts:
        - name: dshm
          mountPath: /dev/shm
  volumes:
    - name: dshm
      emptyDir:
        medium: Memory
        sizeLimit: 2Gi
",
    fixable: Fixable::Either,
    check: Check::Pod(check),
};

const SHM: &str = "/dev/shm";

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let host_ipc = pod.spec().get("hostIPC").value().as_bool() == Some(true);
    let windows = pod.spec().walk(&["os", "name"]).as_str() == Some("windows");
    if !pod.has_spec() || host_ipc || windows || pod.is_completed(Completion::SharedMemory) {
        return Vec::new();
    }
    let needing: Vec<_> = pod
        .ai_containers()
        .filter_map(|(container, known)| Some((container, need(container, known, context)?)))
        .collect();
    // Containers that share the volume share its size too.
    let largest =
        needing.iter().filter(|(container, _)| !container.mounts(SHM)).filter_map(|(_, need)| need.size).max();
    needing.iter().filter_map(|(container, need)| check_container(container, need, largest, pod)).collect()
}

/// What a container needs at `/dev/shm`.
struct Need {
    devices: i64,
    /// The least size that the makers of the server use; `None` where none is known well enough to be put in.
    size: Option<Quantity>,
}

fn need(container: &Container<'_>, known: &ContainerProfile, context: &Context<'_>) -> Option<Need> {
    let runtime = known.runtime.as_ref()?;
    let catalog = context.catalog();
    let devices: i64 = container
        .accelerators(catalog)
        .into_iter()
        .filter(|(resource, _)| catalog.accelerator(resource).is_some_and(|known| known.counts.is_devices()))
        .filter_map(|(_, quantity)| Quantity::from_value(quantity))
        .map(|quantity| quantity.value())
        .fold(0, i64::saturating_add);
    let shared = &runtime.shared_memory;
    if devices < 2 || shared.needed == SharedMemoryNeed::Never {
        return None;
    }
    let size = shared.size.as_deref().filter(|_| !shared.unsure).and_then(|size| Quantity::from_str(size).ok());
    Some(Need { devices, size })
}

fn check_container(
    container: &Container<'_>,
    need: &Need,
    largest: Option<Quantity>,
    pod: &Pod<'_>,
) -> Option<Finding> {
    if container.mounts(SHM) {
        return check_mounted(container, need, pod);
    }
    let finding = RULE.finding(container.path().clone(), message(container, need, "64Mi"));
    let Some(size) = largest.filter(|size| need.size.is_some() && leaves_room(container, pod, *size)) else {
        return Some(finding);
    };
    let Some((name, present)) = volume(pod, size) else { return Some(finding) };
    let volume = json!({"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": size.to_string()}});
    let mut edits = vec![container.get("volumeMounts").append(json!({"name": name, "mountPath": SHM}))];
    if !present {
        edits.insert(0, pod.spec().get("volumes").append(volume));
    }
    Some(finding.with_fix(Fix::safe(format!("mount a memory volume of {size} on {SHM}"), edits)))
}

fn message(container: &Container<'_>, need: &Need, size: &str) -> String {
    let enough = need.size.map(|size| format!("; its makers use {size} at the least")).unwrap_or_default();
    format!("{} works on {} accelerators over a /dev/shm of {size}{enough}", container.title(), need.devices)
}

/// Looks at the volume that is mounted there: one of memory with a bound below what the server needs is too small.
fn check_mounted(container: &Container<'_>, need: &Need, pod: &Pod<'_>) -> Option<Finding> {
    let mount = list(container.value(), "volumeMounts")
        .iter()
        .find(|mount| text(mount, "mountPath").is_some_and(|path| covers(path, SHM)))?;
    let name = text(mount, "name")?;
    let volume = pod.volumes().find(|volume| text(volume.value(), "name") == Some(name))?;
    let bound: Node<'_> = volume.walk(&["emptyDir", "sizeLimit"]);
    let limit = Quantity::from_value(bound.value())?;
    let wanted = need.size?;
    if limit >= wanted {
        return None;
    }
    let finding = RULE.finding(bound.path().clone(), message(container, need, &limit.to_string()));
    if !leaves_room(container, pod, wanted) {
        return Some(finding);
    }
    Some(finding.with_fix(Fix::r#unsafe(format!("raise it to {wanted}"), vec![bound.set(json!(wanted.to_string()))])))
}

/// Whether the memory limit holds the volume and the author's own request beside it. What is written to the volume counts
/// against the limit; without a limit nothing is counted.
fn leaves_room(container: &Container<'_>, pod: &Pod<'_>, size: Quantity) -> bool {
    let of_pod = Quantity::from_value(pod.spec().walk(&["resources", "limits", "memory"]).value());
    let limit = [container.limit("memory"), of_pod].into_iter().flatten().min();
    limit.is_none_or(|limit| {
        let rest = limit.subtract(size);
        // A request that equals the limit is one of the whole; half of it must be left to the server itself.
        let working =
            container.request("memory").filter(|request| *request < limit).unwrap_or_else(|| limit.times(0.5));
        rest >= working
    })
}

/// The name of the volume, and whether the pod has it already and only the mount is missing; `None` when every name that we
/// would give is taken by something else.
fn volume(pod: &Pod<'_>, size: Quantity) -> Option<(&'static str, bool)> {
    const NAMES: &[&str] = &["dshm", "shared-memory", "buttress-dshm"];
    let named = |name: &str| pod.volumes().find(|volume| text(volume.value(), "name") == Some(name));
    let fits = |volume: &Node<'_>| {
        let directory = volume.get("emptyDir");
        directory.get("medium").as_str() == Some("Memory")
            && Quantity::from_value(directory.get("sizeLimit").value()).is_some_and(|limit| limit >= size)
    };
    NAMES.iter().find_map(|name| match named(name) {
        None => Some((*name, false)),
        Some(volume) => fits(&volume).then_some((*name, true)),
    })
}
