//! Kueue's queues: which kinds of nodes a workload that waits in one may be given.

use serde_json::Value;

use super::{Inventory, Sight, Source, entries, may_meet};
use crate::node::{list, text};

/// A LocalQueue, in which workloads of a namespace wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalQueue {
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// The ClusterQueue behind it; empty where it cannot be read.
    pub cluster_queue: String,
}

/// A ClusterQueue, which has the quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterQueue {
    /// Its name.
    pub name: String,
    /// The ResourceFlavors of all its resources.
    pub flavors: Vec<String>,
}

/// A ResourceFlavor: a kind of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavor {
    /// Its name.
    pub name: String,
    /// The taints of its nodes, which pods must tolerate to be given them.
    pub node_taints: Vec<Taint>,
    /// The tolerations that Kueue adds to pods that are given them.
    pub tolerations: Vec<Toleration>,
    /// The labels of its nodes, which Kueue adds to the node selector.
    pub node_labels: Vec<(String, String)>,
}

/// A taint of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; empty when it has none.
    pub value: String,
    /// Its effect.
    pub effect: String,
}

/// A toleration, with empty text for what it leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// The taint key; empty is every.
    pub key: String,
    /// How the value is compared: `Equal` unless it says otherwise.
    pub operator: String,
    /// The taint value.
    pub value: String,
    /// The taint effect; empty is every.
    pub effect: String,
}

impl LocalQueue {
    pub(super) fn of(source: Source<'_>) -> Self {
        let cluster_queue = string(source.spec, "clusterQueue");
        Self { name: source.name(), namespace: source.namespace(), cluster_queue }
    }
}

impl ClusterQueue {
    pub(super) fn of(source: Source<'_>) -> Self {
        let mut flavors: Vec<String> = Vec::new();
        for flavor in list(source.spec, "resourceGroups").iter().flat_map(|group| list(group, "flavors")) {
            if let Some(name) = text(flavor, "name").filter(|name| !flavors.iter().any(|known| known == name)) {
                flavors.push(name.to_owned());
            }
        }
        Self { name: source.name(), flavors }
    }
}

impl Flavor {
    pub(super) fn of(source: Source<'_>) -> Self {
        let taints = list(source.spec, "nodeTaints").iter().filter(|taint| taint.is_object());
        let tolerations = list(source.spec, "tolerations").iter().filter(|toleration| toleration.is_object());
        Self {
            name: source.name(),
            node_taints: taints
                .map(|taint| Taint {
                    key: string(taint, "key"),
                    value: string(taint, "value"),
                    effect: string(taint, "effect"),
                })
                .collect(),
            tolerations: tolerations
                .map(|toleration| Toleration {
                    key: string(toleration, "key"),
                    operator: text(toleration, "operator").unwrap_or("Equal").to_owned(),
                    value: string(toleration, "value"),
                    effect: string(toleration, "effect"),
                })
                .collect(),
            node_labels: source.spec.get("nodeLabels").map(entries).unwrap_or_default(),
        }
    }
}

fn string(value: &Value, key: &str) -> String {
    text(value, key).unwrap_or_default().to_owned()
}

impl Inventory {
    /// The LocalQueues of this name that are, or may be, in `namespace`.
    pub fn local_queues_named(&self, name: &str, namespace: Option<&str>) -> Sight<Vec<&LocalQueue>> {
        let queues = self.local_queues.iter().filter(|queue| queue.name == name);
        self.answer_named(name, queues.filter(|queue| may_meet(queue.namespace.as_deref(), namespace)).collect())
    }

    /// The ClusterQueues of this name.
    pub fn cluster_queues_named(&self, name: &str) -> Sight<Vec<&ClusterQueue>> {
        self.answer_named(name, self.cluster_queues.iter().filter(|queue| queue.name == name).collect())
    }

    /// The ResourceFlavors of this name.
    pub fn flavors_named(&self, name: &str) -> Sight<Vec<&Flavor>> {
        self.answer_named(name, self.flavors.iter().filter(|flavor| flavor.name == name).collect())
    }

