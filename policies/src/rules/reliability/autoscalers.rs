//! What the rules on autoscalers share: which object they are about, and what it acts on.

use crate::context::Context;
use crate::inventory::{Autoscaler, Sight, nearest};
use crate::node::text;
use crate::object::{Identity, Object};

/// What an autoscaler acts on, by the reference in `field` of its `spec`. Kubernetes' own kinds are known where the version is
/// left out.
pub(super) fn target<'a>(object: &'a Object<'_>, field: &str, context: &'a Context<'_>) -> Option<Identity<'a>> {
    let reference = object.value().get("spec")?.get(field)?;
    let kind = text(reference, "kind").unwrap_or("Deployment");
    let group = match text(reference, "apiVersion") {
        Some(version) => version.rsplit_once('/').map_or("", |(group, _)| group),
        None if matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet") => "apps",
        None => return None,
    };
    let name = text(reference, "name")?;
    Some(Identity { group, version: "", kind, name, namespace: object.identity().namespace.or(context.namespace) })
}

/// The autoscaler that `object` is, as the inventory saw it.
pub(super) fn itself<'a>(object: &Object<'_>, target: Identity<'_>, context: &Context<'a>) -> Option<&'a Autoscaler> {
    let Sight::Present(found) = context.inventory.autoscalers_of(target, target.namespace) else { return None };
    let keda = object.identity().group == "keda.sh";
    let own = found.into_iter().filter(|scaler| scaler.name == object.identity().name && scaler.keda == keda).collect();
    match nearest(own, context.origin, |scaler| &scaler.origin).as_slice() {
        [scaler] => Some(scaler),
        // Several of one name at one place: which of them this is, nobody can tell.
        _ => None,
    }
}

/// Names in a row, as a sentence has them.
pub(super) fn and(names: &[&str]) -> String {
    names.join(" and ")
}
