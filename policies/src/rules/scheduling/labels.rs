//! The node labels that a pod insists on, by its node selector and its required node affinity.

use serde_json::Value;

use crate::node::{Node, list, text};
use crate::workload::Pod;

/// A label that a node must have.
pub(super) struct Wanted<'a> {
    pub(super) key: &'a str,
    /// The values, any of which will do; none when any value will do.
    pub(super) values: Vec<&'a str>,
    pub(super) node: Node<'a>,
}

/// What a node must have: each item is one way to fit, and a node must fit one of them. Empty when the pod insists on
/// nothing.
pub(super) fn wanted<'a>(pod: &Pod<'a>) -> Vec<Vec<Wanted<'a>>> {
    let spec = pod.spec();
    let affinity = spec.value().pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    let selector = spec.value().get("nodeSelector").and_then(Value::as_object).filter(|selector| !selector.is_empty());
    if affinity.is_none_or(Value::is_null) && selector.is_none() {
        return Vec::new();
    }
    let by_selector = || {
        let entries = spec.get("nodeSelector").entries();
        entries.map(|(key, node)| Wanted { key, values: node.as_str().into_iter().collect(), node })
    };
    let required = spec.walk(&["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    let terms: Vec<_> = required.get("nodeSelectorTerms").items().collect();
    if terms.is_empty() {
        return vec![by_selector().collect()];
    }
    terms
        .iter()
        .map(|term| {
            let expressions = term.get("matchExpressions").items().filter_map(|node| {
                let key = text(node.value(), "key")?;
                match text(node.value(), "operator")? {
                    "In" => {
                        let values = list(node.value(), "values").iter().filter_map(Value::as_str).collect();
                        Some(Wanted { key, values, node })
                    }
                    // What is greater than a number is there at the least.
                    "Exists" | "Gt" => Some(Wanted { key, values: Vec::new(), node }),
                    _ => None,
                }
            });
            by_selector().chain(expressions).collect()
        })
        .collect()
}

/// The first label that `is` holds of, where every way to fit has one of which it holds.
pub(super) fn insists<'w, 'a>(ways: &'w [Vec<Wanted<'a>>], is: impl Fn(&Wanted<'a>) -> bool) -> Option<&'w Wanted<'a>> {
    let mut first = None;
    for way in ways {
        let found = way.iter().find(|wanted| is(wanted))?;
        first = first.or(Some(found));
    }
    first
}
