//! Whether a pod is meant for spare capacity, which the cloud takes back at short notice.

use super::labels;
use crate::catalog::{Catalog, Spot};
use crate::workload::Pod;

/// The kinds of spare capacity that the pod insists on: it runs nowhere else. Two labels may tell of one machine.
pub(crate) fn chosen<'c>(pod: &Pod<'_>, catalog: &'c Catalog) -> Vec<&'c Spot> {
    let wanted = labels::wanted(pod);
    if wanted.is_empty() {
        return Vec::new();
    }
    let insists = |spot: &Spot| {
        let on = |wanted: &labels::Wanted<'_>| {
            wanted.key == spot.label
                && !wanted.values.is_empty()
                && wanted.values.iter().all(|value| *value == spot.value)
        };
        labels::insists(&wanted, on).is_some()
    };
    catalog.nodes().spot.iter().filter(|spot| insists(spot)).collect()
}
