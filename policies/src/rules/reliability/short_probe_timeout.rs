//! `short-probe-timeout`: a probe that gives up before a healthy server can answer.

use serde_json::json;

use super::written::{self, Written};
use crate::catalog::{ProbeFacts, Probes};
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::{ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "short-probe-timeout",
    summary: "the probe gives up before a healthy model server can answer it",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
`timeoutSeconds` is [one second](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/) unless a \
probe says more. Some model servers tell that they are well by generating a token, and look for it once a second: SGLang's \
[`/health`](https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/entrypoints/http_server.py) cannot answer within \
one, so that the probe fails on a healthy server, at the latest when it is busy. The repair gives the probe the time that the \
endpoint takes.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: lmsysorg/sglang:v0.5.3
      command: [python3, -m, sglang.launch_server, --model-path, Qwen/Qwen3-8B, --host, 0.0.0.0]
      readinessProbe:
        httpGet:
          path: /health
          port: 30000
        timeoutSeconds: 1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: lmsysorg/sglang:v0.5.3
      command: [python3, -m, sglang.launch_server, --model-path, Qwen/Qwen3-8B, --host, 0.0.0.0]
      readinessProbe:
        httpGet:
          path: /health
          port: 30000
        timeoutSeconds: 25
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known, facts) in written::servers(pod, context).filter(|(.., facts)| !facts.slow.is_empty()) {
        let Some(start) = pod.start(known) else { continue };
        let probes = written::probes(container);
        findings.extend(probes.filter_map(|probe| check_probe(&probe, container, known, facts, &start)));
    }
    findings
}

fn check_probe(
    probe: &Written<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    facts: &Probes,
    start: &Start<'_, '_>,
) -> Option<Finding> {
    let (path, least) = least(probe, facts, start)?;
    let (timeout, why) = (probe.timeout(), why(facts, path));
    let place = probe.node.get("timeoutSeconds");
    let message = format!(
        "the {} of {} waits {timeout} s, and {path} {why}: it fails on a healthy server; wait {least} s at the least",
        probe.name(),
        written::title(container, known)
    );
    let finding = RULE.finding(place.path().clone(), message);
    if !known.sure || facts.unsure {
        return Some(finding);
    }
    let endpoints = [&facts.startup, &facts.readiness, &facts.liveness].into_iter().flatten();
    let usual =
        endpoints.filter(|fact| fact.http.as_deref() == Some(path)).find_map(|fact: &ProbeFacts| fact.timeout_seconds);
    let wanted = usual.unwrap_or(0).max(least);
    Some(finding.with_fix(Fix::r#unsafe(format!("wait {wanted} s for the answer"), vec![place.set(json!(wanted))])))
}

/// The path that the probe asks and the seconds that it needs at the least, if it gives less.
pub(super) fn least<'f>(probe: &Written<'_>, facts: &'f Probes, start: &Start<'_, '_>) -> Option<(&'f str, u32)> {
    let get = probe.get().filter(|get| !get.elsewhere)?;
    let slow = facts.slow.iter().find(|slow| get.asks(&slow.path))?;
    // `envFrom` may set the variable that makes it quick.
    let quick = start.holds(&slow.unless) != Some(false) || !slow.unless.env.is_empty() && start.environment.is_open();
    (probe.timeout() < u64::from(slow.least_timeout_seconds) && !quick)
        .then_some((slow.path.as_str(), slow.least_timeout_seconds))
}

fn why<'f>(facts: &'f Probes, path: &str) -> &'f str {
    facts.slow.iter().find(|slow| slow.path == path).map_or("takes its time", |slow| slow.why.as_str())
}
