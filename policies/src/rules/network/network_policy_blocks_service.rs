//! `network-policy-blocks-service`: a port of a Service that the network policies of its pods keep shut.

use serde_json::json;

use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{NetworkPolicy, PortName, PortRange, Sight, Sighted};
use crate::node::{integer, text};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::selector::Selector;

/// The rule.
pub static RULE: Rule = Rule {
    name: "network-policy-blocks-service",
    summary: "no network policy lets in the port that the Service leads to",
    category: Category::Network,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
As soon as one [NetworkPolicy](https://kubernetes.io/docs/concepts/services-networking/network-policies/) restricts the ingress of \
a pod, only what some policy allows comes in. A policy speaks of the ports of the *pods*, not of those of the Service: a Service \
with a second port, gRPC or metrics, whose `targetPort` no policy names times out at every caller. It is told only where every \
policy on these pods is in sight, one of them allows other ports, and none allows this one from anywhere.",
    bad: "\
apiVersion: v1
kind: Service
metadata:
  name: llm
  namespace: ml
spec:
  selector:
    app: llm
  ports:
    - name: http
      port: 80
      targetPort: 8080
    - name: grpc
      port: 9090
      targetPort: 8090
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: registry.example.com/team/llm:2.3.1
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: llm
  namespace: ml
spec:
  podSelector:
    matchLabels:
      app: llm
  ingress:
    - ports:
        - port: 8080
",
    good: "\
apiVersion: v1
kind: Service
metadata:
  name: llm
  namespace: ml
spec:
  selector:
    app: llm
  ports:
    - name: http
      port: 80
      targetPort: 8080
    - name: grpc
      port: 9090
      targetPort: 8090
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: registry.example.com/team/llm:2.3.1
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: llm
  namespace: ml
spec:
  podSelector:
    matchLabels:
      app: llm
  ingress:
    - ports:
        - port: 8080
        - port: 8090
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    if !identity.is("", "Service") || !context.inventory.is_whole() {
        return Vec::new();
    }
    let spec = object.root().get("spec");
    let labels = spec.get("selector");
    if labels.entries().next().is_none() || text(spec.value(), "type") == Some("ExternalName") {
        return Vec::new();
    }
    let Some(selector) = Selector::from_value(&json!({"matchLabels": labels.value()})) else { return Vec::new() };
    let selected = context.inventory.workloads_selected(&selector, identity.namespace, context.origin);
    let Sight::Present(workloads) = selected else { return Vec::new() };
    // What a policy means to pods in the network of their nodes is undefined, and most plugins let them be.
    if workloads.iter().any(|workload| workload.host_network) {
        return Vec::new();
    }
    let policies: Vec<_> = workloads.iter().map(|workload| policies_of(workload, context)).collect();
    // Where some of the pods are open, the Service still leads somewhere.
    if !policies.iter().all(|policies| closes(policies, identity.namespace, context.origin)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for port in spec.get("ports").items() {
        // Webhooks are called by the API server, which comes from outside the pods' network in most clusters.
        if is_webhook(identity.name) || text(port.value(), "name").is_some_and(is_webhook) {
            continue;
        }
        let protocol = text(port.value(), "protocol").unwrap_or("TCP");
        let target = port.get("targetPort");
        let (node, number) = match target.is_absent() {
            true => (port.get("port"), integer(port.value().get("port"))),
            false => (target.clone(), integer(port.value().get("targetPort"))),
        };
        let name = target.as_str();
        let lets_in = |policy: &&NetworkPolicy| policy.ingress.iter().any(|rule| rule.lets_in(number, name, protocol));
        if number.is_none() && name.is_none() || policies.iter().any(|policies| policies.iter().any(lets_in)) {
            continue;
        }
        let of = text(port.value(), "name").map_or_else(String::new, |name| format!(" of `{name}`"));
        let wanted = number.map_or_else(|| format!("`{}`", name.unwrap_or_default()), |number| number.to_string());
        let policy =
            policies.iter().flatten().find(|policy| !policy.ingress.is_empty()).map_or("", |policy| &policy.name);
        let message = format!(
            "no NetworkPolicy on these pods lets in port {wanted}{of}, so its callers time out: allow it in `{policy}`, or drop it"
        );
        findings.push(RULE.finding(node.path().clone(), message));
    }
    findings
}

fn is_webhook(name: &str) -> bool {
    name.contains("webhook")
}

/// The policies that restrict, or may restrict, what comes into the pods.
fn policies_of<'a>(workload: &Sighted, context: &Context<'a>) -> Vec<&'a NetworkPolicy> {
    let inventory = context.inventory;
    match inventory.network_policies_of(workload.namespace.as_deref(), |key| workload.label(key)) {
        Sight::Present(policies) => policies.into_iter().filter(|policy| policy.restricts_ingress).collect(),
        Sight::Absent | Sight::Unknown => Vec::new(),
    }
}

/// Whether the policies surely close the pods of a Service in `namespace` that was seen at `origin`, and allow some ports: one
/// alone that allows nothing is meant to be joined by others, which may come from elsewhere. What lies far from each other may be
/// for several environments, and never meet.
fn closes(policies: &[&NetworkPolicy], namespace: Option<&str>, origin: &str) -> bool {
    policies.iter().any(|policy| {
        policy.namespace.as_deref() == namespace
            && is_near(&policy.origin, origin, namespace.is_some())
            && policy.ingress.iter().any(|rule| {
                rule.ports.as_ref().is_some_and(|ports| {
                    ports.iter().any(|port| matches!(&port.port, PortRange::One(PortName::Number(_))))
                })
            })
    })
}

/// Whether two files lie in one folder or, where `beside` counts too, in folders side by side.
fn is_near(one: &str, other: &str, beside: bool) -> bool {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let (one, other) = (folder(one), folder(other));
    one == other || beside && one.as_deref().and_then(folder) == other.as_deref().and_then(folder)
}
