//! `competing-autoscalers`: one autoscaler that sets the request by which another one measures.

use super::autoscalers::{and, target};
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{Measure, Sight, nearest};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "competing-autoscalers",
    summary: "a vertical autoscaler sets the requests by which a horizontal one measures",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A HorizontalPodAutoscaler on utilization compares the use with the request. A VerticalPodAutoscaler that sets the same request \
moves the measure under it: more pods, each of them used less, smaller requests, higher utilization, more pods again; and each \
change of a request restarts a server that loads for minutes. The \
[autoscaler's own list of limitations](https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/known-limitations.md) \
forbids it. Leave each resource to one of them (`controlledResources`), scale out by another metric, or let the vertical one \
only recommend (`updateMode: \"Off\"`).",
    bad: "\
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata:
  name: embedder
spec:
  targetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: embedder
  updatePolicy:
    updateMode: Recreate
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: embedder
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: embedder
  maxReplicas: 8
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
",
    good: "\
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata:
  name: embedder
spec:
  targetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: embedder
  updatePolicy:
    updateMode: Recreate
  resourcePolicy:
    containerPolicies:
      - containerName: \"*\"
        controlledResources: [memory]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: embedder
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: embedder
  maxReplicas: 8
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !object.identity().is("autoscaling.k8s.io", "VerticalPodAutoscaler") {
        return Vec::new();
    }
    find(object, context).into_iter().collect()
}

fn find(object: &Object<'_>, context: &Context<'_>) -> Option<Finding> {
    let target = target(object, "targetRef", context)?;
    let found = context.inventory.vertical_autoscalers_of(target, target.namespace).present()?;
    let own = found.into_iter().filter(|scaler| scaler.name == object.identity().name).collect();
    let [own] = nearest(own, context.origin, |scaler| &scaler.origin)[..] else { return None };
    // One that only recommends, or sets requests of new pods, moves nothing while they run.
    if matches!(own.mode.as_str(), "Off" | "Initial") {
        return None;
    }
    let Sight::Present(scalers) = context.inventory.autoscalers_of(target, target.namespace) else { return None };
    for scaler in nearest(scalers, context.origin, |scaler| &scaler.origin) {
        let mut both: Vec<&str> = Vec::new();
        for measure in &scaler.measures {
            let Measure::Resource { name, container, utilization: true } = measure else { continue };
            if own.decides_on(name, container.as_deref()) && !both.contains(&name.as_str()) {
                both.push(name);
            }
        }
        if both.is_empty() {
            continue;
        }
        let message = format!(
            "it sets the {} requests of `{}`, by which the autoscaler `{}` measures: each moves the other; leave them to one \
             (controlledResources)",
            and(&both),
            target.name,
            scaler.name
        );
        return Some(RULE.finding(object.root().walk(&["spec", "updatePolicy"]).path().clone(), message));
    }
    None
}
