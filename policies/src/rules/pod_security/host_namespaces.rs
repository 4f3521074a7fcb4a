//! `host-namespaces`: a pod that shares the network, processes or IPC of its node.

use serde_json::Value;

use super::is_node_agent;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "host-namespaces",
    summary: "the pod shares the network, processes or IPC of its node",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
`hostNetwork` lets a pod listen on the node's addresses, reach services bound to its loopback and escape every network \
policy; `hostPID` shows it all processes and their environments; `hostIPC` all shared memory. Shared memory for NCCL \
needs none of them: a memory volume on `/dev/shm` serves. It is the control *Host Namespaces* of the baseline \
[Pod Security Standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/). Pods of a DaemonSet that \
neither serve a model nor ask for an accelerator are taken for agents of their node and left alone, unless the Policy \
names a Pod Security level.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  hostNetwork: true
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  hostNetwork: false
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if is_node_agent(pod, context) {
        return Vec::new();
    }
    ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .map(|field| (field, pod.spec().get(field)))
        .filter(|(_, node)| node.value() == &Value::Bool(true))
        .map(|(field, node)| {
            RULE.finding(node.path().clone(), format!("`{field}` gives the pod the node's own namespace"))
        })
        .collect()
}
