//! `parallelism-above-completions`: a Job asks for more pods at a time than are ever to succeed.

use crate::context::Context;
use crate::finding::Finding;
use crate::job::Job;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "parallelism-above-completions",
    summary: "a Job asks for more pods at a time than are to succeed: they never start",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A Job never runs more pods than are still to succeed, so \
[`parallelism` above `completions`](https://kubernetes.io/docs/concepts/workloads/controllers/job/#controlling-parallelism) \
is cut down to it without a word. Workers that wait for all their peers (torchrun with `--nnodes`, MPI, JAX) then wait for \
pods that never come, and hold their accelerators meanwhile. Workers that run together need as many `completions` as \
`parallelism`; a queue of work leaves `completions` out.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pretrain
spec:
  completions: 1
  parallelism: 4
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/pretrain:1.4
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pretrain
spec:
  completions: 4
  parallelism: 4
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/pretrain:1.4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let Some(job) = Job::of(pod) else { return Vec::new() };
    let (Some(parallelism), Some(completions)) = (job.parallelism(), job.completions()) else { return Vec::new() };
    // Zero completions are a Job that is done before it begins, which templates use to switch one off.
    if completions < 1 || parallelism <= completions {
        return Vec::new();
    }
    let message = format!(
        "`parallelism` {parallelism} is above `completions` {completions}: no more than {completions} of the pods ever run; \
         raise `completions`, or leave it out for a queue of work"
    );
    vec![RULE.finding(job.spec().get("parallelism").path().clone(), message)]
}
