//! References from one object to a workload, such as that of an autoscaler, and which workload is meant.

use serde_json::Value;

use super::may_meet;
use crate::node::text;
use crate::object::Identity;

/// What an autoscaler acts on, or another reference to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) namespace: Option<String>,
    pub(super) group: Option<String>,
    pub(super) kind: String,
    pub(super) name: String,
}

impl Target {
    /// Reads a `scaleTargetRef` or `targetRef`; a kind that is left out is `Deployment`, as it is to KEDA.
    pub(super) fn of(reference: &Value, namespace: Option<String>) -> Option<Self> {
        Some(Self {
            namespace,
            // Old manifests leave the version out or write a long-removed group, which then tells nothing.
            group: text(reference, "apiVersion")
                .and_then(|version| version.rsplit_once('/'))
                .map(|(group, _)| group.to_owned())
                .filter(|group| group != "extensions"),
            kind: text(reference, "kind").unwrap_or("Deployment").to_owned(),
            name: text(reference, "name")?.to_owned(),
        })
    }

    pub(super) fn is(&self, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.name == workload.name
            && self.kind == workload.kind
            && self.group.as_deref().is_none_or(|group| group == workload.group)
            && may_meet(self.namespace.as_deref(), namespace)
    }

    /// Whether it is `workload` or what has made it: Deployments and Argo's Rollouts make ReplicaSets that are called as they
    /// are, with a dash and a hash behind.
    pub(super) fn is_or_made(&self, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        if self.is(workload, namespace) {
            return true;
        }
        let group = match self.kind.as_str() {
            "Deployment" => "apps",
            "Rollout" => "argoproj.io",
            _ => return false,
        };
        let hash = || workload.name.strip_prefix(self.name.as_str())?.strip_prefix('-');
        workload.is("apps", "ReplicaSet")
            && self.group.as_deref().is_none_or(|own| own == group)
            && hash().is_some_and(|hash| !hash.is_empty() && !hash.contains('-'))
            && may_meet(self.namespace.as_deref(), namespace)
    }

    /// Whether its kind is known to make pods by itself, or through a ReplicaSet that tells of it by its name. Another kind
    /// with the scale subresource may make Deployments under any name.
    pub(super) fn makes_pods(&self) -> bool {
        match self.kind.as_str() {
            "Deployment" | "StatefulSet" | "ReplicaSet" => self.group.as_deref().is_none_or(|group| group == "apps"),
            "ReplicationController" => self.group.as_deref().is_none_or(str::is_empty),
            "Rollout" => self.group.as_deref().is_none_or(|group| group == "argoproj.io"),
            _ => false,
        }
    }
}
