//! `evictable-training`: a run on several accelerators may be stopped to tidy up the nodes.

use serde_json::{Map, Value, json};

use crate::catalog::{Completion, Role};
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::job::{self, Job};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::spot;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "evictable-training",
    summary: "training on several accelerators may be evicted to tidy up the nodes",
    category: Category::Disruption,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Karpenter moves pods together to save nodes, and off nodes whose image or configuration is out of date; the cluster \
autoscaler empties nodes that are little used. A server is started elsewhere and nobody notices; training loses all it did \
since the last checkpoint, and every worker of the run with it. \
[`karpenter.sh/do-not-disrupt: \"true\"`](https://karpenter.sh/docs/concepts/disruption/#pod-level-controls) and \
[`cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"`](https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node) \
on the pods let a node be until the run is over. They also hold back updates of nodes for that long, so the repair is made on \
request only. Runs on spot capacity, elastic runs and those under a disruption budget are let be.",
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
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, --nproc-per-node=8, train.py]
          resources:
            limits:
              nvidia.com/gpu: 8
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
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, --nproc-per-node=8, train.py]
          resources:
            limits:
              nvidia.com/gpu: 8
    metadata:
      annotations:
        cluster-autoscaler.kubernetes.io/safe-to-evict: \"false\"
        karpenter.sh/do-not-disrupt: \"true\"
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Annotations by which somebody has decided already, whatever their value.
const DECIDED: [&str; 3] =
    ["karpenter.sh/do-not-disrupt", "karpenter.sh/do-not-evict", "cluster-autoscaler.kubernetes.io/safe-to-evict"];

/// As many accelerators make a run one that is worth to be let be.
const SEVERAL: i64 = 4;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let profile = pod.profile();
    if profile.role != Role::Training || profile.devices() == 0 || pod.is_pod() || !pod.has_spec() {
        return Vec::new();
    }
    // Of what runs in a kind of all sorts (JobSet, MPIJob) nothing is known but by its program.
    let known = profile.runtime().is_some_and(|runtime| runtime.role == Role::Training && runtime.id != "horovod-mpi");
    let trains = pod.owner().group == "kubeflow.org" && pod.owner().kind != "MPIJob";
    if !known && !trains {
        return Vec::new();
    }
    // A schedule runs again; Ray has an autoscaler of its own, and a TPU slice is no node to be tidied up.
    let tpu = profile.accelerators.iter().any(|asked| asked.resource == "google.com/tpu");
    let elastic = pod.object().pointer("/spec/elasticPolicy").is_some_and(|policy| !policy.is_null());
    if tpu
        || elastic
        || pod.owner().group == "ray.io"
        || pod.is_completed(Completion::Lifecycle)
        || Job::of(pod).is_some_and(|job| job.is_scheduled())
        || DECIDED.iter().any(|key| pod.annotation(key).is_some())
        || !spot::chosen(pod, context.catalog()).is_empty()
    {
        return Vec::new();
    }
    let Some(pods) = job::pods_together(pod) else { return Vec::new() };
    if pods.saturating_mul(profile.devices()) < SEVERAL {
        return Vec::new();
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    if matches!(context.inventory.budgets_of(namespace, |key| pod.label(key)), Sight::Present(_)) {
        return Vec::new();
    }
    let Some(metadata) = pod.metadata() else { return Vec::new() };
    let annotations = metadata.get("annotations");
    let whole = if pods > 1 { format!("all {pods} workers") } else { "the run".to_owned() };
    let message = format!(
        "may be evicted to tidy up or update nodes, which stops {whole}: annotate the pods with `karpenter.sh/do-not-disrupt` \
         and `safe-to-evict`"
    );
    let keys = [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", json!("false")),
        ("karpenter.sh/do-not-disrupt", json!("true")),
    ];
    let edits = if annotations.is_absent() {
        let map: Map<String, Value> = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        vec![annotations.set(Value::Object(map))]
    } else {
        keys.into_iter().map(|(key, value)| annotations.get(key).set(value)).collect()
    };
    let fix = Fix::r#unsafe("keep the nodes of the run until it is over", edits);
    vec![RULE.finding(annotations.path().clone(), message).with_fix(fix)]
}
