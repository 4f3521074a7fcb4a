//! `missing-startup-probe`: a model server of which nobody can tell whether it is still loading.

use super::probes::servers;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-startup-probe",
    summary: "a model server has no startup probe that gives it time to load",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A model server downloads and loads weights for minutes, sometimes for an hour, before it answers. A \
[startup probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#startup-probe) holds the \
other probes back for that long and restarts a server that never comes up; a liveness probe without one restarts the server in \
the middle of loading, again and again. Buttress puts in the health endpoint of the server it recognises, on the port that its \
flags and environment give, with a budget of three times the time that the model probably takes to load (120 s plus 100 MB/s), \
at least half an hour and at most three: too long costs little, as a server that crashes is restarted all the same, and too \
short is an endless loop. No probe is put into a server that Buttress does not know.",
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
",
    fixable: Fixable::Safe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    // A liveness probe without a startup probe is the business of `liveness-without-startup-budget`.
    let missing = servers(pod, context)
        .into_iter()
        .filter(|server| server.lacks("startupProbe") && server.lacks("livenessProbe"));
    missing
        .map(|server| {
            let message = format!("{} has no startup probe{}", server.name(), server.why_not());
            let finding = RULE.finding(server.container.path().clone(), message);
            let Some(probe) = server.startup() else { return finding };
            let title = format!("add a startup probe that gives it {} minutes to load", server.budget / 60);
            finding.with_fix(Fix::safe(title, vec![server.probe("startupProbe").set(probe)]))
        })
        .collect()
}
