//! `gang-without-scheduler`: workers on accelerators that need each other are placed one by one.

use serde_json::Value;

use crate::catalog::Role;
use crate::context::Context;
use crate::finding::Finding;
use crate::job;
use crate::node::text;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::Setting;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "gang-without-scheduler",
    summary: "workers that need each other are placed one by one and may hold up others",
    category: Category::Scheduling,
    severity: Severity::Advice,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
The default scheduler places pods one by one. Of two runs that want more accelerators than are free, each gets some of its \
workers, and both wait for the rest, with the accelerators that they hold idle, until somebody steps in. \
[Kueue](https://kueue.sigs.k8s.io/docs/concepts/) admits a workload as a whole when it carries a queue's name; Volcano, \
KAI, the coscheduling plugin and the scheduler's own pod groups of late Kubernetes place all pods of a group or none. \
Where an operator gives the pods to such a scheduler by its own settings, or only one run is ever there, nothing is amiss, \
which is why this is advice.",
    bad: "\
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: pretrain
spec:
  replicatedJobs:
    - name: workers
      template:
        spec:
          parallelism: 4
          completions: 4
          template:
            spec:
              containers:
                - name: train
                  image: registry.example.com/pretrain:1.4
                  command: [torchrun, --nnodes=4, --nproc-per-node=8, train.py]
                  resources:
                    limits:
                      nvidia.com/gpu: 8
",
    good: "\
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: pretrain
  labels:
    kueue.x-k8s.io/queue-name: research
spec:
  replicatedJobs:
    - name: workers
      template:
        spec:
          parallelism: 4
          completions: 4
          template:
            spec:
              containers:
                - name: train
                  image: registry.example.com/pretrain:1.4
                  command: [torchrun, --nnodes=4, --nproc-per-node=8, train.py]
                  resources:
                    limits:
                      nvidia.com/gpu: 8
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

/// What keys of labels and annotations begin with by which queues and schedulers of gangs know their pods.
const MARKS: [&str; 16] = [
    "kueue.x-k8s.io/",
    "provreq.kueue.x-k8s.io/",
    "scheduling.x-k8s.io/",
    "pod-group.scheduling.sigs.k8s.io",
    "scheduling.k8s.io/",
    "scheduling.volcano.sh/",
    "volcano.sh/",
    "kai.scheduler/",
    "runai/",
    "run.ai/",
    "yunikorn.apache.org/",
    "gang.scheduling.koordinator.sh/",
    "sagemaker.amazonaws.com/",
    "autoscaling.x-k8s.io/",
    "cluster-autoscaler.kubernetes.io/consume-provisioning-request",
    "cluster-autoscaler.kubernetes.io/provisioning-class-name",
];

/// Node labels of capacity that is given all at once or not at all.
const QUEUED_NODES: [&str; 2] = ["cloud.google.com/gke-queued", "cloud.google.com/gke-flex-start"];

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    let operated = matches!(
        (identity.group, identity.kind),
        ("jobset.x-k8s.io", "JobSet")
            | ("kubeflow.org", "PyTorchJob" | "MPIJob" | "TFJob" | "XGBoostJob" | "JAXJob" | "PaddleJob")
    );
    let job = identity.is("batch", "Job");
    let needs_peers = operated && identity.group == "kubeflow.org";
    if !operated && !job {
        return Vec::new();
    }
    let (mut pods, mut devices) = (0_i64, 0_i64);
    for pod in object.pods() {
        let profile = pod.profile();
        // Hosts of a TPU slice come as one, and parts of a device are seldom short.
        if profile.accelerators.iter().any(|asked| asked.resource == "google.com/tpu") || pod.operator().is_some() {
            return Vec::new();
        }
        if profile.devices() == 0 {
            continue;
        }
        let Some(together) = job::pods_together(pod) else { return Vec::new() };
        pods = pods.saturating_add(together);
        devices = devices.saturating_add(together.saturating_mul(profile.devices()));
        // Jobs may also take one shard each and need nobody.
        let alone =
            !needs_peers && profile.runtime().is_none_or(|runtime| runtime.role != Role::Training) && !has_rank(pod);
        if is_scheduled(pod) || alone || job && !is_indexed(object) {
            return Vec::new();
        }
    }
    let root = object.root();
    let spec = root.get("spec");
    let decided = [
        &["suspend"][..],
        &["managedBy"],
        &["elasticPolicy"],
        &["scheduling"],
        &["schedulingPolicy"],
        &["runPolicy", "suspend"],
        &["runPolicy", "managedBy"],
        &["runPolicy", "schedulingPolicy"],
    ]
    .iter()
    .any(|way| !matches!(spec.walk(way).value(), Value::Null | Value::Bool(false)));
    if pods < 2 || decided || is_marked(root.get("metadata").value()) {
        return Vec::new();
    }
    let message = format!(
        "{pods} pods with {devices} accelerators in all wait for each other but are placed one by one: queue them as a whole \
         (Kueue's queue name), or use a scheduler of gangs"
    );
    vec![RULE.finding(root.walk(&["metadata", "labels"]).path().clone(), message)]
}

/// Whether a container is told where the first of its peers is, or which of them it is.
fn has_rank(pod: &Pod<'_>) -> bool {
    const RANKS: [&str; 6] =
        ["WORLD_SIZE", "MASTER_ADDR", "RANK", "NODE_RANK", "JAX_COORDINATOR_ADDRESS", "NUM_PROCESSES"];
    pod.invocations().iter().any(|told| RANKS.iter().any(|name| told.environment.get(name) != Setting::Unset))
}

fn is_indexed(object: &Object<'_>) -> bool {
    object.root().walk(&["spec", "completionMode"]).as_str() == Some("Indexed")
}

/// Whether metadata bears the mark of a queue or of a scheduler of gangs.
fn is_marked(metadata: &Value) -> bool {
    ["labels", "annotations"]
        .iter()
        .filter_map(|field| metadata.get(field)?.as_object())
        .any(|map| map.keys().any(|key| MARKS.iter().any(|mark| key.starts_with(mark))))
}

/// Whether the pods are placed by something else than the default scheduler, or on nodes that come together.
fn is_scheduled(pod: &Pod<'_>) -> bool {
    let spec = pod.spec().value();
    let other = text(spec, "schedulerName").is_some_and(|name| !matches!(name, "" | "default-scheduler"));
    let there = |field: &str| spec.get(field).is_some_and(|value| !value.is_null());
    let selects = |key: &str| spec.get("nodeSelector").is_some_and(|selector| selector.get(key).is_some());
    other
        || there("schedulingGroup")
        || there("schedulingGates")
        || there("nodeName")
        || QUEUED_NODES.iter().any(|key| selects(key))
        || pod.metadata().is_some_and(|metadata| is_marked(metadata.value()))
}
