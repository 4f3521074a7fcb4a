//! `privileged-container`: a container that is root on its node.

use serde_json::Value;

use super::is_node_agent;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "privileged-container",
    summary: "a privileged container is root on its node",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A privileged container has every capability and every device of the node: whoever breaks into the model server owns the \
node and all its pods. GPUs do not need it: the device plugin hands the devices in. It is the control *Privileged \
Containers* of the baseline \
[Pod Security Standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/). Pods of a DaemonSet that \
neither serve a model nor ask for an accelerator are taken for agents of their node and left alone, unless the Policy \
names a Pod Security level.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
      securityContext:
        privileged: true
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
      securityContext:
        privileged: false
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if is_node_agent(pod, context) {
        return Vec::new();
    }
    let is_privileged = |container: &&Container<'_>| {
        container.value().get("securityContext").and_then(|context| context.get("privileged"))
            == Some(&Value::Bool(true))
    };
    pod.containers()
        .iter()
        .filter(is_privileged)
        .map(|container| {
            let node = container.get("securityContext").get("privileged");
            let message = format!("{} is privileged: a break-in there takes the whole node", container.title());
            RULE.finding(node.path().clone(), message)
        })
        .collect()
}
