//! Volumes of memory: which there are, how large they may grow, and what holds them back.

use crate::container::Container;
use crate::node::{Node, list, text};
use crate::quantity::Quantity;
use crate::workload::Pod;

/// A volume whose files lie in memory.
pub(super) struct MemoryVolume<'a> {
    /// The volume.
    pub(super) node: Node<'a>,
    /// How large it may grow; `None` where nothing is written or it is no quantity.
    pub(super) size_limit: Option<Quantity>,
}

impl<'a> MemoryVolume<'a> {
    /// The memory volumes of a pod.
    pub(super) fn all(pod: &Pod<'a>) -> Vec<Self> {
        let is_memory = |volume: &serde_json::Value| {
            volume.get("emptyDir").is_some_and(|directory| text(directory, "medium") == Some("Memory"))
        };
        // Most pods have none, and no place needs to be written down for them.
        if !list(pod.spec().value(), "volumes").iter().any(is_memory) {
            return Vec::new();
        }
        let volumes = pod.volumes().filter(|volume| is_memory(volume.value()));
        volumes
            .map(|node| {
                let size_limit = Quantity::from_value(node.walk(&["emptyDir", "sizeLimit"]).value());
                Self { node, size_limit }
            })
            .collect()
    }

    /// Its name.
    pub(super) fn name(&self) -> &'a str {
        text(self.node.value(), "name").unwrap_or_default()
    }

    /// The place of its size limit.
    pub(super) fn limit_node(&self) -> Node<'a> {
        self.node.walk(&["emptyDir", "sizeLimit"])
    }

    /// Whether `container` can write to it.
    pub(super) fn is_written_by(&self, container: &Container<'_>) -> bool {
        list(container.value(), "volumeMounts").iter().any(|mount| {
            text(mount, "name") == Some(self.name())
                && mount.get("readOnly").and_then(serde_json::Value::as_bool) != Some(true)
        })
    }
}
