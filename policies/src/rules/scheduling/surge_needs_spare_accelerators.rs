//! `surge-needs-spare-accelerators`: a rollout that brings up a new pod before an old one gives its accelerators back.

use super::surge::{Surge, replicas, scarce};
use super::unrollable_placement::keeps_apart;
use crate::context::Context;
use crate::finding::Finding;
use crate::rollout::{Strategy, spec_of};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "surge-needs-spare-accelerators",
    summary: "a rollout needs spare accelerators, and waits where there are none",
    category: Category::Scheduling,
    severity: Severity::Advice,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A Deployment replaces its pods with \
[maxSurge and maxUnavailable of 25%](https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment), \
of which the first is rounded up and the second down: of one to three replicas none may go before a new one is ready. The new \
pod needs accelerators of its own, and on a pool that is full it stays Pending while the old one keeps them: the rollout hangs \
until somebody deletes pods \
([one case of many](https://github.com/defilantech/LLMKube/issues/192)). Two replicas or more can roll without spare \
accelerators if one may go first (`maxSurge: 0`, `maxUnavailable: 1`), at the price of a replica less while the model loads, \
so the repair is unsafe. A single one can only with a gap (`type: Recreate`), which a person must want. A blue-green rollout of \
Argo, or a canary whose traffic is routed, runs the whole new set beside the old one.",
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
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
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
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-8B]
          resources:
            limits:
              nvidia.com/gpu: 1
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 0
      maxUnavailable: 1
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(strategy) = Strategy::of(pod) else { return Vec::new() };
    let Some(asked) = scarce(pod, context).filter(|_| pod.operator().is_none()) else { return Vec::new() };
    let Some(place) = spec_of(pod).map(|spec| spec.get("strategy").path().clone()) else { return Vec::new() };
    let resource = &asked.resource;
    let spare = |pods: i64| pods.saturating_mul(asked.count);
    match strategy {
        Strategy::Recreate => Vec::new(),
        Strategy::Beside => {
            let Some(replicas) = replicas(pod, context).filter(|replicas| *replicas > 0) else { return Vec::new() };
            let message = format!(
                "a rollout runs {} beside the old: it needs {} spare `{resource}`, and hangs where there are less",
                if replicas == 1 { "the new pod".to_owned() } else { format!("all {replicas} new pods") },
                spare(replicas)
            );
            vec![RULE.finding(place, message)]
        }
        Strategy::Rolling(_) => {
            let Some(surge) = Surge::of(pod, context) else { return Vec::new() };
            // That no two of the pods may share a node asks for more, and is the business of another rule.
            if keeps_apart(pod).is_some() {
                return Vec::new();
            }
            let pods = surge.steps.surge;
            let message = format!(
                "a rollout starts {} before an old one may go ({}): it {} `{resource}`; {}",
                if pods == 1 { "a new pod".to_owned() } else { format!("{pods} new pods") },
                surge.why(),
                match pods {
                    1 => format!("hangs without {} spare", spare(1)),
                    _ => format!("wants {} spare, and hangs without {} of", spare(pods), spare(1)),
                },
                surge.way_out()
            );
            let finding = RULE.finding(place, message);
            match surge.fix(pod) {
                Some(fix) => vec![finding.with_fix(fix)],
                None => vec![finding],
            }
        }
    }
}
