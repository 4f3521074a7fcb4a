//! `progress-deadline-before-startup`: a rollout that is reported as failed while the model still loads.

use serde_json::{Value, json};

use super::probes::patience;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::integer;
use crate::rollout::spec_of;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "progress-deadline-before-startup",
    summary: "the rollout is reported as failed while the model may still load",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A Deployment of which no pod became available for \
[progressDeadlineSeconds](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds), 600 \
where nothing is written, is marked `ProgressDeadlineExceeded`. Kubernetes goes on waiting, but Argo CD calls it degraded, Flux \
and `helm upgrade --atomic` roll back, and `kubectl rollout status` ends with an error, all while the startup probe would have \
left the model more time to load. Where nothing is written, the deadline is set to what the startup probe allows plus a minute \
to pull and schedule: it changes no pod, only when a rollout counts as failed. A deadline of the author's is raised on request.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          startupProbe:
            httpGet:
              path: /health
              port: 8000
            periodSeconds: 10
            failureThreshold: 180
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          startupProbe:
            httpGet:
              path: /health
              port: 8000
            periodSeconds: 10
            failureThreshold: 180
  progressDeadlineSeconds: 1860
",
    fixable: Fixable::Either,
    check: Check::Pod(check),
};

/// What the API server puts in (kubernetes/kubernetes `pkg/apis/apps/v1/defaults.go`).
const DEFAULT_DEADLINE: u64 = 600;

/// Seconds by which the deadline may fall short.
const SLACK: u64 = 60;

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    if !pod.owner().is("apps", "Deployment") || pod.operator().is_some() || pod.replicas() == Some(0) {
        return Vec::new();
    }
    // The latest of the containers decides; a sidecar has its probes, too.
    let latest = pod.containers().iter().filter(|container| container.is_long_running()).max_by_key(|one| budget(one));
    let (Some(container), Some(spec)) = (latest, spec_of(pod)) else { return Vec::new() };
    // A pod counts for the rollout once it has been ready for so long.
    let budget = budget(container).saturating_add(seconds(spec.value(), "minReadySeconds"));
    let field = spec.get("progressDeadlineSeconds");
    let deadline = match integer(Some(field.value())).map(u64::try_from) {
        Some(Ok(deadline)) => deadline,
        None if field.is_absent() => DEFAULT_DEADLINE,
        _ => return Vec::new(),
    };
    // The deadline of a paused rollout does not run. A few seconds are no more than a rounding of the author's.
    if budget < deadline.saturating_add(SLACK) || spec.value().get("paused") == Some(&Value::Bool(true)) {
        return Vec::new();
    }
    let message = format!(
        "{} may take {budget} s to start, and after {deadline} s the rollout is reported as failed: Argo CD, Flux and Helm \
         give up or roll back while it loads",
        container.title()
    );
    let finding = RULE.finding(field.path().clone(), message);
    let wanted = budget.saturating_add(60).div_ceil(60).saturating_mul(60);
    if i32::try_from(wanted).is_err() {
        return vec![finding];
    }
    let edits = vec![field.set(json!(wanted))];
    let title = format!("let a rollout take {} minutes", wanted / 60);
    let fix = if field.is_absent() { Fix::safe(title, edits) } else { Fix::r#unsafe(title, edits) };
    vec![finding.with_fix(fix)]
}

/// Seconds that a container may take until it is ready, by its own probes: what its startup probe allows, or what passes
/// before anybody asks whether it is ready.
fn budget(container: &Container<'_>) -> u64 {
    let readiness = container.value().get("readinessProbe").map_or(0, |probe| seconds(probe, "initialDelaySeconds"));
    patience(&container.get("startupProbe")).max(readiness)
}

fn seconds(value: &Value, field: &str) -> u64 {
    integer(value.get(field)).and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0)
}
