//! Workloads, as far as the objects that are about them must know them: how many pods, with which labels and accelerators.

use serde_json::Value;

use super::{Inventory, Sight, Source, Target, may_meet, nearest};
use crate::catalog::Catalog;
use crate::object::{Identity, Object};
use crate::profile;
use crate::selector::Selector;
use crate::workload::Pod;

/// A workload, as far as a budget or autoscaler must know it. A kind with several templates is there once for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighted {
    /// Where it was seen.
    pub origin: String,
    /// Its group and kind.
    pub kind: (String, String),
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// Its replicas, when they are known.
    pub replicas: Option<i64>,
    /// Whether its author wrote how many replicas.
    pub sets_replicas: bool,
    /// Whether its kind has the scale subresource.
    pub scalable: bool,
    /// How many devices, whole or in part, one pod asks for.
    pub devices: i64,
    /// Which accelerators one pod asks for, and how much of each in the resource's own unit.
    pub accelerators: Vec<(String, i64)>,
    /// The model server that runs in its pods, where they ask for accelerators.
    pub server: Option<ModelServer>,
    /// Whether its pods are in the network of their nodes, which policies do not restrict.
    pub host_network: bool,
    labels: Vec<(String, String)>,
}

/// A server that computes on accelerators, as far as what scales it must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelServer {
    /// The program, where it is known.
    pub runtime: Option<String>,
    /// The metric of the requests that wait.
    pub queue_metric: Option<String>,
}

impl ModelServer {
    /// Looks at a pod only if it asks for accelerators, as few do.
    fn of(pod: &Pod<'_>, devices: i64) -> Option<Self> {
        if devices == 0 || !pod.profile().serves() {
            return None;
        }
        let runtime = pod.profile().runtime();
        Some(Self {
            runtime: runtime.map(|runtime| runtime.name.clone()),
            queue_metric: runtime.and_then(|runtime| runtime.queue_metric.clone()),
        })
    }
}

impl Sighted {
    /// A label of its pods.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The workload as an identity, to ask for its autoscalers.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            group: &self.kind.0,
            version: "",
            kind: &self.kind.1,
            name: &self.name,
            namespace: self.namespace.as_deref(),
        }
    }
}

impl Inventory {
    pub(super) fn add_workload(&mut self, source: Source<'_>, catalog: &Catalog) {
        let identity = source.identity;
        if catalog.kind(identity.group, identity.kind).is_none() {
            return;
        }
        let object = Object::new(source.object, catalog);
        if object.pods().is_empty() {
            self.hollow.push(Target {
                namespace: source.namespace(),
                group: Some(identity.group.to_owned()),
                kind: identity.kind.to_owned(),
                name: source.name(),
            });
        }
        for pod in object.pods() {
            let asked = profile::accelerators(pod, catalog);
            let devices = profile::devices(&asked);
            self.workloads.push(Sighted {
                origin: source.origin(),
                kind: (identity.group.to_owned(), identity.kind.to_owned()),
                name: source.name(),
                namespace: source.namespace(),
                replicas: pod.replicas(),
                sets_replicas: pod.sets_replicas(),
                scalable: object.definition().is_some_and(|kind| kind.scalable),
                devices,
                host_network: pod.spec().value().get("hostNetwork") == Some(&Value::Bool(true)),
                server: ModelServer::of(pod, devices),
                accelerators: asked.into_iter().map(|asked| (asked.resource, asked.count)).collect(),
                labels: pod.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            });
        }
    }

    /// The workloads whose pods `selector` selects in exactly `namespace` (both may be unnamed), nearest first: those of
    /// the same file if there are any, else of the same folder, else all. Variants of one workload for several
    /// environments lie in several folders, and a budget is meant for its neighbours.
    pub fn workloads_selected(
        &self,
        selector: &Selector,
        namespace: Option<&str>,
        origin: &str,
    ) -> Sight<Vec<&Sighted>> {
        let found: Vec<_> = self
            .workloads
            .iter()
            .filter(|workload| workload.namespace.as_deref() == namespace)
            .filter(|workload| selector.matches(|key| workload.label(key)))
            .collect();
        self.answer(nearest(found, origin, |workload| &workload.origin))
    }

