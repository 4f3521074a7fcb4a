//! What the rules on volumes that one node or one pod holds share: which claims of a pod are such, and which pods stay on one
//! node anyway.

use crate::context::Context;
use crate::inventory::{Sight, is_beside, nearest};
use crate::node::{Node, list, text};
use crate::workload::Pod;

/// What may mount a volume at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// The pods of one node: `ReadWriteOnce`.
    Node,
    /// One pod: `ReadWriteOncePod`.
    Pod,
}

/// A claim of a pod that cannot be mounted everywhere.
pub(super) struct Held<'a> {
    /// Where the pod names it.
    pub(super) at: Node<'a>,
    /// Its name.
    pub(super) name: &'a str,
    /// What may mount it at a time.
    pub(super) holder: Holder,
}

/// The claims that `pod` mounts by name and of which it is known that only one node, or only one pod, may mount them.
pub(super) fn held<'a>(pod: &Pod<'a>, context: &Context<'_>) -> Vec<Held<'a>> {
    if list(pod.spec().value(), "volumes").iter().all(|volume| volume.get("persistentVolumeClaim").is_none()) {
        return Vec::new();
    }
    // A StatefulSet puts claims of its own in the place of volumes of the same name.
    let own = list(pod.object().get("spec").unwrap_or(pod.spec().value()), "volumeClaimTemplates");
    let is_own = |volume: &Node<'_>| {
        let name = text(volume.value(), "name");
        own.iter().any(|claim| claim.get("metadata").and_then(|metadata| text(metadata, "name")) == name)
    };
    pod.volumes().filter(|volume| !is_own(volume)).filter_map(|volume| of_volume(&volume, pod, context)).collect()
}

fn of_volume<'a>(volume: &Node<'a>, pod: &Pod<'a>, context: &Context<'_>) -> Option<Held<'a>> {
    let at = volume.walk(&["persistentVolumeClaim", "claimName"]);
    let name = at.as_str()?;
    let namespace = pod.owner().namespace.or(context.namespace);
    let Sight::Present(claims) = context.inventory.claims_named(name, namespace) else { return None };
    // Claims of one name are variants for several environments: the one that allows most counts.
    let near = nearest(claims, context.origin, |claim| &claim.origin);
    let near: Vec<_> = near.into_iter().filter(|claim| is_beside(context.origin, &claim.origin)).collect();
    if near.is_empty() {
        return None;
    }
    let mut holder = Holder::Pod;
    for claim in near {
        let modes = claim.access_modes.iter().map(String::as_str);
        match modes.collect::<Vec<_>>().as_slice() {
            ["ReadWriteOncePod"] => {}
            ["ReadWriteOnce"] => holder = Holder::Node,
            _ => return None,
        }
    }
    Some(Held { at, name, holder })
}

/// Whether the author keeps all pods of the workload on one node, where they may share a volume.
pub(super) fn stays_on_one_node(pod: &Pod<'_>) -> bool {
    const HOST: &str = "kubernetes.io/hostname";
    let spec = pod.spec();
    let affinity = spec.get("affinity");
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let together = affinity.walk(&["podAffinity", REQUIRED]);
    let nodes = affinity.walk(&["nodeAffinity", REQUIRED, "nodeSelectorTerms"]);
    let names_host = |term: Node<'_>| {
        let by_label = list(term.value(), "matchExpressions").iter().any(|wanted| text(wanted, "key") == Some(HOST));
        by_label || !list(term.value(), "matchFields").is_empty()
    };
    !spec.get("nodeName").is_absent()
        || !spec.get("nodeSelector").get(HOST).is_absent()
        || together.items().any(|term| text(term.value(), "topologyKey") == Some(HOST))
        || nodes.items().any(names_host)
}
