//! `grace-shorter-than-drain`: a server that is killed while it waits for the requests it has begun.

use serde_json::json;

use super::stopping::{self, PreStop};
use super::written;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "grace-shorter-than-drain",
    summary: "the model server is killed while it waits for the requests it has begun",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A model server that was told to finish its requests before it ends, by vLLM's `--shutdown-timeout` or TGI's \
`--graceful-termination-timeout`, does so for as long as the \
[grace period](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination) of its pod lets it, of which a \
`preStop` hook has taken its part already. It is half a minute where nothing is written. The grace period has to be the sum of \
both; where the server waits so long by itself, this is advice.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  terminationGracePeriodSeconds: 60
  containers:
    - name: server
      image: vllm/vllm-openai:v0.18.0
      args: [--model, Qwen/Qwen3-8B, --shutdown-timeout, \"60\"]
      lifecycle:
        preStop:
          sleep:
            seconds: 15
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  terminationGracePeriodSeconds: 75
  containers:
    - name: server
      image: vllm/vllm-openai:v0.18.0
      args: [--model, Qwen/Qwen3-8B, --shutdown-timeout, \"60\"]
      lifecycle:
        preStop:
          sleep:
            seconds: 15
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let servers = pod.ai_containers().filter(|(_, known)| known.serves && known.sure);
    servers.filter_map(|(container, known)| check_server(pod, container, known)).collect()
}

fn check_server(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile) -> Option<Finding> {
    let (wait, told) = stopping::wait(pod, known)?;
    let grace = stopping::grace(pod)?;
    let sleep = match stopping::pre_stop(container) {
        PreStop::None => 0,
        PreStop::Sleep(seconds) => seconds,
        PreStop::AtLeast(_) | PreStop::Other => return None,
    };
    let wanted = sleep.saturating_add(wait);
    // A hook that takes all of it is the business of `grace-shorter-than-pre-stop`.
    if grace >= wanted || sleep >= grace {
        return None;
    }
    let hook = if sleep > 0 { format!(", of which the preStop hook takes {sleep}") } else { String::new() };
    let message = format!(
        "{} waits up to {wait} s for the requests it has begun, and the grace period is {grace} s{hook}: it is killed \
         before",
        written::title(container, known)
    );
    let severity = if told { Severity::Warning } else { Severity::Advice };
    let place = stopping::place_of_grace(pod)?;
    let finding = RULE.finding(place.path().clone(), message).at_most(severity);
    if wanted > stopping::LONGEST {
        return Some(finding);
    }
    Some(finding.with_fix(Fix::r#unsafe(format!("give it {wanted} s to stop"), vec![place.set(json!(wanted))])))
}
