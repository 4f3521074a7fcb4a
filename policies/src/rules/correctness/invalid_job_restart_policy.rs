//! `invalid-job-restart-policy`: a Job whose pods would be restarted for ever, which the API server refuses.

use crate::context::Context;
use crate::finding::Finding;
use crate::job::Job;
use crate::node::is_placeholder;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "invalid-job-restart-policy",
    summary: "the restart policy of a Job's pods is one that the API server refuses",
    category: Category::Correctness,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A pod restarts its containers for ever unless told otherwise, and a Job waits for its pods to end. So the API server takes \
only `OnFailure` and `Never` in [the template of a Job](https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-template), \
and the default, `Always`, is neither. With a `podFailurePolicy` it takes only `Never`, because the policy judges pods, which \
must fail for that and not be restarted. `OnFailure` restarts the container in its pod, on the same node and with the same \
emptyDir volumes; `Never` makes a new pod, perhaps on another node. Only the author knows which one is meant. Kinds of \
Kubeflow, Volcano and Ray have policies of their own and are not meant here; a JobSet fills in `OnFailure` by itself.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
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
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let Some(job) = Job::of(pod) else { return Vec::new() };
    // A patch for a Job that stands elsewhere names containers and leaves the rest out.
    if pod.containers().iter().any(|container| container.image().is_none()) {
        return Vec::new();
    }
    let policy = pod.spec().get("restartPolicy");
    let message = match job.restart_policy(pod) {
        "Always" if policy.is_absent() => {
            "has no `restartPolicy`, which defaults to Always, and the API server refuses a Job so: set Never or OnFailure"
        }
        "Always" if policy.as_str().is_some() => {
            "`restartPolicy: Always` is refused by the API server in a Job: set Never or OnFailure"
        }
        "OnFailure" if policy.as_str().is_some() && !job.spec().get("podFailurePolicy").is_absent() => {
            "with a `podFailurePolicy` the API server takes only `restartPolicy: Never`"
        }
        "" | "Always" | "OnFailure" | "Never" => return Vec::new(),
        text if is_placeholder(text) => return Vec::new(),
        _ => "is no restart policy that there is, and the API server refuses it: a Job's is Never or OnFailure",
    };
    vec![RULE.finding(policy.path().clone(), message)]
}
