//! `unrollable-placement`: pods that may not share a node, in a rollout that must have one pod more than are asked for.

use super::surge::{Surge, scarce};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, integer, list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::selector::Selector;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unrollable-placement",
    summary: "pods that may not share a node roll only where a node more is free",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A required anti-affinity of pods against themselves counts the old revision too. Where no old pod may go before a new one is \
ready (`maxUnavailable` of 25% is 0 for up to three replicas), a rollout needs one node with free accelerators more than there \
are replicas, or one zone more, and hangs where there is none \
([kubernetes#56539](https://github.com/kubernetes/kubernetes/issues/56539)). A spread over hosts with `DoNotSchedule` does the \
same where nodes without accelerators count as empty places, which they do unless a node selector or affinity leaves them out \
([node inclusion](https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#interaction-with-node-affinity-and-node-selectors)); \
`matchLabelKeys: [pod-template-hash]` leaves the old revision out of the count. Letting one pod go first needs no node more; \
it means one replica less during a rollout, so the repair is unsafe.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 3
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector:
                matchLabels:
                  app: llm
              topologyKey: kubernetes.io/hostname
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"8\"]
          resources:
            limits:
              nvidia.com/gpu: 8
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 3
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - labelSelector:
                matchLabels:
                  app: llm
              topologyKey: kubernetes.io/hostname
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"8\"]
          resources:
            limits:
              nvidia.com/gpu: 8
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 0
      maxUnavailable: 1
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some((constraint, domain)) = keeps_apart(pod) else { return Vec::new() };
    let Some(asked) = scarce(pod, context).filter(|_| pod.operator().is_none()) else { return Vec::new() };
    let Some(surge) = Surge::of(pod, context) else { return Vec::new() };
    let (count, resource) = (asked.count, &asked.resource);
    let (place, severity) = match domain {
        Domain::Host => {
            (format!("a node more than {} with {count} free `{resource}`", surge.replicas), Severity::Warning)
        }
        Domain::Zone => {
            (format!("a zone more than {} with {count} free `{resource}`", surge.replicas), Severity::Warning)
        }
        // Whether there are nodes without accelerators, the cluster knows and we do not.
        Domain::Spread => (
            format!("an empty node with {count} free `{resource}` where nodes without it count as empty"),
            Severity::Advice,
        ),
    };
    let message = format!(
        "a rollout starts a new pod before an old one may go ({}): it hangs without {place}; {}",
        surge.why(),
        surge.way_out()
    );
    let finding = RULE.finding(constraint, message).at_most(severity);
    match surge.fix(pod) {
        Some(fix) => vec![finding.with_fix(fix)],
        None => vec![finding],
    }
}

/// What may hold one pod of a workload only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Domain {
    /// A node, by anti-affinity.
    Host,
    /// A zone, by anti-affinity.
    Zone,
    /// A node, by an even spread over nodes of which some can hold none.
    Spread,
}

/// The constraint that keeps the pods of a workload apart during a rollout too, and its place.
pub(super) fn keeps_apart(pod: &Pod<'_>) -> Option<(crate::path::Path, Domain)> {
    let spec = pod.spec();
    if spec.value().get("affinity").is_none() && spec.value().get("topologySpreadConstraints").is_none() {
        return None;
    }
    let terms = spec.walk(&["affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    let apart = terms.items().find_map(|term| Some((domain(&term)?, term)).filter(|(_, term)| is_about(pod, term)));
    if let Some((domain, term)) = apart {
        return Some((term.path().clone(), domain));
    }
    let spread = spec.get("topologySpreadConstraints").items().find(|constraint| {
        let value = constraint.value();
        domain(constraint) == Some(Domain::Host)
            && text(value, "whenUnsatisfiable").is_none_or(|what| what == "DoNotSchedule")
            && integer(value.get("maxSkew")) == Some(1)
            && is_about(pod, constraint)
    });
    spread.filter(|_| !selects_nodes(pod)).map(|spread| (spread.path().clone(), Domain::Spread))
}

fn domain(term: &Node<'_>) -> Option<Domain> {
    match text(term.value(), "topologyKey")? {
        "kubernetes.io/hostname" => Some(Domain::Host),
        "topology.kubernetes.io/zone" | "failure-domain.beta.kubernetes.io/zone" => Some(Domain::Zone),
        _ => None,
    }
}

/// Whether a term is about the pods of this workload, those of the old revision among them. Labels that tell a revision may
/// differ from one to the next and are not looked at.
fn is_about(pod: &Pod<'_>, term: &Node<'_>) -> bool {
    let value = term.value();
    let narrowed = ["matchLabelKeys", "mismatchLabelKeys", "namespaces"];
    // Other namespaces may or may not include the own one.
    if narrowed.iter().any(|field| !list(value, field).is_empty())
        || value.get("namespaceSelector").is_some_and(|selector| !selector.is_null())
    {
        return false;
    }
    let label = |key: &str| {
        let key_tells_revision = ["version", "revision", "hash"].iter().any(|word| key.contains(word));
        pod.label(key).filter(|_| !key_tells_revision)
    };
    value.get("labelSelector").and_then(Selector::from_value).is_some_and(|selector| selector.matches(label))
}

/// Whether the pod says on which nodes it may run, so that those without accelerators are none of its places.
fn selects_nodes(pod: &Pod<'_>) -> bool {
    let spec = pod.spec();
    let selector = spec.get("nodeSelector").entries().next().is_some();
    let node_affinity = spec.walk(&["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    selector || !node_affinity.is_absent() || !spec.get("nodeName").is_absent()
}
