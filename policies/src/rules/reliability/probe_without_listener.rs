//! `probe-without-listener`: an HTTP probe of a server that was told to answer none.

use super::written::{self, Get};
use crate::catalog::{Port, Probes};
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::profile::{ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "probe-without-listener",
    summary: "an HTTP probe asks a model server that was told not to answer HTTP",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Some flags leave an [HTTP probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/) nobody to \
ask: a `--headless` rank of [vLLM](https://docs.vllm.ai/en/latest/serving/data_parallel_deployment.html) has no API, `--uds` \
listens on a Unix socket alone, a server that asks for client certificates gets none from the kubelet, and one that was switched \
to gRPC answers no GET. Each probe fails, and the container is restarted for ever or never ready. Probe such a server by gRPC or \
by a command in the container, or not at all.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm-rank-1
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --headless, --data-parallel-size, \"2\"]
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        initialDelaySeconds: 900
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm-rank-1
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --headless, --data-parallel-size, \"2\"]
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known, facts) in written::servers(pod, context) {
        let mut gets = written::probes(container).filter_map(|probe| Some((probe.name(), probe.get()?))).peekable();
        if gets.peek().is_none() {
            continue;
        }
        let Some((port, why)) = deaf(pod, container, known, facts) else { continue };
        findings.extend(gets.filter(|(_, get)| asks(get, container, port)).map(|(what, get)| {
            let message = format!("{} {why}: its {what} always fails", written::title(container, known));
            RULE.finding(get.node.path().clone(), message)
        }));
    }
    findings
}

/// Whether the probe asks `port` of the pod, or any where no port is given.
fn asks(get: &Get<'_>, container: &Container<'_>, port: Option<u16>) -> bool {
    let asked = written::number(container, get.node.get("port").value());
    !get.elsewhere && asked.is_some() && (port.is_none() || asked == port)
}

/// Why no HTTP probe of the server is answered, and on which port; any where it is `None`.
fn deaf<'f>(
    pod: &Pod<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    facts: &'f Probes,
) -> Option<(Option<u16>, &'f str)> {
    let start = written::in_sight(pod, container, known).filter(|_| written::is_alone(pod, known) && !facts.unsure)?;
    // Another port of the server, for metrics perhaps, may have been given the number.
    let main = written::main_port(known, facts);
    let others = || known.ports().filter(|(_, port)| main.is_none_or(|main| !std::ptr::eq(*port, main)));
    let free = |number: &u16| !others().any(|(_, port)| start.port(port).ok() == Some(*number));
    if let Some(condition) = facts.none_when.iter().find(|told| told.certain && start.holds(told) == Some(true)) {
        return known.port.filter(free).map(|port| (Some(port), condition.why.as_str()));
    }
    let endpoint = facts.readiness.as_ref()?;
    let port = main?;
    match (&endpoint.http, &endpoint.grpc) {
        (None, Some(_)) if !endpoint.unsure => {
            known.port.filter(free).map(|port| (Some(port), "answers gRPC on it and no HTTP"))
        }
        (Some(_), _) if is_off(&start, port) => Some((None, "serves HTTP only if a flag gives it a port")),
        _ => None,
    }
}

/// Whether the server listens there only when a flag says so, and none does.
fn is_off(start: &Start<'_, '_>, port: &Port) -> bool {
    let silent = |flag: &String| start.command.is_none_or(|command| command.flag(flag).is_none());
    port.default.is_none()
        && !port.flags.is_empty()
        && port.flags.iter().chain(&port.address_flags).all(silent)
        && port.env.is_empty()
        && port.address_env.is_empty()
}
