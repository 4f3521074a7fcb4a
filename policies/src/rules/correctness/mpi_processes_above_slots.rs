//! `mpi-processes-above-slots`: mpirun is asked for more processes than the workers of its MPIJob have slots.

use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::resources::processes;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "mpi-processes-above-slots",
    summary: "mpirun is asked for more processes than the MPIJob has slots",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
The operator tells mpirun of each worker with `slotsPerWorker` slots, [one unless it is set](\
https://www.kubeflow.org/docs/components/trainer/legacy-v1/user-guides/mpi/). Open MPI starts no process without a slot: with \
`-np` above workers × slots it ends with *There are not enough slots available in the system*, and the launcher fails. `-np` \
counts the processes of all workers together. Where the command says that slots do not count (`--oversubscribe`), or names \
hosts of its own, nothing is said.",
    bad: "\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata:
  name: pretrain
spec:
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      template:
        spec:
          containers:
            - name: launcher
              image: registry.example.com/mpi:1.4
              command: [mpirun, -np, \"16\", python, train.py]
    Worker:
      replicas: 2
      template:
        spec:
          containers:
            - name: worker
              image: registry.example.com/mpi:1.4
",
    good: "\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata:
  name: pretrain
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      replicas: 1
      template:
        spec:
          containers:
            - name: launcher
              image: registry.example.com/mpi:1.4
              command: [mpirun, -np, \"16\", python, train.py]
    Worker:
      replicas: 2
      template:
        spec:
          containers:
            - name: worker
              image: registry.example.com/mpi:1.4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !pod.owner().is("kubeflow.org", "MPIJob") || !pod.root().as_str().contains("/Launcher/") {
        return Vec::new();
    }
    let Some(found) = processes::slots(pod, context.catalog()) else { return Vec::new() };
    let slots = found.workers.saturating_mul(found.slots);
    if found.workers < 1 || found.slots < 1 || found.processes <= slots {
        return Vec::new();
    }
    let message = format!(
        "mpirun is asked for {} processes, and {} workers of {} slots hold {slots}: Open MPI refuses; raise `slotsPerWorker` \
         or the workers",
        found.processes, found.workers, found.slots
    );
    vec![RULE.finding(found.at, message)]
}
