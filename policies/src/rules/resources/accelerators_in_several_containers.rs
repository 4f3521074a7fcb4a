//! `accelerators-in-several-containers`: each of a pod's containers gets devices of its own, and the pod needs the sum.

use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use crate::rules::scheduling::demand;

/// The rule.
pub static RULE: Rule = Rule {
    name: "accelerators-in-several-containers",
    summary: "containers of one pod ask for accelerators each for itself",
    category: Category::Resources,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Containers do not share a device that they ask for by its resource: each gets its own, and the pod needs the sum, on one node \
([Kubernetes: schedule GPUs](https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/)). Where two containers were meant to \
share one accelerator, the pod takes twice the devices, or stays Pending where a node has one. A device that is to be shared is \
asked for by one [claim](https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/) that both use, or \
by one container.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: speech
spec:
  containers:
    - name: transcribe
      image: registry.example.com/transcribe:1.0
      resources:
        limits:
          nvidia.com/gpu: 1
    - name: diarise
      image: registry.example.com/diarise:1.0
      resources:
        limits:
          nvidia.com/gpu: 1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: speech
spec:
  containers:
    - name: transcribe
      image: registry.example.com/speech:1.0
      resources:
        limits:
          nvidia.com/gpu: 1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    // Most pods have one container, of which there is nothing to say.
    if pod.containers().len() < 2 {
        return Vec::new();
    }
    let mut first: Option<(&str, String)> = None;
    for container in pod.containers().iter().filter(|container| container.is_long_running()) {
        let asked = demand::asked(container, catalog);
        let Some((resource, _, count)) = asked.iter().find(|(_, known, _)| known.counts.is_devices() && !known.unsure)
        else {
            continue;
        };
        match &first {
            None => first = Some((resource, container.title())),
            Some((other, title)) if other == resource => {
                let devices = pod.profile().accelerators.iter().find(|asked| asked.resource == *resource);
                let all = devices.map_or(*count, |asked| asked.count);
                if demand::is_dealt_out_by_others(pod, catalog) || demand::is_node_agent(pod) {
                    return Vec::new();
                }
                let message = format!(
                    "{title} and {} ask for {resource} each for itself: they share no device, and the pod needs {all} on one \
                     node",
                    container.title()
                );
                return vec![RULE.finding(container.get("resources").path().clone(), message)];
            }
            Some(_) => {}
        }
    }
    Vec::new()
}
