//! `spot-grace-exceeded`: a pod on spare capacity takes longer to end than the cloud leaves it.

use crate::catalog::Completion;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::node::integer;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::reliability::stopping::{PreStop, pre_stop};
use crate::workload::Pod;

use super::{demand, spot};

/// The rule.
pub static RULE: Rule = Rule {
    name: "spot-grace-exceeded",
    summary: "takes longer to end than the cloud leaves a pod on spare capacity",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A cloud that takes spare capacity back gives notice and then the machine is gone, whatever `terminationGracePeriodSeconds` says: on \
GKE after 30 seconds, of which pods have [15](https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms#termination), on \
AWS after [two minutes](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html). A server that \
drains for longer loses the requests it meant to finish, and a job the checkpoint that it writes at the end. Drain in the time \
there is, and write checkpoints as you go.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 600
  nodeSelector:
    cloud.google.com/gke-spot: \"true\"
  containers:
    - name: train
      image: registry.example.com/finetune:2.0
      resources:
        limits:
          nvidia.com/gpu: 1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: finetune
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 15
  nodeSelector:
    cloud.google.com/gke-spot: \"true\"
  containers:
    - name: train
      image: registry.example.com/finetune:2.0
      resources:
        limits:
          nvidia.com/gpu: 1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Seconds to which a GKE node may be set to wait for its pods, which the manifest does not tell.
const LONGEST_SETTING: i64 = 120;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    // Of two labels that tell of one machine, the one that tells how long it has is the one to heed.
    let known = spot::chosen(pod, context.catalog()).into_iter();
    let Some((spot, notice)) =
        known.filter_map(|spot| Some((spot, spot.notice_seconds?))).min_by_key(|(_, notice)| *notice)
    else {
        return Vec::new();
    };
    if pod.is_completed(Completion::Lifecycle) || demand::is_node_agent(pod) {
        return Vec::new();
    }
    let notice = i64::from(notice);
    let grace = pod.spec().get("terminationGracePeriodSeconds");
    if let Some(seconds) = integer(Some(grace.value())).filter(|seconds| *seconds > notice) {
        let pods = spot.pod_grace_seconds.map(|pods| format!(", of which pods have {pods}")).unwrap_or_default();
        let message = format!(
            "takes up to {seconds} s to end, and {} takes a spot node back {notice} s after the notice{pods}: it is cut off",
            spot.cloud
        );
        let finding = RULE.finding(grace.path().clone(), message);
        let may_be_longer = spot.pod_grace_seconds.is_some() && seconds <= LONGEST_SETTING;
        return vec![if may_be_longer { finding.at_most(Severity::Advice) } else { finding }];
    }
    let Some(pods) = spot.pod_grace_seconds.map(i64::from) else { return Vec::new() };
    let long = |container: &&Container<'_>| container.is_long_running() && sleep(container) >= Some(pods);
    let sleepers = pod.containers().iter().filter(long);
    sleepers
        .map(|container| {
            let message = format!(
                "{} sleeps {} s before it is told to end, and {} leaves pods {pods} s on a spot node: it is killed in its sleep",
                container.title(),
                sleep(container).unwrap_or_default(),
                spot.cloud
            );
            let at = container.get("lifecycle").get("preStop").path().clone();
            RULE.finding(at, message).at_most(Severity::Advice)
        })
        .collect()
}

/// How many seconds the hook before the end sleeps, where that is all it does.
fn sleep(container: &Container<'_>) -> Option<i64> {
    match pre_stop(container) {
        PreStop::Sleep(seconds) => i64::try_from(seconds).ok(),
        _ => None,
    }
}
