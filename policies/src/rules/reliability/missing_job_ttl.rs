//! `missing-job-ttl`: a Job on accelerators that stays after its end until somebody deletes it.

use serde_json::{Value, json};

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::job::Job;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-job-ttl",
    summary: "a finished Job and its pods stay until somebody deletes them",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
Nothing removes a finished Job, and its pods with it, unless \
[`ttlSecondsAfterFinished`](https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/) says when. Those of \
experiments add up in the API server, and the next run under the same name is refused, as the template of a Job cannot be \
changed. With the Job its logs go too, and a tool that keeps a cluster like a repository starts the Job anew when it \
is gone: so the repair, one day, is made on request only, and Jobs that bear the marks of such a tool are let be.",
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
          resources:
            limits:
              nvidia.com/gpu: 1
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
          resources:
            limits:
              nvidia.com/gpu: 1
  ttlSecondsAfterFinished: 86400
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// What the labels and annotations of tools begin with that delete Jobs themselves, or make them anew when they are gone.
const TOOLS: [&str; 7] = [
    "helm.sh/hook",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "pipelines.kubeflow.org/",
    "workflows.argoproj.io/",
    "tekton.dev/",
];

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let Some(job) = Job::of(pod).filter(|job| job.is_job() && !job.is_embedded()) else { return Vec::new() };
    let ttl = job.spec().get("ttlSecondsAfterFinished");
    if !ttl.is_absent() || pod.profile().accelerators.is_empty() {
        return Vec::new();
    }
    let metadata = pod.object().get("metadata").unwrap_or(&Value::Null);
    let owned = metadata.get("ownerReferences").is_some_and(|owners| !owners.is_null());
    let kept = ["labels", "annotations"]
        .iter()
        .filter_map(|field| metadata.get(field)?.as_object())
        .any(|map| map.keys().any(|key| TOOLS.iter().any(|tool| key.starts_with(tool))));
    if owned || kept {
        return Vec::new();
    }
    let message = "has no `ttlSecondsAfterFinished`: the finished Job and its pods stay until somebody deletes them";
    let fix = Fix::r#unsafe("delete the Job with its logs a day after its end", vec![ttl.set(json!(86_400))]);
    vec![RULE.finding(ttl.path().clone(), message).with_fix(fix)]
}