    /// The flavors that a workload in the LocalQueue `queue` may be given, in their order; of several queues of the name,
    /// those of all. Present only where the LocalQueue, its ClusterQueue and every flavor are in sight.
    pub fn flavors_of(&self, queue: &str, namespace: Option<&str>) -> Sight<Vec<&Flavor>> {
        let mut found: Vec<&Flavor> = Vec::new();
        let local = match self.local_queues_named(queue, namespace) {
            Sight::Present(local) => local,
            nothing => return nothing.map(|_| Vec::new()),
        };
        for local in local {
            let cluster = match self.cluster_queues_named(&local.cluster_queue) {
                Sight::Present(cluster) => cluster,
                nothing => return nothing.map(|_| Vec::new()),
            };
            for name in cluster.iter().flat_map(|cluster| &cluster.flavors) {
                let flavors = match self.flavors_named(name) {
                    Sight::Present(flavors) => flavors,
                    nothing => return nothing.map(|_| Vec::new()),
                };
                for flavor in flavors {
                    if !found.contains(&flavor) {
                        found.push(flavor);
                    }
                }
            }
        }
        self.answer(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn local(namespace: Option<&str>) -> Value {
        json!({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "LocalQueue", "metadata": {"name": "team", "namespace": namespace},
               "spec": {"clusterQueue": "gpus"}})
    }

    fn cluster() -> Value {
        json!({"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "ClusterQueue", "metadata": {"name": "gpus"}, "spec": {"resourceGroups": [
            {"coveredResources": ["cpu"], "flavors": [{"name": "plain"}, {"name": 7}, 7]},
            {"coveredResources": ["nvidia.com/gpu"], "flavors": [{"name": "h100"}, {"name": "plain"}]}]}})
    }

    fn flavor(name: &str, spec: &Value) -> Value {
        json!({"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": name}, "spec": spec})
    }

    #[test]
    fn the_flavors_of_a_queue_are_those_of_its_cluster_queue() {
        let h100 = json!({"nodeLabels": {"gpu": "h100"}, "nodeTaints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}, 7],
            "tolerations": [{"key": "spot", "value": "true", "effect": "NoSchedule"}, {"operator": "Exists"}]});
        let inventory = whole(&[
            local(Some("ml")),
            cluster(),
            flavor("h100", &h100),
            flavor("plain", &json!(null)),
            flavor("other", &h100),
        ]);
        let found = inventory.flavors_of("team", Some("ml")).present().unwrap();
        let names: Vec<_> = found.iter().map(|flavor| flavor.name.as_str()).collect();
        assert_eq!(names, ["plain", "h100"]);
        let h100 = found[1];
        assert_eq!(h100.node_labels, [("gpu".to_owned(), "h100".to_owned())]);
        let taint = Taint { key: "nvidia.com/gpu".to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
        assert_eq!(h100.node_taints, [taint]);
        assert_eq!((h100.tolerations[0].operator.as_str(), h100.tolerations[0].value.as_str()), ("Equal", "true"));
        assert_eq!((h100.tolerations[1].operator.as_str(), h100.tolerations[1].key.as_str()), ("Exists", ""));
        assert_eq!(inventory.flavors_of("team", Some("web")), Sight::Absent);
    }

    #[test]
    fn a_missing_link_leaves_the_flavors_out_of_sight() {
        let all = [local(None), cluster(), flavor("h100", &json!({})), flavor("plain", &json!({}))];
        assert!(whole(&all).flavors_of("team", Some("ml")).present().is_some());
        for missing in 0..all.len() {
            let mut rest = all.to_vec();
            rest.remove(missing);
            assert_eq!(whole(&rest).flavors_of("team", None), Sight::Absent, "{missing}");
            let mut inventory = Inventory::unknown();
            inventory.merge(whole(&rest));
            assert_eq!(inventory.flavors_of("team", None), Sight::Unknown, "{missing}");
        }
        let mut nowhere = local(None);
        nowhere["spec"]["clusterQueue"] = json!(7);
        assert_eq!(whole(&[nowhere, cluster()]).flavors_of("team", None), Sight::Unknown);
    }
}
