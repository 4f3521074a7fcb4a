//! `accelerator-in-init-container`: devices that only the start of a pod uses, and that the pod holds to its end.

use crate::catalog::Completion;
use crate::container::ContainerRole;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use crate::rules::scheduling::demand;

/// The rule.
pub static RULE: Rule = Rule {
    name: "accelerator-in-init-container",
    summary: "an init container asks for more accelerators than the pod then uses",
    category: Category::Cost,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A pod is reckoned at the greater of what its containers ask for together and what one init container asks for, for its whole life \
([Kubernetes: resource sharing within containers](https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers)). \
A device that only an init container asks for is therefore held idle until the pod ends. What does not exceed the demand of the \
main containers costs nothing: the kubelet hands the same devices on.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  initContainers:
    - name: fetch
      image: registry.example.com/fetch:1.0
      resources:
        limits:
          nvidia.com/gpu: 1
  containers:
    - name: server
      image: registry.example.com/cpu-server:1.0
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  initContainers:
    - name: fetch
      image: registry.example.com/fetch:1.0
  containers:
    - name: server
      image: registry.example.com/cpu-server:1.0
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    let mut findings = Vec::new();
    for init in pod.containers().iter().filter(|container| container.role() == ContainerRole::Init) {
        for (resource, known, count) in demand::asked(init, catalog) {
            if !known.counts.is_devices() || known.unsure {
                continue;
            }
            let later: i64 = pod
                .containers()
                .iter()
                .filter(|container| container.is_long_running())
                .flat_map(|container| demand::asked(container, catalog))
                .filter(|(other, ..)| *other == resource)
                .map(|(.., count)| count)
                .fold(0, i64::saturating_add);
            // What an operator or a patch leaves out here, it may well ask for elsewhere.
            let partial = pod.is_completed(Completion::Resources)
                || pod.containers().iter().any(|container| container.image().is_none());
            if count <= later || partial || demand::is_dealt_out_by_others(pod, catalog) || demand::is_node_agent(pod) {
                continue;
            }
            let message = format!(
                "{} asks for {count} {resource} and the containers after it for {later}: the pod holds {} idle as long as it lives",
                init.title(),
                count - later
            );
            findings.push(RULE.finding(init.get("resources").path().clone(), message));
        }
    }
    findings
}
