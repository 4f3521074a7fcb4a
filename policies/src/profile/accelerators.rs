//! What a pod asks for of each accelerator, reckoned as the scheduler does.

use crate::catalog::{Catalog, Counting};
use crate::container::{Container, ContainerRole};
use crate::quantity::Quantity;
use crate::workload::Pod;

/// How much of an accelerator a pod asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceleratorCount {
    /// The extended resource.
    pub resource: String,
    /// How much, in the resource's own unit; a fraction is rounded up.
    pub count: i64,
    /// What one unit is.
    pub counts: Counting,
}

/// What the pod asks for in all, nothing of zero.
pub(super) fn of_pod(pod: &Pod<'_>, catalog: &Catalog) -> Vec<AcceleratorCount> {
    let mut together: Vec<AcceleratorCount> = Vec::new();
    let mut at_start: Vec<AcceleratorCount> = Vec::new();
    for container in pod.containers() {
        match container.role() {
            // A sidecar runs beside the init containers after it; that it counts for those before it too is at most
            // too much, and no sidecar asks for accelerators.
            ContainerRole::Regular | ContainerRole::Sidecar => {
                for asked in of_container(container, catalog) {
                    match together.iter_mut().find(|known| known.resource == asked.resource) {
                        Some(known) => known.count = known.count.saturating_add(asked.count),
                        None => together.push(asked),
                    }
                }
            }
            ContainerRole::Init => at_start.extend(of_container(container, catalog)),
            ContainerRole::Ephemeral => {}
        }
    }
    for asked in at_start {
        match together.iter_mut().find(|known| known.resource == asked.resource) {
            Some(known) => known.count = known.count.max(asked.count),
            None => together.push(asked),
        }
    }
    together
}

/// What one container asks for.
pub(super) fn of_container(container: &Container<'_>, catalog: &Catalog) -> Vec<AcceleratorCount> {
    let asked = container.accelerators(catalog).into_iter();
    asked
        .filter_map(|(resource, quantity)| {
            let count = Quantity::from_value(quantity)?.value();
            let counts = catalog.accelerator(resource)?.counts;
            let shared = counts == Counting::Device && container.is_intercepted(resource, catalog);
            let counts = if shared { Counting::Virtual } else { counts };
            (count > 0).then(|| AcceleratorCount { resource: resource.to_owned(), count, counts })
        })
        .collect()
}
