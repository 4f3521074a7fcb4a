//! `untolerated-flavor`: a workload waits in a queue all of whose nodes are tainted, and tolerates none of them.

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{Flavor, Sight, Taint};
use crate::node::{is_placeholder, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::tolerations;

/// The rule.
pub static RULE: Rule = Rule {
    name: "untolerated-flavor",
    summary: "waits in a queue all of whose nodes have a taint it does not tolerate",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Kueue gives a workload a ResourceFlavor only when the pods tolerate the flavor's `nodeTaints`, by themselves or by the `tolerations` \
that the flavor adds ([Kueue: ResourceFlavor](https://kueue.sigs.k8s.io/docs/concepts/resource_flavor/#resourceflavor-taints)). Where \
every flavor of the queue has a taint that is tolerated by neither, the workload is never admitted. What a webhook adds to the pods \
comes too late: Kueue reads the template of the workload.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
  namespace: ml
  labels:
    kueue.x-k8s.io/queue-name: gpus
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:2.0
          resources:
            limits:
              nvidia.com/gpu: 8
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata:
  name: gpus
  namespace: ml
spec:
  clusterQueue: gpus
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ClusterQueue
metadata:
  name: gpus
spec:
  namespaceSelector: {}
  resourceGroups:
    - coveredResources: [nvidia.com/gpu]
      flavors:
        - name: h100
          resources:
            - name: nvidia.com/gpu
              nominalQuota: 16
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ResourceFlavor
metadata:
  name: h100
spec:
  nodeTaints:
    - key: team
      value: research
      effect: NoSchedule
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
  namespace: ml
  labels:
    kueue.x-k8s.io/queue-name: gpus
spec:
  suspend: true
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:2.0
          resources:
            limits:
              nvidia.com/gpu: 8
      tolerations:
        - key: team
          operator: Exists
          effect: NoSchedule
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: LocalQueue
metadata:
  name: gpus
  namespace: ml
spec:
  clusterQueue: gpus
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ClusterQueue
metadata:
  name: gpus
spec:
  namespaceSelector: {}
  resourceGroups:
    - coveredResources: [nvidia.com/gpu]
      flavors:
        - name: h100
          resources:
            - name: nvidia.com/gpu
              nominalQuota: 16
---
apiVersion: kueue.x-k8s.io/v1beta1
kind: ResourceFlavor
metadata:
  name: h100
spec:
  nodeTaints:
    - key: team
      value: research
      effect: NoSchedule
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

const QUEUE: &str = "kueue.x-k8s.io/queue-name";

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let of_object = || text(pod.object().get("metadata")?.get("labels")?, QUEUE);
    let Some(queue) = of_object().or_else(|| pod.label(QUEUE)) else { return Vec::new() };
    let decided = pod.is_decided_elsewhere()
        || pod.is_completed(Completion::Tolerations)
        || pod.definition().never_mutate
        || tolerations::of(pod).any(|toleration| is_placeholder(toleration.key));
    if !pod.has_spec() || decided {
        return Vec::new();
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    let Sight::Present(flavors) = context.inventory.flavors_of(queue, namespace) else { return Vec::new() };
    let untolerated: Option<Vec<_>> = flavors
        .iter()
        .map(|flavor| Some((flavor, flavor.node_taints.iter().find(|taint| bars(pod, flavor, taint))?)))
        .collect();
    let Some((flavor, taint)) = untolerated.as_ref().and_then(|all| all.first()) else { return Vec::new() };
    let others = match flavors.len() {
        1 => String::new(),
        all => format!(", nor those of the other {}", all - 1),
    };
    let message = format!(
        "waits in the queue `{queue}` and does not tolerate the taint `{}` of its flavor `{}`{others}: Kueue never admits it",
        taint.key, flavor.name
    );
    vec![RULE.finding(pod.spec().get("tolerations").path().clone(), message)]
}

/// Whether a taint of a flavor keeps the pod away.
fn bars(pod: &Pod<'_>, flavor: &Flavor, taint: &Taint) -> bool {
    let tolerated = |key: &str, effect: &str, exists: bool, value: &str| {
        (key == taint.key || key.is_empty() && exists)
            && (effect.is_empty() || effect == taint.effect)
            && (exists || value == taint.value)
    };
    let by_flavor = flavor.tolerations.iter().any(|own| {
        // A comparison that is newer than this may well hold.
        !matches!(own.operator.as_str(), "Equal" | "Exists" | "")
            || tolerated(&own.key, &own.effect, own.operator == "Exists", &own.value)
    });
    let by_pod = tolerations::of(pod).any(|own| {
        let operator = text(own.node.value(), "operator").unwrap_or_default();
        let value = text(own.node.value(), "value").unwrap_or_default();
        !matches!(operator, "Equal" | "Exists" | "") || tolerated(own.key, own.effect, own.exists, value)
    });
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute") && !by_flavor && !by_pod
}
