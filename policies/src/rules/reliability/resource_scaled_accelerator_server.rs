//! `resource-scaled-accelerator-server`: a server that computes on accelerators, scaled by what its host does.

use super::autoscalers::{and, itself, target};
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{Measure, Sight, nearest};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "resource-scaled-accelerator-server",
    summary: "cpu or memory alone scales a model server that computes on accelerators",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A model server computes on its accelerators and takes their memory, and most of its own, once at its start. Its CPU is as busy \
with two requests as with two hundred that wait, often one core that polls, so an autoscaler that goes by it adds replicas too \
late or never, or keeps expensive ones for nothing. What tells the load is what waits: the queue that the server counts itself \
([GKE: autoscaling of inference on GPUs](https://cloud.google.com/kubernetes-engine/docs/best-practices/machine-learning/inference/autoscaling)), \
as a custom metric of a HorizontalPodAutoscaler or a Prometheus trigger of KEDA. Beside such a metric CPU does no harm. The \
threshold is for a person to measure, so there is no repair.",
    bad: "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: llm
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: llm
  maxReplicas: 8
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    good: "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: llm
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: llm
  maxReplicas: 8
  metrics:
    - type: Pods
      pods:
        metric:
          name: vllm:num_requests_waiting
        target:
          type: AverageValue
          averageValue: \"5\"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    let field = match (identity.group, identity.kind, identity.version) {
        ("autoscaling", "HorizontalPodAutoscaler", "v1") => "targetCPUUtilizationPercentage",
        ("autoscaling", "HorizontalPodAutoscaler", _) => "metrics",
        ("keda.sh", "ScaledObject", _) => "triggers",
        _ => return Vec::new(),
    };
    find(object, field, context).into_iter().collect()
}

fn find(object: &Object<'_>, field: &str, context: &Context<'_>) -> Option<Finding> {
    let target = target(object, "scaleTargetRef", context)?;
    let mut names: Vec<&str> = Vec::new();
    for measure in &itself(object, target, context)?.measures {
        let Measure::Resource { name, .. } = measure else { return None };
        if !matches!(name.as_str(), "cpu" | "memory") {
            return None;
        }
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let workloads = context.inventory.workloads_named(Some(target.group), target.kind, target.name, target.namespace);
    let Sight::Present(workloads) = workloads else { return None };
    let workloads = nearest(workloads, context.origin, |workload| &workload.origin);
    let (workload, server) = workloads.first().and_then(|workload| Some((workload, workload.server.as_ref()?)))?;
    if names.is_empty() || workloads.iter().any(|workload| workload.server.is_none()) {
        return None;
    }
    let resource = workload.accelerators.first().map_or("accelerators", |(resource, _)| resource);
    let way_out = match &server.queue_metric {
        Some(metric) => format!("scale by its queue, `{metric}`"),
        None => "scale by the requests that wait".to_owned(),
    };
    let says = if names.len() == 1 { "says" } else { "say" };
    let message = format!(
        "`{}` computes on `{resource}`, and {} alone {says} little of its load: {way_out}",
        target.name,
        and(&names)
    );
    let finding = RULE.finding(object.root().walk(&["spec", field]).path().clone(), message);
    // Of a program that nobody knows it is a guess that it is slow where its accelerator is.
    Some(if server.runtime.is_some() { finding } else { finding.at_most(Severity::Advice) })
}