    /// The workloads of this kind and name that are, or may be, in `namespace`; of any group where that is not known. What
    /// is of a kind that the built-in catalog does not know, or has no pods that could be read, is never absent.
    pub fn workloads_named(
        &self,
        group: Option<&str>,
        kind: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Sight<Vec<&Sighted>> {
        let found: Vec<_> = self
            .workloads
            .iter()
            .filter(|workload| workload.name == name && workload.kind.1 == kind)
            .filter(|workload| group.is_none_or(|group| group == workload.kind.0))
            .filter(|workload| may_meet(workload.namespace.as_deref(), namespace))
            .collect();
        let known = match group {
            Some(group) => Catalog::builtin().kind(group, kind).is_some(),
            None => matches!(kind, "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController"),
        };
        let hollow = || {
            self.hollow.iter().any(|workload| {
                let group = group.or(workload.group.as_deref()).unwrap_or_default();
                workload.is(Identity { group, version: "", kind, name, namespace: None }, namespace)
            })
        };
        match self.answer_named(name, found) {
            Sight::Absent if !known || hollow() => Sight::Unknown,
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::whole;
    use super::*;

    fn deployment(replicas: &Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm", "namespace": "ml"},
        "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": "llm"}}, "spec": {"containers": [
            {"name": "server", "resources": {"limits": {"nvidia.com/gpu": 4, "cpu": 8}}},
            {"name": "proxy"},
        ]}}}})
    }

    #[test]
    fn a_workload_is_known_by_name_with_what_its_pods_ask_for() {
        let inventory = whole(&[deployment(&json!(3))]);
        let found = inventory.workloads_named(Some("apps"), "Deployment", "llm", None).present().unwrap();
        assert_eq!((found[0].replicas, found[0].sets_replicas, found[0].devices), (Some(3), true, 4));
        assert_eq!(found[0].accelerators, [("nvidia.com/gpu".to_owned(), 4)]);
        assert_eq!(found[0].label("app"), Some("llm"));
        assert!(inventory.workloads_named(None, "Deployment", "llm", Some("ml")).present().is_some());
        for (group, kind, name, namespace) in [
            (Some("apps"), "Deployment", "other", None),
            (Some("apps"), "StatefulSet", "llm", None),
            (Some("apps"), "Deployment", "llm", Some("web")),
        ] {
            assert_eq!(inventory.workloads_named(group, kind, name, namespace), Sight::Absent, "{kind} {name}");
        }
    }

    #[test]
    fn replicas_that_nobody_wrote_are_not_set() {
        let inventory = whole(&[deployment(&json!(null))]);
        let found = inventory.workloads_named(Some("apps"), "Deployment", "llm", None).present().unwrap();
        assert_eq!((found[0].replicas, found[0].sets_replicas), (Some(1), false));
    }

    #[test]
    fn what_could_not_be_seen_is_not_absent() {
        let mut without_pods = deployment(&json!(1));
        without_pods["spec"]["template"] = json!({});
        let inventory = whole(&[without_pods]);
        assert_eq!(inventory.workloads_named(Some("apps"), "Deployment", "llm", Some("ml")), Sight::Unknown);
        assert_eq!(inventory.workloads_named(None, "Deployment", "llm", None), Sight::Unknown);
        assert_eq!(inventory.workloads_named(Some("apps"), "Deployment", "llm", Some("web")), Sight::Absent);
        assert_eq!(inventory.workloads_named(Some("example.com"), "Foo", "llm", None), Sight::Unknown);
        assert_eq!(inventory.workloads_named(None, "Foo", "llm", None), Sight::Unknown);
        assert_eq!(Inventory::unknown().workloads_named(Some("apps"), "Deployment", "llm", None), Sight::Unknown);
    }
}
