//! `replicas-under-autoscaler`: a number of replicas that each apply sets back, against the autoscaler.

use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::Sight;
use crate::node::{Node, integer};
use crate::object::Object;
use crate::path::Path;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::surge::is_near;

/// The rule.
pub static RULE: Rule = Rule {
    name: "replicas-under-autoscaler",
    summary: "each apply sets back the replicas that an autoscaler decides on",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
An autoscaler writes `replicas` of its target. A manifest that writes it, too, sets it back with each apply: of ten servers with \
warm models all but three are stopped, and minutes of loading go by until they are back \
([Kubernetes: migrating to horizontal autoscaling](https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling)). \
There is no repair: the line belongs out of the manifest, but the first client-side apply after that sets the replicas to 1, \
unless they are first taken out of its last-applied annotation (`kubectl apply edit-last-applied`) or the apply is server-side. \
A written 1 is not found, as it cannot be told from Kubernetes' default, nor are objects as a cluster gives them back, which \
always have a number.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 3
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
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: llm
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: llm
  minReplicas: 2
  maxReplicas: 10
",
    good: "\
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
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: llm
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: llm
  minReplicas: 2
  maxReplicas: 10
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let definition = object.definition().filter(|definition| definition.scalable);
    let Some(pointer) = definition.and_then(|definition| definition.replicas.as_deref()) else { return Vec::new() };
    let replicas = Node::at(object.value(), Path::parse(pointer));
    let Some(number) = integer(Some(replicas.value())).filter(|number| *number > 1) else { return Vec::new() };
    let metadata = object.value().get("metadata");
    if metadata.is_some_and(|metadata| ["uid", "resourceVersion"].iter().any(|field| metadata.get(field).is_some())) {
        return Vec::new();
    }
    let identity = object.identity();
    let namespace = identity.namespace.or(context.namespace);
    let Sight::Present(scalers) = context.inventory.autoscalers_of(identity, namespace) else { return Vec::new() };
    // One in another folder may belong to another project, or to a variant that takes the number out.
    let Some(scaler) = scalers.into_iter().find(|scaler| !scaler.paused && is_near(scaler, None, context)) else {
        return Vec::new();
    };
    let kind = if scaler.keda { "ScaledObject" } else { "HorizontalPodAutoscaler" };
    let message = format!(
        "the {kind} `{}` decides on the replicas, and each apply sets them back to {number} until it has scaled again: leave \
         them out",
        scaler.name
    );
    vec![RULE.finding(replicas.path().clone(), message)]
}
