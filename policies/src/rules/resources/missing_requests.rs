//! `missing-requests`: an AI container that tells the scheduler nothing about the CPU or memory it needs.

use serde_json::{Value, json};

use super::sizes;
use crate::catalog::Completion;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix, Safety};
use crate::inventory::Sight;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-requests",
    summary: "an AI container requests no CPU or no memory",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
The scheduler reserves what is [requested](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/), \
and nothing else. A model server without a memory request lands on a node that cannot hold its weights and is the first to \
be evicted there; without a CPU request its tokenizer and data loaders starve beside neighbours. The right size is the \
author's to know. Where the Policy gives sizes, they are put in; Buttress' own sizes (1 CPU and 4Gi, or 4 CPU and 16Gi an \
accelerator) are a guess, made only with `--unsafe-fixes`. Nothing is put in where Kueue, Ray or a vertical autoscaler \
decides on resources, nor for a resource of which a HorizontalPodAutoscaler measures the utilisation.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: trainer
          image: registry.example.com/finetune:1.2
          command: [torchrun, --nproc-per-node=1, train.py]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: trainer
          image: registry.example.com/finetune:1.2
          command: [torchrun, --nproc-per-node=1, train.py]
          resources:
            limits:
              nvidia.com/gpu: 1
            requests:
              cpu: \"4\"
              memory: 16Gi
",
    fixable: Fixable::Either,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let whole_pod = pod.spec().value().get("resources").is_some_and(|resources| {
        ["requests", "limits"].iter().any(|list| resources.get(list).is_some_and(|list| !list.is_null()))
    });
    if !pod.has_spec() || whole_pod || pod.is_completed(Completion::Resources) {
        return Vec::new();
    }
    pod.ai_containers().filter_map(|(container, _)| check_container(container, pod, context)).collect()
}

fn check_container(container: &Container<'_>, pod: &Pod<'_>, context: &Context<'_>) -> Option<Finding> {
    let resources = container.get("resources");
    let missing: Vec<&str> = ["cpu", "memory"]
        .into_iter()
        // A limit alone is a request of the same size, which the API server fills in.
        .filter(|resource| {
            let given = |list: &str| resources.value().get(list).and_then(|list| list.get(resource));
            ["requests", "limits"].iter().all(|list| given(list).is_none_or(Value::is_null))
        })
        .collect();
    let words = match missing.as_slice() {
        [] => return None,
        [one] => format!("no {one}"),
        _ => "neither CPU nor memory".to_owned(),
    };
    let message = format!("{} requests {words}: the scheduler reserves nothing for it", container.title());
    let requests = resources.get("requests");
    let finding = RULE.finding(requests.path().clone(), message);
    let sizes: Option<Vec<_>> = missing
        .iter()
        .map(|resource| {
            sizes::request(container, pod, context, resource).map(|(size, safety)| (*resource, size, safety))
        })
        .collect();
    let fitting = sizes.filter(|_| missing.iter().all(|resource| is_ours(pod, context, resource)));
    let Some(sizes) = fitting else { return Some(finding) };
    let safety = sizes.iter().map(|(_, _, safety)| *safety).max().unwrap_or(Safety::Unsafe);
    let edits = sizes.iter().map(|(resource, size, _)| requests.get(resource).set(json!(size.to_string()))).collect();
    let shown = sizes.iter().map(|(resource, size, _)| format!("{size} {resource}")).collect::<Vec<_>>().join(" and ");
    let title = format!("request {shown}");
    Some(finding.with_fix(if safety == Safety::Safe { Fix::safe(title, edits) } else { Fix::r#unsafe(title, edits) }))
}

/// Whether the request is nobody else's to decide.
fn is_ours(pod: &Pod<'_>, context: &Context<'_>, resource: &str) -> bool {
    if pod.is_queued()
        || pod.is_decided_elsewhere()
        || pod.owner().group == "ray.io"
        || pod.refuses("/containers/*/resources")
    {
        return false;
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    if context.inventory.has_vertical_autoscaler(pod.owner(), namespace) {
        return false;
    }
    // Nothing scales a lone pod, a Job or a DaemonSet.
    if matches!(pod.controller(), Controller::None | Controller::Job | Controller::DaemonSet) {
        return true;
    }
    if pod.is_pod() {
        return context.policy.injection().requests.insist;
    }
    match context.inventory.autoscalers_of(pod.owner(), namespace) {
        Sight::Absent => true,
        Sight::Present(scalers) => {
            scalers.iter().all(|scaler| scaler.utilization_of.iter().all(|used| used != resource))
        }
        Sight::Unknown => context.policy.injection().requests.insist,
    }
}
