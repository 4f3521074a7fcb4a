//! `unbounded-memory-volume`: a volume of memory that nothing holds back.

use super::memory_volumes::MemoryVolume;
use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::Sight;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unbounded-memory-volume",
    summary: "a memory volume has no sizeLimit, and the pod no memory limit",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
An `emptyDir` of medium `Memory` is a tmpfs. Without a `sizeLimit` it may grow to the pod's memory limit or, when a container of \
the pod has none, to all the memory of the node \
([Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)). What a data loader or NCCL leaves in \
`/dev/shm` then takes memory from every pod of the node, and the kubelet evicts pods that have done nothing wrong. Say how \
large it may be; which size is needed, nobody but the author can tell.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: trainer
spec:
  restartPolicy: Never
  containers:
    - name: trainer
      image: registry.example.com/trainer:1.4
      resources:
        limits:
          nvidia.com/gpu: 4
      volumeMounts:
        - name: dshm
          mountPath: /dev/shm
  volumes:
    - name: dshm
      emptyDir:
        medium: Memory
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: trainer
spec:
  restartPolicy: Never
  containers:
    - name: trainer
      image: registry.example.com/trainer:1.4
      resources:
        limits:
          nvidia.com/gpu: 4
      volumeMounts:
        - name: dshm
          mountPath: /dev/shm
  volumes:
    - name: dshm
      emptyDir:
        medium: Memory
        sizeLimit: 16Gi
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let volumes = MemoryVolume::all(pod);
    if volumes.is_empty() || pod.is_completed(Completion::Resources) || has_memory_limit(pod) {
        return Vec::new();
    }
    // A limit that is there but reads as no quantity is a template's or a slip; it is not ours to judge.
    let unbounded = volumes.iter().filter(|volume| volume.limit_node().is_absent());
    let used = unbounded.filter(|volume| pod.containers().iter().any(|container| volume.is_written_by(container)));
    let findings = used.map(|volume| {
        let message = format!(
            "the memory volume `{}` has no `sizeLimit`, and nothing limits the pod's memory: what is written there can take \
             all of the node's; set a `sizeLimit`",
            volume.name()
        );
        RULE.finding(volume.node.path().key("emptyDir"), message)
    });
    let findings: Vec<Finding> = findings.collect();
    // The defaults of the namespace bound it as limits of its own would.
    let namespace = pod.owner().namespace.or(context.namespace);
    if !findings.is_empty() && matches!(context.inventory.memory_limits_of(namespace), Sight::Present(_)) {
        return Vec::new();
    }
    findings
}

/// Whether the memory of the pod is limited as a whole or of each of its containers, which bounds its memory volumes too.
fn has_memory_limit(pod: &Pod<'_>) -> bool {
    !pod.spec().walk(&["resources", "limits", "memory"]).is_absent()
        || pod.containers().iter().filter(|container| container.is_long_running()).all(|container| {
            container.value().pointer("/resources/limits/memory").is_some_and(|limit| !limit.is_null())
        })
}
