//! Whether a pod is meant for spare capacity, which the cloud takes back at short notice.

use crate::catalog::Catalog;
use crate::node::{list, text};
use crate::workload::Pod;

/// Whether the pod selects nodes of spare capacity: by its node selector or by a required affinity that allows no others.
pub(crate) fn chosen(pod: &Pod<'_>, catalog: &Catalog) -> bool {
    let spec = pod.spec();
    let spots = &catalog.nodes().spot;
    let selector = spec.value().get("nodeSelector");
    if selector.is_some_and(|selector| {
        spots
            .iter()
            .any(|spot| text(selector, &spot.label).is_some_and(|value| value.eq_ignore_ascii_case(&spot.value)))
    }) {
        return true;
    }
    let required =
        spec.walk(&["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"]);
    let mut terms = required.items().peekable();
    terms.peek().is_some()
        && terms.all(|term| {
            list(term.value(), "matchExpressions").iter().any(|expression| {
                let values = list(expression, "values");
                text(expression, "operator") == Some("In")
                    && spots.iter().any(|spot| {
                        text(expression, "key") == Some(spot.label.as_str())
                            && !values.is_empty()
                            && values.iter().all(|value| {
                                value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(&spot.value))
                            })
                    })
            })
        })
}
