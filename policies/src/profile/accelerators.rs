//! What a pod asks for of each accelerator, reckoned as the scheduler does.

use serde_json::Value;

use crate::catalog::{Catalog, Counting};
use crate::container::{Container, ContainerRole, accelerators, is_intercepted};
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

impl AcceleratorCount {
    /// As a sentence without a full stop.
    pub(super) fn sentence(&self) -> String {
        format!("asks for {} × `{}`", self.count, self.resource)
    }
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
                    add(&mut together, asked);
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
    container.value().get("resources").map(|resources| of_resources(resources, catalog)).unwrap_or_default()
}

/// What `requests` and `limits` ask for.
pub(super) fn of_resources(resources: &Value, catalog: &Catalog) -> Vec<AcceleratorCount> {
    let asked = accelerators(resources, catalog).into_iter();
    asked
        .filter_map(|(resource, quantity)| {
            let count = Quantity::from_value(quantity)?.value();
            let counts = catalog.accelerator(resource)?.counts;
            let shared = counts == Counting::Device && is_intercepted(resources, resource, catalog);
            let counts = if shared { Counting::Virtual } else { counts };
            (count > 0).then(|| AcceleratorCount { resource: resource.to_owned(), count, counts })
        })
        .collect()
}

/// Adds the devices that claims ask for, if a model can run on them; a class that nobody knows may be one.
pub(super) fn claimed(all: &mut Vec<AcceleratorCount>, devices: &[(String, i64)], catalog: &Catalog) {
    for (class, count) in devices {
        let counts = catalog.device_class(class).map(|class| class.counts).unwrap_or_default();
        if *count > 0 && counts.is_compute() {
            add(all, AcceleratorCount { resource: class.clone(), count: *count, counts });
        }
    }
}

/// Adds what is asked to what was asked before.
pub(super) fn add(all: &mut Vec<AcceleratorCount>, asked: AcceleratorCount) {
    match all.iter_mut().find(|known| known.resource == asked.resource) {
        Some(known) => known.count = known.count.saturating_add(asked.count),
        None => all.push(asked),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Object;
    use crate::profile::Profile;

    #[test]
    fn claims_count_where_it_is_known_what_they_are_for() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"resourceClaims": [{"name": "c"}],
            "containers": [{"name": "a", "image": "b", "resources": {"claims": [{"name": "c"}]}}]}});
        let object = Object::new(&pod, Catalog::builtin());
        let pod = &object.pods()[0];
        let with = |class: &str| Profile::with_claimed(pod, Catalog::builtin(), &[(class.to_owned(), 2)]);
        assert!(pod.profile().ai && pod.profile().claims_alone && pod.profile().accelerators.is_empty());
        for class in ["gpu.nvidia.com", "gpu.example.com"] {
            let profile = with(class);
            assert!(profile.ai && !profile.claims_alone, "{class}");
            assert_eq!(profile.accelerators[0].resource, class);
            assert_eq!(profile.devices(), 2);
        }
        for class in ["compute-domain-default-channel.nvidia.com", "imex.nvidia.com", "dra.net"] {
            let profile = with(class);
            assert!(!profile.ai && profile.accelerators.is_empty(), "{class}");
        }
    }

    #[test]
    fn a_device_class_asked_for_as_a_resource_is_what_the_class_is() {
        let asked = |class: &str| {
            let name = format!("deviceclass.resource.kubernetes.io/{class}");
            of_resources(&json!({"limits": {name: 1}}), Catalog::builtin()).len()
        };
        assert_eq!(asked("gpu.nvidia.com"), 1);
        assert_eq!(asked("gpu.example.com"), 1);
        assert_eq!(asked("dra.net"), 0);
    }
}
