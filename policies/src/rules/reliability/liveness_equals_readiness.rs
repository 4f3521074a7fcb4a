//! `liveness-equals-readiness`: a busy server that is restarted where it should be left alone.

use serde_json::json;

use super::short_probe_timeout::least;
use super::written::{self, Get, Written};
use crate::catalog::{ProbeKind, Probes};
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::{Call, ContainerProfile};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "liveness-equals-readiness",
    summary: "the liveness probe asks what readiness does and restarts a busy server",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Readiness turns false while a server cannot take requests: a model is being exchanged, a queue is full, a database is away. \
Liveness is for what [only a restart helps](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/). \
One that asks for the same thing restarts the server at the moment it should only be left alone, and each restart costs the whole \
load of the model and puts its work on the others. Servers such as Triton, NIM and MLServer have a path for each. Where both ask \
the same path of a server that is not known, liveness should at least give up later, as Kubernetes' documentation has it. vLLM's \
`/health` is meant for both and is not spoken of.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: triton
spec:
  containers:
    - name: server
      image: nvcr.io/nvidia/tritonserver:25.08-py3
      command: [tritonserver, --model-repository=/models]
      startupProbe:
        httpGet:
          path: /v2/health/ready
          port: 8000
        failureThreshold: 180
      livenessProbe:
        httpGet:
          path: /v2/health/ready
          port: 8000
        periodSeconds: 30
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: triton
spec:
  containers:
    - name: server
      image: nvcr.io/nvidia/tritonserver:25.08-py3
      command: [tritonserver, --model-repository=/models]
      startupProbe:
        httpGet:
          path: /v2/health/ready
          port: 8000
        failureThreshold: 180
      livenessProbe:
        httpGet:
          path: /v2/health/live
          port: 8000
        periodSeconds: 30
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Seconds of a generating health endpoint's failure after which a server may be taken for dead.
const LONG: u64 = 120;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !written::are_final(pod) {
        return Vec::new();
    }
    let operators = context.catalog().operators();
    let containers = pod.ai_containers().filter(|(container, _)| !operators.is_helper(container.name()));
    containers
        .filter_map(|(container, known)| {
            let liveness = written::probe(container, ProbeKind::Liveness)?;
            let get = liveness.get().filter(|get| !get.elsewhere)?;
            match known.probe_facts().filter(|facts| known.serves && !facts.unsure && facts.readiness.is_some()) {
                Some(facts) => check_known(pod, container, known, facts, &liveness, &get),
                None => check_unknown(pod, container, known, &liveness, &get),
            }
        })
        .collect()
}

/// A server of which it is known what it says on which path.
fn check_known(
    pod: &Pod<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    facts: &Probes,
    liveness: &Written<'_>,
    get: &Get<'_>,
) -> Option<Finding> {
    let readiness = facts.readiness.as_ref().filter(|fact| !fact.unsure).and_then(|fact| fact.http.as_deref())?;
    let title = written::title(container, known);
    let Some(own) = &facts.liveness else {
        let why = facts.why_not.as_deref().filter(|_| facts.slow.iter().any(|slow| get.asks(&slow.path)))?;
        // A timeout that is too short says more, and a setting may make the path quick.
        let start = pod.start(known)?;
        let quick = facts.slow.iter().any(|slow| get.asks(&slow.path) && start.holds(&slow.unless) != Some(false));
        if quick || least(liveness, facts, &start).is_some() || liveness.endures() >= LONG {
            return None;
        }
        let message = format!(
            "the liveness probe of {title} gives up after {} s, and {why}: wait {LONG} s or leave it out",
            liveness.endures()
        );
        return Some(RULE.finding(get.node.path().clone(), message).at_most(Severity::Advice));
    };
    let live = own.http.as_deref().filter(|live| *live != readiness && !own.unsure);
    if live.is_none_or(|live| get.asks(live)) || !get.asks(readiness) {
        return None;
    }
    let better = live.unwrap_or_default();
    let message = format!(
        "the liveness probe of {title} asks {readiness}, which is false whenever it cannot take requests: it is restarted \
         in the place of being left alone; ask {better}"
    );
    let path = get.node.get("path");
    let finding = RULE.finding(path.path().clone(), message);
    let fitting = known.probes.as_ref().ok().and_then(|probes| probes.liveness.as_ref());
    let Some(Call::Http { path: fit, https }) = fitting.map(|probe| &probe.call) else { return Some(finding) };
    if *https != get.https
        || written::number(container, get.node.get("port").value()) != fitting.map(|probe| probe.port)
    {
        return Some(finding);
    }
    Some(finding.with_fix(Fix::r#unsafe(format!("ask {fit}"), vec![path.set(json!(fit))])))
}

/// A server that nobody knows: the same path is well, as long as liveness is the more patient.
fn check_unknown(
    pod: &Pod<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    liveness: &Written<'_>,
    get: &Get<'_>,
) -> Option<Finding> {
    let profile = pod.profile();
    let readiness = written::probe(container, ProbeKind::Readiness)?;
    let other = readiness.get()?;
    let port = |get: &Get<'_>| written::number(container, get.node.get("port").value());
    let same = get.path == other.path && port(get).is_some() && port(get) == port(&other);
    if !same || !profile.serves() || profile.main != Some(known.index) || liveness.endures() > readiness.endures() {
        return None;
    }
    let message = format!(
        "liveness and readiness of {} ask the same path, and liveness gives up after {} s, no later than readiness: a \
         server that is only busy is restarted; let it fail more often",
        container.title(),
        liveness.endures()
    );
    Some(RULE.finding(liveness.node.path().clone(), message).at_most(Severity::Advice))
}
