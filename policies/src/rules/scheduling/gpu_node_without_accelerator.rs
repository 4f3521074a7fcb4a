//! `gpu-node-without-accelerator`: a pod insists on nodes with accelerators and gets none of them.

use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::{demand, labels};

/// The rule.
pub static RULE: Rule = Rule {
    name: "gpu-node-without-accelerator",
    summary: "insists on nodes with accelerators and asks for none of them",
    category: Category::Scheduling,
    severity: Severity::Advice,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
To be placed on a node with accelerators is not to get one: the device plugin shows a container the devices that it asks for under \
`limits`, and none else ([Kubernetes: schedule GPUs](https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/#using-device-plugins)). \
A program that needs a GPU starts on the CPU or fails; one that needs none takes the place of one that does.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: embed
spec:
  nodeSelector:
    cloud.google.com/gke-accelerator: nvidia-l4
  containers:
    - name: embed
      image: registry.example.com/embed:2.2
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: embed
spec:
  nodeSelector:
    cloud.google.com/gke-accelerator: nvidia-l4
  containers:
    - name: embed
      image: registry.example.com/embed:2.2
      resources:
        limits:
          nvidia.com/gpu: 1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let wanted = labels::wanted(pod);
    let known = &context.catalog().nodes().accelerator_labels;
    let of_accelerators = |wanted: &labels::Wanted<'_>| {
        let says_no = wanted.values.iter().any(|value| matches!(*value, "false" | "0" | "" | "none"));
        !says_no && known.iter().any(|label| label.key == wanted.key && label.resource.is_some() && !label.unsure)
    };
    let Some(found) = labels::insists(&wanted, of_accelerators) else { return Vec::new() };
    if !demand::is_whole(pod) || demand::may_use(pod) || demand::is_node_agent(pod) {
        return Vec::new();
    }
    let message = format!(
        "insists on nodes with accelerators by `{}` and asks for none: its containers see no device, and take the place of ones \
         that do",
        found.key
    );
    vec![RULE.finding(found.node.path().clone(), message)]
}
