//! `unhealthy-node-toleration`: work on accelerators that may be placed on nodes that are being repaired or removed.

use crate::catalog::HealthTaint;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::{demand, tolerations};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unhealthy-node-toleration",
    summary: "work on accelerators tolerates nodes that are broken or being removed",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A node is tainted when its devices fail, are repartitioned, or when it is drained or has gone. A pod that tolerates such a taint, \
or every taint, is placed there all the same; and one that tolerates `NoExecute` without end is never evicted from a node that \
is dead ([Kubernetes: taint based evictions](https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions)). \
That is right for agents that look after nodes, and wrong for a model server or a training job: name the taints that are meant.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  containers:
    - name: train
      image: registry.example.com/finetune:2.0
      resources:
        limits:
          nvidia.com/gpu: 1
  tolerations:
    - operator: Exists
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  containers:
    - name: train
      image: registry.example.com/finetune:2.0
      resources:
        limits:
          nvidia.com/gpu: 1
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      effect: NoSchedule
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let unhealthy = &context.catalog().nodes().health_taints;
    let counts = |toleration: &tolerations::Toleration<'_>, taint: &HealthTaint| {
        let effect = taint.effect.as_deref();
        toleration.key == taint.key
            && (toleration.effect.is_empty() || effect.is_none_or(|one| one == toleration.effect))
    };
    let suspects: Vec<_> = tolerations::of(pod)
        .filter(|toleration| toleration.is_of_everything() || unhealthy.iter().any(|taint| counts(toleration, taint)))
        .collect();
    let asks = || pod.containers().iter().any(|container| !demand::asked(container, context.catalog()).is_empty());
    if suspects.is_empty() || !asks() || demand::is_node_agent(pod) {
        return Vec::new();
    }
    let ends = |toleration: &tolerations::Toleration<'_>| !toleration.node.get("tolerationSeconds").is_absent();
    suspects
        .into_iter()
        .filter_map(|toleration| {
            let at = toleration.node.path().clone();
            if !toleration.is_of_everything() {
                let message = format!(
                    "tolerates `{}`, the taint of nodes that are being repaired or removed: it is placed on them",
                    toleration.key
                );
                return Some(RULE.finding(at, message));
            }
            match toleration.effect {
                "" | "NoExecute" if !ends(&toleration) => Some(RULE.finding(
                    at,
                    "tolerates every taint for ever: it is placed on broken nodes and never evicted from a dead one; name the \
                     taints that are meant",
                )),
                "" | "NoSchedule" => {
                    let message = "tolerates every NoSchedule taint: it is placed on nodes that are cordoned for repair or \
                                   removal; name the taints that are meant";
                    Some(RULE.finding(at, message).at_most(Severity::Advice))
                }
                _ => None,
            }
        })
        .collect()
}
