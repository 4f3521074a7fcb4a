//! `idle-training-accelerators`: a launcher of training starts fewer processes than there are accelerators.

use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::resources::processes;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "idle-training-accelerators",
    summary: "fewer processes of training are started than there are accelerators",
    category: Category::Cost,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
Each process of distributed training uses one accelerator, so those above the number of processes are paid for and idle. \
[torchrun](https://docs.pytorch.org/docs/stable/elastic/run.html) starts a single one unless `--nproc-per-node` says more; \
`--nproc-per-node=gpu` starts one for each. A single process may spread one model over several accelerators by itself \
(`device_map=auto`), which is why one process is advice only.",
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
          command: [torchrun, --nproc-per-node=4, train.py]
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
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let found = processes::of(pod, context.catalog());
    found
        .into_iter()
        .filter(|found| found.alone && found.processes > 0 && found.processes < found.devices)
        .map(|found| {
            let message = format!(
                "{}, and {} {} accelerators: {} of them stay idle",
                found.said,
                found.place,
                found.devices,
                found.devices - found.processes
            );
            let finding = RULE.finding(found.at, message);
            if found.processes == 1 { finding.at_most(Severity::Advice) } else { finding }
        })
        .collect()
}
