//! `missing-readiness-probe`: a model server that gets requests before it can answer them.

use super::probes::servers;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-readiness-probe",
    summary: "a model server gets requests before it can answer them",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Without a [readiness probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#readiness-probe) \
a pod counts as ready as soon as its process runs: requests fail until the model is loaded, and a rolling update takes the old \
replicas away while the new ones still load. Buttress puts in the endpoint of the server it recognises, asked every 10 s and \
with at least 5 s to answer, as some servers generate a token to tell that they are well. None is put in where pods wait for \
each other, as in multi-node engines.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B]
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B]
      readinessProbe:
        httpGet:
          path: /health
          port: 8000
        failureThreshold: 3
        periodSeconds: 10
        timeoutSeconds: 5
",
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    servers(pod, context)
        .into_iter()
        .filter(|server| server.lacks("readinessProbe"))
        .map(|server| {
            let message = format!(
                "{} has no readiness probe: it gets requests while it loads{}",
                server.name(),
                server.why_not()
            );
            let finding = RULE.finding(server.container.path().clone(), message);
            let Some(probe) = server.readiness() else { return finding };
            finding.with_fix(Fix::safe("add a readiness probe", vec![server.probe("readinessProbe").set(probe)]))
        })
        .collect()
}
