//! `processes-above-accelerators`: a launcher of training starts more processes than there are accelerators for them.

use super::processes;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "processes-above-accelerators",
    summary: "more processes of training are started than there are accelerators",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
Each process of distributed training takes the accelerator of its local rank. One process more than there are accelerators in \
the container finds none (`invalid device ordinal`), or NCCL finds two on one (`Duplicate GPU detected`), and the whole run \
ends. [torchrun](https://docs.pytorch.org/docs/stable/elastic/run.html) counts processes of one pod (`--nproc-per-node`), \
deepspeed too (`--num_gpus`), accelerate those of all machines (`--num_processes`), and mpirun those of all workers (`-np`). \
With `--nproc-per-node=gpu` torchrun counts for itself. The number is compared only where it and the accelerators are certain.",
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
              nvidia.com/gpu: 4
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
          command: [torchrun, --nproc-per-node=4, train.py]
          resources:
            limits:
              nvidia.com/gpu: 4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let found = processes::of(pod, context.catalog());
    found
        .into_iter()
        .filter(|found| found.processes > found.devices && !processes::shares_devices(pod))
        .map(|found| {
            let message = format!(
                "{}, and {} {} accelerators: the processes above them find none, and the run ends",
                found.said, found.place, found.devices
            );
            RULE.finding(found.at, message)
        })
        .collect()
}
