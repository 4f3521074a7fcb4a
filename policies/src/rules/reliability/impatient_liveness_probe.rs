//! `impatient-liveness-probe`: a liveness probe that kills a model server in the middle of its work.

use serde_json::json;

use super::short_probe_timeout::least;
use super::written::{self, Written};
use crate::catalog::ProbeKind;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "impatient-liveness-probe",
    summary: "the liveness probe restarts a model server that is busy for a few seconds",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A model server answers its health path late while it takes in a long prompt, compiles a kernel or collects garbage. A \
[liveness probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/#liveness-probe) that gives up \
within less than half a minute kills it in the middle of an inference, every request in flight is lost, and the load of the model \
begins anew while the others carry more. What the makers of the servers use is 30 s (vLLM) to some minutes (KServe, KubeRay); \
half a minute of answers within one second each, which are Kubernetes' defaults, is worth a second look. The repair lets it fail for \
a minute, with five seconds for an answer.",
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
      startupProbe:
        httpGet:
          path: /health
          port: 8000
        failureThreshold: 180
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        periodSeconds: 5
        timeoutSeconds: 1
        failureThreshold: 3
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
      livenessProbe:
        httpGet:
          path: /health
          port: 8000
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 12
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Seconds of failure that the examples of the servers' makers endure at the least.
const LEAST: u64 = 30;

/// What a repair gives.
const ENDURES: u64 = 60;
const TIMEOUT: u64 = 5;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !written::are_final(pod) {
        return Vec::new();
    }
    let operators = context.catalog().operators();
    let profile = pod.profile();
    let serving = pod.ai_containers().filter(|(container, known)| {
        let unknown = known.runtime.is_none() && profile.main == Some(known.index);
        (known.serves && known.role.serves_a_model() || unknown) && !operators.is_helper(container.name())
    });
    serving.filter_map(|(container, known)| check_container(pod, container, known)).collect()
}

fn check_container(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile) -> Option<Finding> {
    let probe = written::probe(container, ProbeKind::Liveness)?;
    let (endures, hasty) = (probe.endures(), is_hasty(&probe));
    if endures >= LEAST && !(hasty && endures == LEAST) {
        return None;
    }
    // A timeout that a healthy server cannot keep is the business of `short-probe-timeout`.
    let start = known.probe_facts().zip(pod.start(known));
    if start.is_some_and(|(facts, start)| least(&probe, facts, &start).is_some()) {
        return None;
    }
    let title = written::title(container, known);
    let answers = if hasty { " of answers later than 1 s" } else { "" };
    let message = format!(
        "the liveness probe of {title} gives up after {endures} s{answers}: a server that is busy is killed in the middle of \
         an inference"
    );
    let severity = if endures < LEAST { Severity::Warning } else { Severity::Advice };
    let (failures, timeout) = (probe.node.get("failureThreshold"), probe.node.get("timeoutSeconds"));
    let tries = ENDURES.div_ceil(probe.period());
    let mut edits = Vec::new();
    if hasty {
        edits.push(timeout.set(json!(TIMEOUT)));
    }
    edits.push(failures.set(json!(tries.max(probe.failures()))));
    let fix = Fix::r#unsafe(format!("let it fail for {} s", tries.max(probe.failures()) * probe.period()), edits);
    Some(RULE.finding(probe.node.path().clone(), message).at_most(severity).with_fix(fix))
}

/// Whether it waits but a second for an answer, and not only for a connection.
fn is_hasty(probe: &Written<'_>) -> bool {
    probe.timeout() <= 1 && probe.node.value().get("tcpSocket").is_none_or(serde_json::Value::is_null)
}
