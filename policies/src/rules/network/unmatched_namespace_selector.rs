//! `unmatched-namespace-selector`: a selector of namespaces by a label that none has.

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::node::Node;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "unmatched-namespace-selector",
    summary: "namespaces are selected by a `name` label that nothing sets",
    category: Category::Network,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Kubernetes labels every namespace with its name under \
[`kubernetes.io/metadata.name`](https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name) and \
under nothing else. A peer of a NetworkPolicy that selects `name: monitoring` matches no namespace unless somebody put that label \
there, and the traffic it should allow is dropped. It is a warning where the namespace is in sight without the label, and advice \
where no namespace of that name is. The repair is unsafe, as the label may be set by hand.",
    bad: "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: llm
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              name: monitoring
",
    good: "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: llm
spec:
  podSelector: {}
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: monitoring
",
    fixable: Fixable::Unsafe,
    check: Check::Object(check),
};

/// The label that every namespace has.
const OWN_NAME: &str = "kubernetes.io/metadata.name";

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !object.identity().is("networking.k8s.io", "NetworkPolicy") {
        return Vec::new();
    }
    let spec = object.root().get("spec");
    let mut findings = Vec::new();
    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(rules).items() {
            for peer in rule.get(peers).items() {
                findings.extend(judge(&peer.walk(&["namespaceSelector", "matchLabels"]), context));
            }
        }
    }
    findings
}

fn judge(labels: &Node<'_>, context: &Context<'_>) -> Option<Finding> {
    let node = labels.get("name");
    let wanted = node.as_str()?;
    let in_sight = match context.inventory.namespace(wanted) {
        Sight::Present(_) => true,
        Sight::Absent => false,
        Sight::Unknown => return None,
    };
    let set = context.inventory.namespaces().any(|namespace| namespace.label("name") == Some(wanted));
    if set {
        return None;
    }
    let what = if in_sight { "the namespace in sight has not" } else { "no namespace in sight has" };
    let message = format!(
        "Kubernetes sets no label `name`, and {what} `name: {wanted}`: select by `{OWN_NAME}: {wanted}` or nothing matches"
    );
    let finding = RULE.finding(node.path().clone(), message);
    let finding = if in_sight { finding } else { finding.at_most(Severity::Advice) };
    let own = labels.get(OWN_NAME);
    if !own.is_absent() {
        return Some(finding);
    }
    let edits = vec![own.set(wanted.into()), node.remove()];
    Some(finding.with_fix(Fix::r#unsafe("select by the label that every namespace has", edits)))
}
