//! `overlapping-cron-jobs`: runs of a schedule that hold accelerators may pile up.

use serde_json::json;

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::job::Job;
use crate::node::Node;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "overlapping-cron-jobs",
    summary: "runs of a CronJob on accelerators may pile up when one takes longer",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A CronJob starts a run whether or not the one before it has ended, unless \
[`concurrencyPolicy`](https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#concurrency-policy) says otherwise. \
A run on accelerators need not even be slow: while none is free, it is Pending, each tick of the schedule adds another one, \
and all of them start when there is room again. `Forbid` leaves a run out while one is there, `Replace` ends the old one. A run \
that is bounded by `activeDeadlineSeconds` is let be.",
    bad: "\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly-finetune
spec:
  schedule: \"0 2 * * *\"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: train
              image: registry.example.com/finetune:1.4
              resources:
                limits:
                  nvidia.com/gpu: 1
",
    good: "\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly-finetune
spec:
  schedule: \"0 2 * * *\"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: train
              image: registry.example.com/finetune:1.4
              resources:
                limits:
                  nvidia.com/gpu: 1
  concurrencyPolicy: Forbid
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let Some(job) = Job::of(pod).filter(|job| job.is_scheduled() && !job.is_embedded()) else { return Vec::new() };
    if pod.profile().accelerators.is_empty() {
        return Vec::new();
    }
    let spec = Node::root(pod.object()).get("spec");
    let policy = spec.get("concurrencyPolicy");
    let allows = policy.is_absent() || policy.as_str() == Some("Allow");
    let bounded = [job.spec(), pod.spec()].iter().any(|spec| !spec.get("activeDeadlineSeconds").is_absent());
    if !allows || bounded || spec.get("suspend").value().as_bool() == Some(true) {
        return Vec::new();
    }
    let message = "a run starts though the one before holds its accelerators or waits for them: set `concurrencyPolicy` to \
                   Forbid or Replace";
    let fix = Fix::r#unsafe("leave a run out while one is there", vec![policy.set(json!("Forbid"))]);
    vec![RULE.finding(policy.path().clone(), message).with_fix(fix)]
}
