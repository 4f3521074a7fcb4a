//! `missing-memory-limit`: an AI container whose memory nothing bounds.

use serde_json::json;

use super::sizes;
use crate::catalog::Completion;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{list, text};
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-memory-limit",
    summary: "an AI container has no memory limit",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Without a [memory limit](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/) a leak or an \
oversized batch takes the memory of the whole node, and the kernel then kills whichever process it likes, neighbours \
included. The right limit cannot be guessed: one that is too small kills a model server in the middle of loading. It is put \
in only where the Policy gives a factor, as that factor times the author's own request plus the memory volumes that are \
mounted, because what is written to them counts against the limit.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  containers:
    - name: trainer
      image: registry.example.com/finetune:1.2
      command: [torchrun, --nproc-per-node=1, train.py]
      resources:
        requests:
          cpu: \"4\"
          memory: 16Gi
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  containers:
    - name: trainer
      image: registry.example.com/finetune:1.2
      command: [torchrun, --nproc-per-node=1, train.py]
      resources:
        requests:
          cpu: \"4\"
          memory: 16Gi
        limits:
          memory: 32Gi
",
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let pod_limit = pod.spec().walk(&["resources", "limits", "memory"]);
    if !pod.has_spec() || !pod_limit.is_absent() || pod.is_completed(Completion::Resources) {
        return Vec::new();
    }
    pod.ai_containers().filter_map(|(container, _)| check_container(container, pod, context)).collect()
}

fn check_container(container: &Container<'_>, pod: &Pod<'_>, context: &Context<'_>) -> Option<Finding> {
    let limit = container.node().walk(&["resources", "limits", "memory"]);
    if !limit.is_absent() {
        return None;
    }
    let message = format!("{} has no memory limit: it may take the memory of its whole node", container.title());
    let finding = RULE.finding(limit.path().clone(), message);
    let Some(value) = derived(container, pod, context) else { return Some(finding) };
    let title = format!("limit memory to {value}");
    Some(finding.with_fix(Fix::safe(title, vec![limit.set(json!(value.to_string()))])))
}

/// The limit that follows from the author's own request by the Policy's factor.
fn derived(container: &Container<'_>, pod: &Pod<'_>, context: &Context<'_>) -> Option<Quantity> {
    let factor = context.policy.injection().memory_limit?.factor;
    let request = container.request("memory").filter(|request| *request > Quantity::ZERO)?;
    // A request of just the Policy's size may be one that we put in: no guess is built on a guess.
    let ours = sizes::configured(container, pod, context, "memory") == Some(request);
    if ours
        || pod.is_queued()
        || pod.is_decided_elsewhere()
        || pod.owner().group == "ray.io"
        || pod.refuses("/containers/*/resources")
    {
        return None;
    }
    let volumes = memory_volumes(container, pod)?;
    let limit = request.times(factor).add(volumes);
    // Equal limits and requests would make the pod Guaranteed, which pins it to CPUs where the kubelet is set to that.
    let pinned = limit == request && container.request("cpu").is_none_or(|cpu| container.limit("cpu") == Some(cpu));
    (!pinned).then_some(limit)
}

/// What the memory volumes that the container mounts may hold; `None` when one of them has no bound.
fn memory_volumes(container: &Container<'_>, pod: &Pod<'_>) -> Option<Quantity> {
    let mounted =
        |name: &str| list(container.value(), "volumeMounts").iter().any(|mount| text(mount, "name") == Some(name));
    let mut sum = Quantity::ZERO;
    for volume in pod.volumes() {
        let directory = volume.get("emptyDir");
        let in_memory = directory.get("medium").as_str() == Some("Memory");
        if in_memory && text(volume.value(), "name").is_some_and(mounted) {
            sum = sum.add(Quantity::from_value(directory.get("sizeLimit").value())?);
        }
    }
    Some(sum)
}
