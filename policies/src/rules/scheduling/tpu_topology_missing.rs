//! `tpu-topology-missing`: a pod asks for TPUs and leaves out one of the two labels by which GKE finds their slice.

use crate::catalog::Completion;
use crate::context::Context;
use crate::finding::Finding;
use crate::node::is_placeholder;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

use super::{demand, labels};

/// The rule.
pub static RULE: Rule = Rule {
    name: "tpu-topology-missing",
    summary: "asks for TPUs and names only one of accelerator and topology",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
GKE places a pod with TPUs by two node labels that belong together: the type of the slice and its topology. Node auto-provisioning \
and Autopilot make a slice only when both are there, and on existing nodes the one alone can put the pods of one job on slices \
that are not connected \
([GKE: deploy TPU workloads](https://cloud.google.com/kubernetes-engine/docs/how-to/tpus)).",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: tpu-check
spec:
  restartPolicy: Never
  nodeSelector:
    cloud.google.com/gke-tpu-accelerator: tpu-v6e-slice
  containers:
    - name: check
      image: registry.example.com/tpu-check:1.0
      resources:
        limits:
          google.com/tpu: 4
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: tpu-check
spec:
  restartPolicy: Never
  nodeSelector:
    cloud.google.com/gke-tpu-accelerator: tpu-v6e-slice
    cloud.google.com/gke-tpu-topology: 2x2
  containers:
    - name: check
      image: registry.example.com/tpu-check:1.0
      resources:
        limits:
          google.com/tpu: 4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

const KIND: &str = "cloud.google.com/gke-tpu-accelerator";
const TOPOLOGY: &str = "cloud.google.com/gke-tpu-topology";

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let wanted = labels::wanted(pod);
    let has = |key: &str| labels::insists(&wanted, |wanted| wanted.key == key);
    let (found, missing) = match (has(KIND), has(TOPOLOGY)) {
        (Some(found), None) => (found, TOPOLOGY),
        (None, Some(found)) => (found, KIND),
        _ => return Vec::new(),
    };
    let catalog = context.catalog();
    let mut asked = pod.containers().iter().flat_map(|container| demand::asked(container, catalog));
    // A node pool, a compute class or a queue chooses the slice by itself; so may an affinity that we do not take apart.
    let chosen = wanted.iter().flatten().any(|wanted| {
        wanted.key == missing
            || is_placeholder(wanted.key)
            || matches!(
                wanted.key,
                "cloud.google.com/compute-class"
                    | "cloud.google.com/gke-nodepool"
                    | "cloud.google.com/reservation-name"
            )
    });
    if chosen || !asked.any(|(resource, ..)| resource == "google.com/tpu") {
        return Vec::new();
    }
    if pod.is_completed(Completion::Affinity) || pod.is_queued() || pod.is_decided_elsewhere() {
        return Vec::new();
    }
    let message = format!(
        "asks for google.com/tpu and insists on `{}` without `{missing}`: GKE finds or makes a slice by both",
        found.key
    );
    vec![RULE.finding(found.node.path().clone(), message)]
}
