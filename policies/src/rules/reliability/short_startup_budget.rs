//! `short-startup-budget`: a startup probe that restarts the model server before it can have loaded its model.

use serde_json::json;

use super::probes::{Server, servers};
use super::written;
use crate::catalog::ProbeKind;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "short-startup-budget",
    summary: "the startup probe restarts the model server before its model can be loaded",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A [startup probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#startup-probe) gives a \
container `initialDelaySeconds` and `failureThreshold` × `periodSeconds` to start, and restarts it when they are over: with the \
defaults after half a minute. A model server that needs longer starts its download and its load anew, for ever. What it needs is \
taken from the size that the name of the model tells, at 100 MB/s and with two minutes for all that does not depend on the size \
(compilation, graph capture, warm-up). A model from a volume may be quicker and is judged by these two minutes alone, as is one \
whose name tells no size. Too long costs little: a server that crashes is restarted all the same.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, meta-llama/Llama-3.1-70B-Instruct]
      startupProbe:
        httpGet:
          path: /health
          port: 8000
        periodSeconds: 10
        failureThreshold: 30
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
      args: [--model, meta-llama/Llama-3.1-70B-Instruct]
      startupProbe:
        httpGet:
          path: /health
          port: 8000
        periodSeconds: 10
        failureThreshold: 456
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    servers(pod, context).iter().filter_map(check_server).collect()
}

fn check_server(server: &Server<'_, '_>) -> Option<Finding> {
    let probe = written::probe(server.container, ProbeKind::Startup)?;
    let (least, why) = server.least_load()?;
    let patience = probe.patience();
    // A probe that is true while the model loads does not end the load.
    if patience >= least || probe.runs() || server.lives_before_it_loads(probe.node.value()) {
        return None;
    }
    let message = format!(
        "{} is restarted {patience} s after its start, and {why} takes some {least} s to load: it may never come up",
        server.name()
    );
    let place = probe.node.get("failureThreshold");
    let tries = (server.budget - (patience - probe.endures()).min(server.budget)).div_ceil(probe.period()).max(1);
    let fix = Fix::r#unsafe(format!("give it {} minutes", server.budget / 60), vec![place.set(json!(tries))]);
    Some(RULE.finding(place.path().clone(), message).with_fix(fix))
}
