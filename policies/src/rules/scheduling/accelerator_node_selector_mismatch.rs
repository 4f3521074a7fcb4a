//! `accelerator-node-selector-mismatch`: a pod insists on nodes that cannot have the accelerators it asks for.

use crate::catalog::{Completion, Counting};
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::{demand, labels};

/// The rule.
pub static RULE: Rule = Rule {
    name: "accelerator-node-selector-mismatch",
    summary: "insists on nodes that cannot have the accelerators it asks for",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A pod is placed on a node that has both the labels it insists on and the resources it asks for \
([Kubernetes: assigning pods to nodes](https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/)). The labels of \
one maker's accelerators beside a request for another's fit no node, and neither does a node of two GPUs for a pod that asks for \
four: the pod stays Pending, and no autoscaler can help it. That happens when a manifest is carried from one cloud or accelerator \
to another and one half of it is left behind.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: cuda-check
spec:
  restartPolicy: Never
  nodeSelector:
    cloud.google.com/gke-tpu-accelerator: tpu-v6e-slice
  containers:
    - name: check
      image: registry.example.com/cuda-check:1.4
      resources:
        limits:
          nvidia.com/gpu: 1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: cuda-check
spec:
  restartPolicy: Never
  nodeSelector:
    cloud.google.com/gke-accelerator: nvidia-l4
  containers:
    - name: check
      image: registry.example.com/cuda-check:1.4
      resources:
        limits:
          nvidia.com/gpu: 1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

const GKE_COUNT: &str = "cloud.google.com/gke-accelerator-count";

/// Labels of GKE nodes that show one accelerator as several.
const GKE_SHARED: &[&str] = &[
    "cloud.google.com/gke-gpu-partition-size",
    "cloud.google.com/gke-gpu-sharing-strategy",
    "cloud.google.com/gke-max-shared-clients-per-gpu",
];

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    let wanted = labels::wanted(pod);
    if wanted.is_empty() || pod.is_completed(Completion::Affinity) {
        return Vec::new();
    }
    let asked: Vec<_> = pod
        .containers()
        .iter()
        .flat_map(|container| demand::asked(container, catalog))
        .filter(|(_, known, _)| known.counts.is_devices() || known.counts.is_fraction())
        .collect();
    let Some((resource, ..)) = asked.first() else { return Vec::new() };
    // Of a resource that is not known for certain, its maker is not either.
    let mut makers = asked.iter().map(|(_, known, _)| known.vendor.as_deref().filter(|_| !known.unsure));
    if demand::is_dealt_out_by_others(pod, catalog) || makers.any(|maker| maker.is_none()) {
        return Vec::new();
    }
    let maker = |key: &str| {
        let label = catalog.nodes().accelerator_labels.iter().find(|label| label.key == key && !label.unsure)?;
        catalog.accelerator(label.resource.as_deref()?)?.vendor.as_deref()
    };
    let of_another = |wanted: &labels::Wanted<'_>| {
        let says_no =
            !wanted.values.is_empty() && wanted.values.iter().all(|value| matches!(*value, "false" | "0" | ""));
        !says_no
            && maker(wanted.key)
                .is_some_and(|maker| asked.iter().all(|(_, known, _)| known.vendor.as_deref() != Some(maker)))
    };
    if let Some(found) = labels::insists(&wanted, of_another) {
        let message = format!(
            "asks for {resource} and insists on nodes with the label `{}`, which have {} accelerators: no node fits",
            found.key,
            maker(found.key).unwrap_or("other")
        );
        return vec![RULE.finding(found.node.path().clone(), message)];
    }
    too_few(pod, &wanted, &asked).into_iter().collect()
}

/// Looks at GKE's label that tells how many accelerators a node has.
fn too_few(
    pod: &Pod<'_>,
    wanted: &[Vec<labels::Wanted<'_>>],
    asked: &[(&str, &crate::catalog::Accelerator, i64)],
) -> Option<Finding> {
    let (resource, ..) = asked.iter().find(|(_, known, _)| known.counts == Counting::Device)?;
    let need = pod.profile().accelerators.iter().find(|asked| asked.resource == *resource)?.count;
    if labels::insists(wanted, |wanted| wanted.key == GKE_COUNT).is_none()
        || wanted.iter().flatten().any(|wanted| GKE_SHARED.contains(&wanted.key))
    {
        return None;
    }
    let counts = |wanted: &labels::Wanted<'_>| -> Option<i64> {
        let counts: Option<Vec<i64>> = wanted.values.iter().map(|value| value.parse().ok()).collect();
        counts?.into_iter().max()
    };
    let small =
        |wanted: &labels::Wanted<'_>| wanted.key == GKE_COUNT && counts(wanted).is_some_and(|count| count < need);
    let found = labels::insists(wanted, small)?;
    let message = format!(
        "asks for {need} {resource} and insists on nodes that have {} by `{GKE_COUNT}`: no node fits",
        counts(found)?
    );
    Some(RULE.finding(found.node.path().clone(), message))
}
