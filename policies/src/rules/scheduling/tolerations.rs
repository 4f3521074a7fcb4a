//! The tolerations of a pod, read as Kubernetes reads them, and the taints that nodes with accelerators carry.

use crate::catalog::Catalog;
use crate::node::{Node, text};
use crate::workload::Pod;

/// One toleration and its place.
pub(super) struct Toleration<'a> {
    pub(super) node: Node<'a>,
    /// The taint's key; empty for every taint.
    pub(super) key: &'a str,
    /// `NoSchedule` and the like; empty for every effect.
    pub(super) effect: &'a str,
    /// Whether it tolerates any value.
    pub(super) exists: bool,
}

/// The tolerations that are mappings.
pub(super) fn of<'a>(pod: &Pod<'a>) -> impl Iterator<Item = Toleration<'a>> + use<'a> {
    pod.spec().get("tolerations").items().filter(|item| item.value().is_object()).map(|node| {
        let field = |name: &str| text(node.value(), name).unwrap_or_default();
        Toleration { key: field("key"), effect: field("effect"), exists: field("operator") == "Exists", node }
    })
}

impl Toleration<'_> {
    /// Whether it tolerates every taint of some effect.
    pub(super) fn is_of_everything(&self) -> bool {
        self.key.is_empty() && self.exists
    }

    /// Whether it tolerates taints of this key that keep pods from being placed.
    pub(super) fn covers(&self, key: &str) -> bool {
        (self.key == key || self.is_of_everything()) && matches!(self.effect, "" | "NoSchedule")
    }
}

/// Whether nodes with an accelerator carry a taint of this key: the name of a device that is known for certain.
pub(super) fn is_accelerator_taint(key: &str, catalog: &Catalog) -> bool {
    catalog.accelerator(key).is_some_and(|known| !known.toleration_keys(key).is_empty())
}
