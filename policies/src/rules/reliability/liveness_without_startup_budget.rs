//! `liveness-without-startup-budget`: a liveness probe that restarts the model server while it loads.

use serde_json::{Value, json};

use super::probes::{Server, patience, servers};
use super::written::Written;
use crate::catalog::ProbeKind;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::integer;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "liveness-without-startup-budget",
    summary: "the liveness probe restarts the model server while it loads, again and again",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Without a startup probe the liveness probe begins after `initialDelaySeconds` and kills the container after \
`failureThreshold` failures: with the usual values, after less than a minute. A model that takes longer to load never comes up; \
the pod is in CrashLoopBackOff, or hammers the model hub, for ever \
([KServe #5062](https://github.com/kserve/kserve/issues/5062) is one such case of many). The \
[startup probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#startup-probe) that is put \
in asks the server's own health endpoint, or else what the author's liveness probe asks, and gives three times the time that the \
model probably takes to load. None is put in where the liveness probe asks another port than that of the server, or one that \
cannot be told.",
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
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        initialDelaySeconds: 60
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
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        initialDelaySeconds: 60
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
    servers(pod, context).iter().filter_map(|server| check_server(pod, server)).collect()
}

fn check_server(pod: &Pod<'_>, server: &Server<'_, '_>) -> Option<Finding> {
    let liveness = server.probe("livenessProbe");
    // A server whose port opens at once, whatever it has still to load, is not killed by asking whether it lives.
    if liveness.is_absent()
        || !server.lacks("startupProbe")
        || !server.loads_a_model()
        || server.lives_before_it_loads(liveness.value())
    {
        return None;
    }
    let patience = patience(&liveness);
    if patience >= server.expected {
        return None;
    }
    let place = liveness.path().clone();
    let liveness = Written { kind: ProbeKind::Liveness, node: liveness };
    let reason = server.contradicted().map(|reason| format!(" (no startup probe is put in: {reason})"));
    let message = format!(
        "{} is restarted {patience} s after its start at the latest unless it has loaded its model by then{}",
        server.name(),
        reason.unwrap_or_default()
    );
    let finding = RULE.finding(place, message);
    let Some(probe) = startup(pod, &liveness, server) else { return Some(finding) };
    let title = format!("add a startup probe that gives it {} minutes to load", server.budget / 60);
    Some(finding.with_fix(Fix::safe(title, vec![server.probe("startupProbe").set(probe)])))
}

/// The startup probe that fits the server, or that asks what the author's liveness probe asks, for as long as the budget says.
fn startup(pod: &Pod<'_>, liveness: &Written<'_>, server: &Server<'_, '_>) -> Option<Value> {
    const HANDLERS: &[&str] = &["exec", "grpc", "httpGet", "tcpSocket"];
    if !server.may_repair() || !server.may_ask(liveness, pod) {
        return None;
    }
    let probe = liveness.node.value();
    let handlers: Vec<_> = HANDLERS
        .iter()
        .filter_map(|name| Some((name, probe.get(name).filter(|handler| handler.is_object())?)))
        .collect();
    // Kubernetes wants exactly one; with another number it is not ours to say which is meant.
    let [(name, handler)] = handlers.as_slice() else { return None };
    // Some servers need more than Kubernetes' one second to answer, which the author may not have met yet.
    let fitting = server.startup();
    let least = fitting.as_ref().and_then(|probe| integer(probe.get("timeoutSeconds"))).unwrap_or(5);
    let timeout = integer(probe.get("timeoutSeconds")).unwrap_or(1).max(least);
    let tries = server.budget.div_ceil(10).max(1);
    // A path or a connection of the author's may be true too early, or never; a command is theirs to know.
    let path = |probe: &Value| probe.pointer("/httpGet/path").cloned();
    if let Some(mut fitting) =
        fitting.filter(|fitting| matches!(**name, "httpGet" | "tcpSocket") && path(fitting) != path(probe))
    {
        fitting["timeoutSeconds"] = json!(timeout);
        return Some(fitting);
    }
    Some(json!({**name: handler, "periodSeconds": 10, "timeoutSeconds": timeout, "failureThreshold": tries}))
}
