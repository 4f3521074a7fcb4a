//! `missing-memory-limit`: an AI container whose memory nothing bounds.

use serde_json::json;

use super::namespace_bounds::{Amounts, NamespaceBounds, Proposal};
use super::sizes;
use crate::catalog::Completion;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Given;
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
    needs: Needs::Inventory,
    rationale: "\
Without a [memory limit](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/) a leak or an \
oversized batch takes the memory of the whole node, and the kernel then kills whichever process it likes, neighbours \
included. The right limit cannot be guessed: one that is too small kills a model server in the middle of loading. It is put \
in only where the Policy gives a factor, as that factor times the author's own request plus the memory volumes that are \
mounted, because what is written to them counts against the limit, and not where a \
[LimitRange](https://kubernetes.io/docs/concepts/policy/limit-range/) or ResourceQuota of the namespace would refuse it. A \
container that a LimitRange gives a limit has one.",
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
    let unlimited = |container: &Container<'_>| {
        container.value().pointer("/resources/limits/memory").is_none_or(serde_json::Value::is_null)
    };
    let pod_limit = pod.spec().value().pointer("/resources/limits/memory");
    if !pod.has_spec()
        || pod_limit.is_some_and(|limit| !limit.is_null())
        || pod.is_completed(Completion::Resources)
        || !pod.ai_containers().any(|(container, _)| unlimited(container))
    {
        return Vec::new();
    }
    let bounds = NamespaceBounds::of(pod, context);
    // What the namespace limits each container to bounds it as a limit of its own would.
    if bounds.given(Amounts::Limits, "memory") != Given::None {
        return Vec::new();
    }
    let unlimited = pod.ai_containers().filter(|(container, _)| unlimited(container));
    let limits: Vec<_> = unlimited
        .map(|(container, known)| (container, known.index, derived(container, pod, &bounds, context)))
        .collect();
    let proposals: Vec<Proposal> = limits
        .iter()
        .filter_map(|(_, index, value)| {
            Some(Proposal { container: *index, amounts: Amounts::Limits, resource: "memory", value: (*value)? })
        })
        .collect();
    let refusal = bounds.refusal(pod, &proposals);
    limits.into_iter().map(|(container, _, value)| finding(container, value, refusal.as_deref())).collect()
}

fn finding(container: &Container<'_>, value: Option<Quantity>, refusal: Option<&str>) -> Finding {
    let limit = container.node().walk(&["resources", "limits", "memory"]);
    let mut message = format!("{} has no memory limit: it may take the memory of its whole node", container.title());
    match (value, refusal) {
        (None, _) => RULE.finding(limit.path().clone(), message),
        (Some(value), Some(refusal)) => {
            message = format!("{message}; {value} is not put in, {refusal}");
            RULE.finding(limit.path().clone(), message)
        }
        (Some(value), None) => {
            let fix = Fix::safe(format!("limit memory to {value}"), vec![limit.set(json!(value.to_string()))]);
            RULE.finding(limit.path().clone(), message).with_fix(fix)
        }
    }
}

/// The limit that follows from the author's own request by the Policy's factor.
fn derived(
    container: &Container<'_>,
    pod: &Pod<'_>,
    bounds: &NamespaceBounds<'_>,
    context: &Context<'_>,
) -> Option<Quantity> {
    let factor = context.policy.injection().memory_limit?.factor;
    let request = container.request("memory").filter(|request| *request > Quantity::ZERO)?;
    // A request of just the Policy's size may be one that we put in, and one of just the namespace's default may be no
    // author's either: no guess is built on a guess.
    let given = sizes::configured(container, pod, context, "memory") == Some(request)
        || bounds.given(Amounts::Requests, "memory") == Given::Value(request)
        || is_set_by_limit_ranger(container, pod);
    if given
        // Quotas then want no limit of each container, but count one that is there.
        || sizes::are_of_the_whole_pod(pod)
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

/// Whether the API server's own admission gave the container its request of memory, as it then writes on the pod:
/// `LimitRanger plugin set: cpu, memory request for container server; cpu limit for container server`.
///
/// Source: kubernetes/kubernetes `plugin/pkg/admission/limitranger/admission.go` (`mergePodResourceRequirements`).
fn is_set_by_limit_ranger(container: &Container<'_>, pod: &Pod<'_>) -> bool {
    let written = pod.annotation("kubernetes.io/limit-ranger").and_then(|text| text.split_once(':'));
    written.is_some_and(|(_, set)| {
        set.split(';').any(|clause| {
            let Some((resources, name)) = clause.split_once(" request for ") else { return false };
            name.trim_end().rsplit(' ').next() == Some(container.name())
                && resources.split(',').any(|resource| resource.trim() == "memory")
        })
    })
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
