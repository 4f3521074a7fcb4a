//! What the rules on selectors of workloads share: which kinds must have one, and what of the object is there to judge.

use crate::context::Context;
use crate::node::Node;
use crate::object::Object;
use crate::workload::Pod;

/// A workload of `apps/v1` with its selector and the pods that it must select.
pub(super) struct Selecting<'o, 'a> {
    pub(super) selector: Node<'a>,
    pub(super) pod: &'o Pod<'a>,
}

/// The workload as these rules judge it; nothing for other kinds, for those without a template, and for versions in which
/// the selector was defaulted.
pub(super) fn selecting<'o, 'a>(object: &'o Object<'a>) -> Option<Selecting<'o, 'a>> {
    let identity = object.identity();
    let selects = identity.group == "apps"
        && identity.version == "v1"
        && matches!(identity.kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet");
    if !selects {
        return None;
    }
    let [pod] = object.pods() else { return None };
    Some(Selecting { selector: object.root().get("spec").get("selector"), pod })
}

impl Selecting<'_, '_> {
    /// Whether this looks like a whole workload and not like a patch of one, which names what it changes and leaves the
    /// rest out: every container has its image, and nothing says that it is a patch or gets labels and selector from a
    /// Kustomization.
    pub(super) fn is_whole(&self, object: &Object<'_>, context: &Context<'_>) -> bool {
        self.pod.containers().iter().all(|container| container.image().is_some() && !container.name().is_empty())
            && !object.is_patch()
            && !context.inventory.is_patch(context.origin)
            && !context.inventory.is_labelled_by_kustomization(context.origin)
    }

    /// Whether a label or the selector is still to be filled in.
    pub(super) fn is_template(&self) -> bool {
        let pairs = self.selector.get("matchLabels");
        let braces = |text: &str| text.contains(['{', '$', '<']);
        pairs.entries().any(|(key, value)| braces(key) || value.as_str().is_some_and(braces))
            || self.pod.labels().any(|(key, value)| braces(key) || braces(value))
    }
}
