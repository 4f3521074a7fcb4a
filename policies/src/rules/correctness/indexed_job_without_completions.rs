//! `indexed-job-without-completions`: a Job numbers its pods and does not say how many there are.

use serde_json::json;

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::job::Job;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "indexed-job-without-completions",
    summary: "an indexed Job says nothing of completions, so the API server refuses it",
    category: Category::Correctness,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
An indexed Job gives each of its pods a number from 0 to `completions` - 1, which workers of distributed training use as \
their rank. The API server fills in `completions: 1` only where neither `completions` nor `parallelism` is set; with \
`parallelism` alone it [refuses the Job](https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode). \
Workers that run together are as many as are to end, so the repair sets the same number; a queue of work with more indexes \
than workers needs the number of indexes.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pretrain
spec:
  completionMode: Indexed
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
  completionMode: Indexed
  parallelism: 4
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/pretrain:1.4
  completions: 4
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let Some(job) = Job::of(pod).filter(|job| !job.is_in_set()) else { return Vec::new() };
    let spec = job.spec();
    let completions = spec.get("completions");
    if spec.get("completionMode").as_str() != Some("Indexed")
        || !completions.is_absent()
        || spec.get("parallelism").is_absent()
    {
        return Vec::new();
    }
    let finding = RULE.finding(
        completions.path().clone(),
        "is Indexed and has `parallelism` without `completions`: the API server refuses it; say how many indexes there are",
    );
    match job.parallelism().filter(|pods| *pods > 0) {
        Some(pods) => {
            let edit = completions.set(json!(pods));
            vec![finding.with_fix(Fix::r#unsafe(format!("set `completions` to {pods}, the parallelism"), vec![edit]))]
        }
        None => vec![finding],
    }
}
