//! The requests that a container without any is given: the Policy's sizes, or the built-in ones; and who says what is
//! asked for, containers or the pod.

use std::str::FromStr;

use crate::container::Container;
use crate::context::Context;
use crate::finding::Safety;
use crate::quantity::Quantity;
use crate::workload::Pod;

/// CPU and memory of a model server or trainer without accelerators.
const BUILT_IN: (&str, &str) = ("1", "4Gi");
/// CPU and memory for each accelerator: about what clouds put beside one of their smaller devices.
const BUILT_IN_PER_ACCELERATOR: (&str, &str) = ("4", "16Gi");

/// The request of `resource` (`cpu` or `memory`) that `container` would get, and whether it may be put in unasked.
pub(super) fn request(
    container: &Container<'_>,
    pod: &Pod<'_>,
    context: &Context<'_>,
    resource: &str,
) -> Option<(Quantity, Safety)> {
    let accelerators = accelerators(container, context);
    if let Some(size) = configured(container, pod, context, resource) {
        return Some((size, Safety::Safe));
    }
    let (sizes, times) = if accelerators > 0 { (BUILT_IN_PER_ACCELERATOR, accelerators) } else { (BUILT_IN, 1) };
    let each = Quantity::from_str(if resource == "cpu" { sizes.0 } else { sizes.1 }).ok()?;
    Some((multiplied(each, times), Safety::Unsafe))
}

/// The request that the Policy gives such a container.
pub(super) fn configured(
    container: &Container<'_>,
    pod: &Pod<'_>,
    context: &Context<'_>,
    resource: &str,
) -> Option<Quantity> {
    let size = context.policy.injection().sizes.of(pod.profile().role)?;
    let accelerators = accelerators(container, context);
    if resource == "cpu" { size.cpu(accelerators) } else { size.memory(accelerators) }
}

/// Whether the pod says what its containers ask for together.
pub(super) fn are_of_the_whole_pod(pod: &Pod<'_>) -> bool {
    pod.spec().value().get("resources").is_some_and(|resources| {
        ["requests", "limits"].iter().any(|list| resources.get(list).is_some_and(|list| !list.is_null()))
    })
}

/// How many whole or partial devices the container asks for; amounts of device memory do not count.
fn accelerators(container: &Container<'_>, context: &Context<'_>) -> u32 {
    let catalog = context.catalog();
    let counts = container.accelerators(catalog).into_iter().filter_map(|(resource, quantity)| {
        catalog.accelerator(resource).filter(|known| known.counts.is_devices())?;
        u32::try_from(Quantity::from_value(quantity)?.value()).ok()
    });
    // No node has more; a larger number is a slip, and must not become a request for petabytes.
    counts.fold(0, u32::saturating_add).min(16)
}

fn multiplied(quantity: Quantity, times: u32) -> Quantity {
    (1..times).fold(quantity, |sum, _| sum.add(quantity))
}
