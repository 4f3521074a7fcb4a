//! The servers of a pod that spread a model over devices, as far as rules can rely on what is seen of them.

use crate::catalog::Catalog;
use crate::container::Container;
use crate::profile::{ContainerProfile, Devices, Spread};
use crate::workload::{Controller, Pod};

/// How a server spreads its model, and over what.
pub(crate) struct Spreading<'a> {
    pub(crate) spread: Spread,
    pub(crate) devices: Devices<'a>,
    /// Whether the container sees devices that it does not ask for, or only some of those it asks for.
    pub(crate) sees_others: bool,
    /// Whether it runs in a pod of its own, with nothing else in its container that could use the devices or bring more.
    pub(crate) alone: bool,
    /// Whether its variables may come from objects that are not in sight.
    pub(crate) open: bool,
    /// Whether the manifest tells how it is started, and not the image.
    pub(crate) told: bool,
}

/// The confirmed servers whose degrees are known, and that ask for devices of which `wanted` holds.
pub(crate) fn all<'p, 'a>(
    pod: &'p Pod<'a>,
    catalog: &Catalog,
    wanted: impl Fn(&Devices<'_>) -> bool,
) -> Vec<(&'p Container<'a>, &'p ContainerProfile, Spreading<'a>)> {
    let servers = pod.ai_containers().filter(|(container, known)| {
        // A variant is another way of running it, to which the flags may mean something else.
        known.serves && known.sure && known.component.is_none() && !container.has_placeholders()
    });
    servers
        .filter_map(|(container, known)| {
            let devices = Devices::of(container, catalog).filter(|devices| wanted(devices))?;
            let spread = pod.spread(known)?;
            let start = pod.start(known)?;
            let spreading = Spreading {
                spread,
                devices,
                sees_others: start.sees_other_devices(),
                alone: is_single(pod) && pod.starts_nothing_beside(known),
                open: start.environment.is_open(),
                told: start.command.is_some(),
            };
            Some((container, known, spreading))
        })
        .collect()
}

/// Whether each pod is by itself: made by Kubernetes, by nobody else's operator, and no member of a group.
fn is_single(pod: &Pod<'_>) -> bool {
    pod.controller() != Controller::Other && !pod.is_gang() && pod.operator().is_none()
}
