//! `missing-liveness-probe`: a model server that hangs for ever.

use super::probes::servers;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-liveness-probe",
    summary: "nothing restarts the model server when it hangs",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
An engine whose GPU process died or that waits in NCCL for ever keeps its port open and answers nothing. A \
[liveness probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#liveness-probe) has the \
kubelet restart it. As a restart costs the whole load of the model, it is patient: asked every 30 s, with 10 s to answer and six \
failures. It is only put in where a startup probe is there or comes with it, since it would else restart a server that still \
loads, and where the endpoint is cheap. Gangs, trainers and notebooks get none.",
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
      startupProbe:
        httpGet:
          path: /health
          port: 8000
        failureThreshold: 180
        periodSeconds: 10
        timeoutSeconds: 5
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        failureThreshold: 6
        periodSeconds: 30
        timeoutSeconds: 10
",
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    servers(pod, context)
        .into_iter()
        .filter(|server| server.lacks("livenessProbe"))
        .map(|server| {
            let message = format!(
                "{} has no liveness probe: nothing restarts it when it hangs{}",
                server.name(),
                server.why_not()
            );
            let finding = RULE.finding(server.container.path().clone(), message);
            let Some(liveness) = server.liveness() else { return finding };
            let mut edits = Vec::new();
            if server.lacks("startupProbe") {
                let Some(startup) = server.startup() else { return finding };
                edits.push(server.probe("startupProbe").set(startup));
            }
            edits.push(server.probe("livenessProbe").set(liveness));
            finding.with_fix(Fix::safe("add a patient liveness probe", edits))
        })
        .collect()
}
