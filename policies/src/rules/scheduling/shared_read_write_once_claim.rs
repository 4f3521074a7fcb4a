//! `shared-read-write-once-claim`: several pods that mount a volume which one node, or one pod, may hold at a time.

use super::claims::{Holder, held, stays_on_one_node};
use super::surge::fewest;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "shared-read-write-once-claim",
    summary: "several replicas mount a volume that one node or one pod may hold",
    category: Category::Scheduling,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
All pods of a Deployment mount the same claim. One that is \
[ReadWriteOnce](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes) is attached to one node: replicas \
that land on another stay in ContainerCreating with a Multi-Attach error, and with accelerators there is rarely room for all of \
them on one node. It is a warning, as some file systems do not hold to it. One that is ReadWriteOncePod is mounted by one pod in \
the whole cluster, and the scheduler leaves every other one Pending: that is an error. Weights that several pods read belong on \
a volume that many may mount (ReadWriteMany, ReadOnlyMany), into an image volume, or into a claim for each pod, as the \
`volumeClaimTemplates` of a StatefulSet or an ephemeral volume make it. A claim cannot be changed once it exists, so a person \
must decide.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 2
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
          args: [--model, /models/qwen3-8b]
          volumeMounts:
            - name: models
              mountPath: /models
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: models
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: models
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 100Gi
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 2
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
          args: [--model, /models/qwen3-8b]
          volumeMounts:
            - name: models
              mountPath: /models
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: models
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: models
spec:
  accessModes: [ReadWriteMany]
  resources:
    requests:
      storage: 100Gi
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let definition = pod.definition();
    if !definition.scalable || definition.per_node || definition.never_mutate {
        return Vec::new();
    }
    let held = held(pod, context);
    if held.is_empty() {
        return Vec::new();
    }
    let Some(replicas) = fewest(pod, context).filter(|replicas| *replicas >= 2) else { return Vec::new() };
    let findings = held.into_iter().filter_map(|claim| match claim.holder {
        Holder::Pod => {
            let message = format!(
                "{replicas} pods mount the claim `{}`, which is ReadWriteOncePod: one gets it, and the others stay Pending",
                claim.name
            );
            Some(RULE.finding(claim.at.path().clone(), message))
        }
        Holder::Node if stays_on_one_node(pod) => None,
        Holder::Node => {
            let message = format!(
                "{replicas} pods mount the claim `{}`, which is ReadWriteOnce: only those on the node that has the volume start",
                claim.name
            );
            Some(RULE.finding(claim.at.path().clone(), message).at_most(Severity::Warning))
        }
    });
    findings.collect()
}
