//! `undeclared-probe-port`: a probe or hook that names a port which its container does not have.

use serde_json::Value;

use crate::catalog::Completion;
use crate::container::{Container, ContainerRole};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, is_placeholder};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undeclared-probe-port",
    summary: "a probe or hook names a port that its container does not declare",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The kubelet looks the name of a [probe's port](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/) \
up among the `ports` of the same container, and nowhere else: a name that stands in another container, in a Service, or nowhere \
makes each probe fail, so that the container is restarted for ever or never ready. The API server does not look. It refuses a \
number in quotes, which it takes for a name.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/team/llm:1.4
      ports:
        - name: api
          containerPort: 8000
      readinessProbe:
        httpGet:
          path: /health
          port: http
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/team/llm:1.4
      ports:
        - name: http
          containerPort: 8000
      readinessProbe:
        httpGet:
          path: /health
          port: http
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Where a handler may stand in a container, and what it is called in messages.
const PLACES: [(&[&str], &str); 5] = [
    (&["startupProbe"], "startup probe"),
    (&["readinessProbe"], "readiness probe"),
    (&["livenessProbe"], "liveness probe"),
    (&["lifecycle", "postStart"], "postStart hook"),
    (&["lifecycle", "preStop"], "preStop hook"),
];

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in pod.containers() {
        for (way, what) in PLACES {
            let Some(port) = named(container, way) else { continue };
            // Operators that fill in ports may know the name, and so may what is put around a lone container.
            if !pod.has_spec() || pod.operator().is_some() || pod.is_completed(Completion::Ports) {
                return Vec::new();
            }
            findings.extend(check_port(container, &port, what));
        }
    }
    findings
}

/// The place of the port of a handler, if it is text. Most containers have none, and a place costs more than a look.
fn named<'a>(container: &Container<'a>, way: &[&str]) -> Option<Node<'a>> {
    if container.role() == ContainerRole::Ephemeral {
        return None;
    }
    let handler = way.iter().try_fold(container.value(), |value, key| value.get(key))?;
    let call = ["httpGet", "tcpSocket"].into_iter().find(|call| handler.get(call).is_some_and(Value::is_object))?;
    handler.get(call)?.get("port")?.as_str()?;
    Some(container.node().walk(way).get(call).get("port"))
}

fn check_port(container: &Container<'_>, port: &Node<'_>, what: &str) -> Option<Finding> {
    let name = port.as_str().filter(|name| !name.is_empty() && !is_placeholder(name))?;
    // What has no image is part of a container, the rest of which stands elsewhere.
    if container.image().is_none() || declares(container, name) {
        return None;
    }
    let title = container.title();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let message = if name.len() > 15 || !name.bytes().all(plain) {
        format!("the {what} of {title} asks a port by a name that Kubernetes refuses")
    } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("the port of the {what} of {title} is {name} in quotes, which Kubernetes takes for a name and refuses")
    } else {
        format!("the {what} of {title} asks the port `{name}`, which the container does not declare: it always fails")
    };
    Some(RULE.finding(port.path().clone(), message))
}

/// Whether a port has this name, whatever else is wrong with it, or may have it: one is filled in later, or `ports` is no
/// list.
fn declares(container: &Container<'_>, name: &str) -> bool {
    match container.value().get("ports") {
        None | Some(Value::Null) => false,
        Some(Value::Array(ports)) => ports.iter().any(|port| match port.get("name") {
            Some(Value::String(declared)) => declared == name || is_placeholder(declared),
            _ => !port.is_object(),
        }),
        Some(_) => true,
    }
}
