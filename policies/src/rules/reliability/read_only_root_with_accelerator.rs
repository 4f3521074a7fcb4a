//! `read-only-root-with-accelerator`: a root filesystem that the hooks which bring NVIDIA devices in cannot write to.

use serde_json::Value;

use crate::catalog::{Catalog, Completion};
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "read-only-root-with-accelerator",
    summary: "a container with NVIDIA devices has a read-only root filesystem",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
NVIDIA's container toolkit puts driver libraries into the container when it is made: its CDI hooks make links and directories and \
renew the linker's cache inside the root filesystem. With some releases of the toolkit these hooks fail on a root filesystem \
that is read-only, and the container is never created; KServe keeps its servers' root writable for that reason \
([kserve/kserve#5711](https://github.com/kserve/kserve/pull/5711)). Try it on the nodes in use and with each update of the GPU \
operator, or leave the root writable where the container has devices. The Pod Security Standards do not ask for a read-only \
root.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/llm:2.1
      resources:
        limits:
          nvidia.com/gpu: 1
      securityContext:
        readOnlyRootFilesystem: true
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/llm:2.1
      resources:
        limits:
          nvidia.com/gpu: 1
      securityContext:
        readOnlyRootFilesystem: false
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if pod.is_completed(Completion::SecurityContext) {
        return Vec::new();
    }
    let locked = pod
        .containers()
        .iter()
        .filter(|container| has_read_only_root(container) && has_nvidia_devices(container, context.catalog()));
    locked
        .map(|container| {
            let message = format!(
                "{} has NVIDIA devices and a read-only root filesystem, on which the hooks of some releases of the container \
                 toolkit fail: the container is then never created; try it on your nodes, or leave the root writable",
                container.title()
            );
            RULE.finding(container.path().key("securityContext").key("readOnlyRootFilesystem"), message)
        })
        .collect()
}

/// Whether nothing but volumes can be written to.
pub(super) fn has_read_only_root(container: &Container<'_>) -> bool {
    let setting = container.value().get("securityContext").and_then(|context| context.get("readOnlyRootFilesystem"));
    setting.and_then(Value::as_bool) == Some(true)
}

fn has_nvidia_devices(container: &Container<'_>, catalog: &Catalog) -> bool {
    container.accelerators(catalog).into_iter().any(|(resource, quantity)| {
        Quantity::from_value(quantity).is_some_and(|quantity| quantity > Quantity::ZERO)
            && catalog.accelerator(resource).is_some_and(|known| {
                known.counts.is_devices() && !known.unsure && known.vendor.as_deref() == Some("NVIDIA")
            })
    })
}
