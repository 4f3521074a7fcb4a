//! What Buttress knows of the field as data: kinds of workload, accelerators and model servers, embedded in the very form
//! in which a Policy adds more (`spec.workloads`, `spec.accelerators`, `spec.runtimes`).
//!
//! A fact marked `unsure` may be used to look, never to patch. Every list comes with the project or page it was read in.

mod accelerator;
mod kind;
mod lookup;
mod node;
mod operator;
mod role;

use std::sync::LazyLock;

use serde::de::DeserializeOwned;

pub use accelerator::{Accelerator, Counting, DeviceClass};
pub use kind::{AnnotationValues, Completion, Kind, Template, TemplateForm};
pub use node::{NodeLabel, Nodes, Spot};
pub use operator::{Marker, Operator, Operators, OwnerKind};
pub use role::Role;

use lookup::Resources;

/// Everything that is known, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sorted by group and kind.
    kinds: Vec<Kind>,
    resources: Resources,
    device_classes: Vec<DeviceClass>,
    operators: Operators,
    nodes: Nodes,
}

static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
    let catalog = Catalog {
        kinds: Vec::new(),
        resources: Resources::default(),
        device_classes: embedded(include_str!("device_classes.json")),
        operators: embedded(include_str!("operators.json")),
        nodes: embedded(include_str!("nodes.json")),
    };
    catalog.with(
        &embedded::<Vec<Accelerator>>(include_str!("accelerators.json")),
        &embedded::<Vec<Kind>>(include_str!("kinds.json")),
    )
});

/// Reads an embedded file. One that does not parse counts as empty, because nothing here may panic; a test reads them all.
fn embedded<T: DeserializeOwned + Default>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_default()
}

/// Whether a value is left out when it is written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Catalog {
    /// What is built in.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// This catalog and more: an entry whose resource, or whose group and kind, is there already takes its place.
    pub fn with(&self, accelerators: &[Accelerator], kinds: &[Kind]) -> Self {
        let mut all = self.clone();
        for kind in kinds {
            match all.position(&kind.group, &kind.kind) {
                Ok(at) => all.kinds[at] = kind.clone(),
                Err(at) => all.kinds.insert(at, kind.clone()),
            }
        }
        all.resources = all.resources.with(accelerators);
        all
    }

    /// The kind of this API group (without version, empty for the core group) and name.
    pub fn kind(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.position(group, kind).ok().map(|at| &self.kinds[at])
    }

    /// All kinds, sorted by group and kind.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The accelerator that an extended resource asks for: a device or an amount of one.
    ///
    /// `None` for cpu and memory, and for devices that no model runs on: network interfaces, monitoring, attributes.
    pub fn accelerator(&self, resource: &str) -> Option<&Accelerator> {
        self.extended_resource(resource).filter(|entry| entry.counts.is_compute())
    }

    /// The entry about an extended resource whatever it counts, network interfaces and attributes included.
    pub fn extended_resource(&self, resource: &str) -> Option<&Accelerator> {
        self.resources.get(resource)
    }

    /// All extended resources known.
    pub fn extended_resources(&self) -> impl Iterator<Item = &Accelerator> {
        self.resources.iter()
    }

    /// Operators that complete the pods they own, and the containers that platforms add.
    pub fn operators(&self) -> &Operators {
        &self.operators
    }

    /// Labels and taints of nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The DRA device class of this name.
    pub fn device_class(&self, name: &str) -> Option<&DeviceClass> {
        self.device_classes.iter().find(|class| class.name == name)
    }

    fn position(&self, group: &str, kind: &str) -> Result<usize, usize> {
        self.kinds.binary_search_by(|known| (known.group.as_str(), known.kind.as_str()).cmp(&(group, kind)))
    }
}

#[cfg(test)]
mod tests;
