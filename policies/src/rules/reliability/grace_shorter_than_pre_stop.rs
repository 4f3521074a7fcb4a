//! `grace-shorter-than-pre-stop`: a hook that sleeps until the pod is killed.

use serde_json::json;

use super::stopping::{self, PreStop};
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "grace-shorter-than-pre-stop",
    summary: "the preStop hook sleeps for all of the grace period, and the server is killed",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The [grace period](https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/#hook-handler-execution) begins before \
the `preStop` hook and goes on while it runs. A hook that sleeps for as long leaves the server no time: it gets SIGTERM with two \
seconds to go and is killed in the middle of its requests. A `sleep` action that is longer than the grace period is refused by the \
API server; a `sleep` command is not. The repair gives the server the time it would have without the hook, half a minute, or what \
it was told to wait.",
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
      lifecycle:
        preStop:
          exec:
            command: [sleep, \"60\"]
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
      lifecycle:
        preStop:
          exec:
            command: [sleep, \"60\"]
  terminationGracePeriodSeconds: 90
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Seconds that Kubernetes gives a container to stop where nobody says more.
const USUAL: u64 = 30;

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let running = pod.containers().iter().enumerate().filter(|(_, container)| container.is_long_running());
    for (index, container) in running {
        let (PreStop::Sleep(sleep) | PreStop::AtLeast(sleep)) = stopping::pre_stop(container) else { continue };
        let Some(grace) = stopping::grace(pod) else { break };
        if sleep >= grace && sleep > 0 {
            findings.push(finding(pod, container, index, sleep, grace));
        }
    }
    findings
}

fn finding(pod: &Pod<'_>, container: &Container<'_>, index: usize, sleep: u64, grace: u64) -> Finding {
    let refused = container.value().pointer("/lifecycle/preStop/sleep").is_some() && sleep > grace;
    let follows = if refused { "Kubernetes refuses it" } else { "it is killed before it can finish what it has begun" };
    let message =
        format!("the preStop hook of {} sleeps {sleep} s of a grace period of {grace} s: {follows}", container.title());
    let finding = RULE.finding(stopping::hook(container).path().clone(), message);
    let Some(place) = stopping::place_of_grace(pod) else { return finding };
    // Only AI has a profile that tells more; to make one costs more than all the rest.
    let told = pod.profile().containers.get(index).and_then(|known| stopping::wait(pod, known));
    let wanted = sleep.saturating_add(told.map_or(0, |(seconds, _)| seconds).max(USUAL));
    if wanted > stopping::LONGEST {
        return finding;
    }
    finding.with_fix(Fix::r#unsafe(format!("give it {wanted} s to stop"), vec![place.set(json!(wanted))]))
}
