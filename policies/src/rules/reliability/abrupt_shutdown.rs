//! `abrupt-shutdown`: replicas of a server that drop their requests at each rollout.

use super::stopping::{self, PreStop};
use super::written;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "abrupt-shutdown",
    summary: "replicas of a model server drop the requests they have begun when they stop",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
vLLM and Ollama end as soon as they get [SIGTERM](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination) \
and drop what they have begun. Besides, a pod is sent requests for some seconds more, until every proxy knows that it is gone. \
With several replicas each rollout and each drained node cuts requests off that the other replicas could have taken. A `preStop` \
sleep keeps the server up while the requests that are on their way end; a flag to wait, where the server has one \
([vLLM](https://docs.vllm.ai/en/latest/configuration/serve_args.html) from v0.18), lets it finish what takes longer.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 2
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.18.0
          args: [--model, Qwen/Qwen3-8B]
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 2
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      terminationGracePeriodSeconds: 60
      containers:
        - name: server
          image: vllm/vllm-openai:v0.18.0
          args: [--model, Qwen/Qwen3-8B, --shutdown-timeout, \"40\"]
          lifecycle:
            preStop:
              sleep:
                seconds: 15
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let replaced = matches!(pod.controller(), Controller::ReplicaSet | Controller::StatefulSet);
    if !replaced || pod.is_pod() || pod.replicas().is_none_or(|replicas| replicas < 2) {
        return Vec::new();
    }
    if stopping::grace(pod).is_none() || pod.is_gang() || !pod.profile().serves_alone() || pod.refuses("/lifecycle") {
        return Vec::new();
    }
    let servers = pod.ai_containers().filter(|(_, known)| known.is_server() && known.sure);
    servers.filter_map(|(container, known)| check_server(pod, container, known)).collect()
}

fn check_server(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile) -> Option<Finding> {
    let drain = &known.runtime.as_ref()?.drain;
    if drain.finishes_requests != Some(false) || stopping::pre_stop(container) != PreStop::None {
        return None;
    }
    let start = written::in_sight(pod, container, known)?;
    if start.count(&drain.wait_flags) != Ok(None) {
        return None;
    }
    let image = pod.invocations().get(known.index).and_then(|told| told.image.as_ref());
    let flag = drain.wait_flags.first().filter(|_| drain.can_wait(image) == Some(true));
    let flag = flag.map(|flag| format!(", `{flag}`")).unwrap_or_default();
    let (sleep, grace) = (drain.pre_stop_sleep_seconds?, drain.grace_period_seconds?);
    let message = format!(
        "{} drops the requests it has begun when it stops: let a preStop hook sleep {sleep} s{flag}, with a grace period \
         of {grace} s",
        written::title(container, known)
    );
    Some(RULE.finding(container.path().clone(), message))
}
