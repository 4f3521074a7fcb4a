//! `memory-volume-above-limit`: memory volumes that may grow beyond the memory of the container that fills them.

use super::memory_volumes::MemoryVolume;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "memory-volume-above-limit",
    summary: "memory volumes may grow to the container's memory limit or beyond",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
What a container writes to an `emptyDir` of medium `Memory` counts against its memory limit, beside what its processes use \
([Kubernetes: emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir)). With a `sizeLimit` that is as large as \
the limit, the container is killed for its memory before the volume is full, and the size limit protects nothing. Raise the \
memory limit to what the processes need and the volume on top, or make the volume smaller. Which of the two is meant, nobody \
but the author can tell.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/llm:2.1
      resources:
        limits:
          memory: 16Gi
      volumeMounts:
        - name: dshm
          mountPath: /dev/shm
  volumes:
    - name: dshm
      emptyDir:
        medium: Memory
        sizeLimit: 16Gi
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/llm:2.1
      resources:
        limits:
          memory: 32Gi
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

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let volumes = MemoryVolume::all(pod);
    if volumes.is_empty() {
        return Vec::new();
    }
    let running: Vec<_> = pod.containers().iter().filter(|container| container.is_long_running()).collect();
    let found = running.iter().filter_map(|container| check_container(container, &running, &volumes));
    let mut findings: Vec<Finding> = found.collect();
    // Containers that share a volume need it said once.
    let mut seen = Vec::new();
    findings.retain(|finding| {
        let new = !seen.contains(&finding.at);
        seen.push(finding.at.clone());
        new
    });
    findings
}

fn check_container(
    container: &Container<'_>,
    running: &[&Container<'_>],
    volumes: &[MemoryVolume<'_>],
) -> Option<Finding> {
    let limit = memory(container)?;
    // What containers share is filled by that which has the memory for it; its neighbours read, or write little.
    let fills = |volume: &MemoryVolume<'_>| {
        let mut writers = running.iter().filter(|other| volume.is_written_by(other));
        volume.is_written_by(container) && writers.all(|other| memory(other).is_some_and(|other| other <= limit))
    };
    let written = || volumes.iter().filter(|volume| fills(volume));
    let sum = written().filter_map(|volume| volume.size_limit).fold(Quantity::ZERO, Quantity::add);
    if sum < limit {
        return None;
    }
    let largest = written().filter(|volume| volume.size_limit.is_some()).max_by_key(|volume| volume.size_limit)?;
    let message = format!(
        "{} may write {sum} to memory volumes, which count against its memory limit of {limit}: it is killed before they are \
         full; raise the limit above their size and what its processes use, or make them smaller",
        container.title()
    );
    Some(RULE.finding(largest.limit_node().path().clone(), message))
}

fn memory(container: &Container<'_>) -> Option<Quantity> {
    container.limit("memory").filter(|limit| *limit > Quantity::ZERO)
}
