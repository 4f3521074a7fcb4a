//! The other objects in sight, and how sure we are of what is not there. Each topic has a file of its own, which says what
//! is kept of an object and what can be asked of it.
//!
//! Names, numbers, labels and selectors are kept; no secret and no whole object. A namespace that an object does not name
//! (`None`) may be any, so such an object *may meet* those of every namespace.

mod autoscaling;
mod budgets;
mod customizations;
mod devices;
mod limits;
mod namespaces;
mod network;
mod queues;
mod quotas;
mod services;
mod storage;
mod target;
mod workloads;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::catalog::Catalog;
use crate::node::{is_placeholder, text};
use crate::object::Identity;
use customizations::Customization;
use target::Target;

pub use autoscaling::{Autoscaler, Measure, VerticalAutoscaler};
pub use budgets::Budget;
pub use customizations::patches_of;
pub use devices::{DeviceClaim, DeviceRequest};
pub use limits::{Bounded, Bounds, Breach, Given, LimitRange};
pub use namespaces::Namespace;
pub use network::{IngressRule, NetworkPolicy, PolicyPort, PortRange};
pub use queues::{ClusterQueue, Flavor, LocalQueue, Taint, Toleration};
pub use quotas::Quota;
pub use services::{PortName, Service, ServiceKind, ServicePort};
pub use storage::Claim;
pub use workloads::{ModelServer, Sighted};

/// An answer of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight<T> {
    /// It is in sight.
    Present(T),
    /// It would be in sight if there was one.
    Absent,
    /// It is not in sight, which says nothing.
    Unknown,
}

impl<T> Sight<T> {
    /// What is in sight.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(found) => Some(found),
            Self::Absent | Self::Unknown => None,
        }
    }

    fn map<U>(self, of: impl FnOnce(T) -> U) -> Sight<U> {
        match self {
            Self::Present(found) => Sight::Present(of(found)),
            Self::Absent => Sight::Absent,
            Self::Unknown => Sight::Unknown,
        }
    }
}

/// How far an inventory sees, which decides what it means that something is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum View {
    /// Single objects: what is not there may be anywhere.
    #[default]
    Single,
    /// A running cluster, of which a few kinds are watched.
    Cluster,
    /// All that there is.
    Whole,
}

/// The facts that rules need of other objects. The objects themselves are not kept.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    view: View,
    budgets: Vec<Budget>,
    autoscalers: Vec<Autoscaler>,
    vertical_autoscalers: Vec<VerticalAutoscaler>,
    workloads: Vec<Sighted>,
    /// Those of a known kind in which no pod could be read: they are there, and nothing is known of them.
    hollow: Vec<Target>,
    services: Vec<Service>,
    claims: Vec<Claim>,
    quotas: Vec<Quota>,
    limit_ranges: Vec<LimitRange>,
    namespaces: Vec<Namespace>,
    priority_classes: Vec<String>,
    network_policies: Vec<NetworkPolicy>,
    device_claims: Vec<DeviceClaim>,
    local_queues: Vec<LocalQueue>,
    cluster_queues: Vec<ClusterQueue>,
    flavors: Vec<Flavor>,
    customizations: Vec<Customization>,
    asked: Asked,
}

/// Whether a verdict hung on the inventory. It changes no answer; it only tells that another inventory could give another.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl Clone for Asked {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// An object of which facts are to be taken.
#[derive(Clone, Copy)]
struct Source<'a> {
    object: &'a Value,
    identity: Identity<'a>,
    spec: &'a Value,
    origin: &'a str,
}

impl<'a> Source<'a> {
    fn of(object: &'a Value, origin: &'a str) -> Self {
        Self { object, identity: Identity::of(object), spec: object.get("spec").unwrap_or(&Value::Null), origin }
    }

    fn name(&self) -> String {
        self.identity.name.to_owned()
    }

    fn namespace(&self) -> Option<String> {
        self.identity.namespace.map(str::to_owned)
    }

    fn origin(&self) -> String {
        self.origin.to_owned()
    }

    fn labels(&self) -> Vec<(String, String)> {
        self.object.get("metadata").and_then(|metadata| metadata.get("labels")).map(entries).unwrap_or_default()
    }

    fn annotation(&self, key: &str) -> Option<&'a str> {
        text(self.object.get("metadata")?.get("annotations")?, key)
    }
}

impl Inventory {
    /// Nothing is in sight, and that says nothing: what a lone file or an admission without a cluster sees.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// What is added is all there is: what a linter of a whole project sees.
    pub fn whole() -> Self {
        Self { view: View::Whole, ..Self::default() }
    }

    /// What a webhook sees that watches the Namespaces, HorizontalPodAutoscalers, PodDisruptionBudgets, LimitRanges and
    /// ResourceQuotas of a cluster. What is not there is not known to be absent: the objects of one apply come one after the
    /// other, and most kinds are not watched.
    pub fn of_cluster() -> Self {
        Self { view: View::Cluster, ..Self::default() }
    }

    /// Whether what is not in sight is not there: where that is not known, rules that hang on absence are silent.
    pub fn is_whole(&self) -> bool {
        self.note_question();
        self.view == View::Whole
    }

    /// Whether anything was asked since the inventory was made or cloned. A verdict for which nothing was asked holds
    /// whatever else there is, so that a linter need not judge the object again once it has seen the whole project.
    pub fn was_asked(&self) -> bool {
        self.asked.0.load(Ordering::Relaxed)
    }

    fn note_question(&self) {
        self.asked.0.store(true, Ordering::Relaxed);
    }

    /// Takes the facts of `object`, seen at `origin` (a file, or nothing).
    pub fn add(&mut self, object: &Value, origin: &str, catalog: &Catalog) {
        let source = Source::of(object, origin);
        match (source.identity.group, source.identity.kind) {
            ("policy", "PodDisruptionBudget") => self.budgets.push(Budget::of(source)),
            ("autoscaling", "HorizontalPodAutoscaler") => self.autoscalers.extend(Autoscaler::of_hpa(source)),
            ("keda.sh", "ScaledObject") => self.autoscalers.extend(Autoscaler::of_keda(source)),
            ("autoscaling.k8s.io", "VerticalPodAutoscaler") => {
                self.vertical_autoscalers.extend(VerticalAutoscaler::of(source));
            }
            ("", "Service") => self.services.push(Service::of(source)),
            ("", "PersistentVolumeClaim") => self.claims.push(Claim::of(source)),
            ("", "ResourceQuota") => self.quotas.push(Quota::of(source)),
            ("", "LimitRange") => self.limit_ranges.push(LimitRange::of(source)),
            ("", "Namespace") => self.namespaces.push(Namespace::of(source)),
            ("scheduling.k8s.io", "PriorityClass") => self.priority_classes.push(source.name()),
            ("networking.k8s.io" | "extensions", "NetworkPolicy") => {
                self.network_policies.push(NetworkPolicy::of(source));
            }
            ("resource.k8s.io", "ResourceClaim" | "ResourceClaimTemplate") => {
                self.device_claims.push(DeviceClaim::of(source));
            }
            ("kueue.x-k8s.io", "LocalQueue") => self.local_queues.push(LocalQueue::of(source)),
            ("kueue.x-k8s.io", "ClusterQueue") => self.cluster_queues.push(ClusterQueue::of(source)),
            ("kueue.x-k8s.io", "ResourceFlavor") => self.flavors.push(Flavor::of(source)),
            ("kustomize.config.k8s.io", "Kustomization" | "Component") => {
                self.customizations.push(Customization::of(source));
            }
            _ => self.add_workload(source, catalog),
        }
    }

    /// Takes what another inventory saw. How far this one sees stays as it is.
    pub fn merge(&mut self, other: Inventory) {
        // Taken apart, so that a new topic cannot be forgotten.
        let Self {
            view: _,
            asked: _,
            budgets,
            autoscalers,
            vertical_autoscalers,
            workloads,
            hollow,
            services,
            claims,
            quotas,
            limit_ranges,
            namespaces,
            priority_classes,
            network_policies,
            device_claims,
            local_queues,
            cluster_queues,
            flavors,
            customizations,
        } = other;
        self.budgets.extend(budgets);
        self.autoscalers.extend(autoscalers);
        self.vertical_autoscalers.extend(vertical_autoscalers);
        self.workloads.extend(workloads);
        self.hollow.extend(hollow);
        self.services.extend(services);
        self.claims.extend(claims);
        self.quotas.extend(quotas);
        self.limit_ranges.extend(limit_ranges);
        self.namespaces.extend(namespaces);
        self.priority_classes.extend(priority_classes);
        self.network_policies.extend(network_policies);
        self.device_claims.extend(device_claims);
        self.local_queues.extend(local_queues);
        self.cluster_queues.extend(cluster_queues);
        self.flavors.extend(flavors);
        self.customizations.extend(customizations);
    }

    fn answer<T>(&self, found: Vec<T>) -> Sight<Vec<T>> {
        self.note_question();
        if found.is_empty() { self.nothing() } else { Sight::Present(found) }
    }

    /// The same for what was asked by name, where a name that is still to be filled in cannot be absent.
    fn answer_named<T>(&self, name: &str, found: Vec<T>) -> Sight<Vec<T>> {
        match self.answer(found) {
            Sight::Absent if name.is_empty() || is_placeholder(name) => Sight::Unknown,
            answer => answer,
        }
    }

    /// What it means that nothing was found.
    fn nothing<T>(&self) -> Sight<T> {
        match self.view {
            View::Whole => Sight::Absent,
            View::Single | View::Cluster => Sight::Unknown,
        }
    }
}

/// Those of `found` that lie nearest to `origin`: those of the same file if there are any, else of the same folder, else
/// all. Variants of one object for several environments lie in several folders, and an object is meant for its neighbours.
pub fn nearest<'a, T>(found: Vec<&'a T>, origin: &str, origin_of: impl Fn(&'a T) -> &'a str) -> Vec<&'a T> {
    let same_file: Vec<_> = found.iter().filter(|one| origin_of(one) == origin).copied().collect();
    if !same_file.is_empty() {
        return same_file;
    }
    let here = folder(origin);
    let same_folder: Vec<_> = found.iter().filter(|one| folder(origin_of(one)) == here).copied().collect();
    if same_folder.is_empty() { found } else { same_folder }
}

/// The folder of a file; empty where the name tells none.
pub fn folder(origin: &str) -> &str {
    origin.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether what stands in file `other` may well be meant for what stands in `origin`: one of their folders holds the other.
/// A repository may describe several clusters, in which namespaces and names are the same.
pub fn is_beside(origin: &str, other: &str) -> bool {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let (one, other) = (folder(origin), folder(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// Whether objects of these namespaces may be in the same one: `None` is a namespace that is not named.
fn may_meet(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// The entries of a mapping of texts, those left out that are no text.
fn entries(map: &Value) -> Vec<(String, String)> {
    let map = map.as_object().into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The texts in a list.
fn texts(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An inventory that sees the whole, which is these objects.
    pub(super) fn whole(objects: &[Value]) -> Inventory {
        let mut inventory = Inventory::whole();
        for object in objects {
            inventory.add(object, "a.yaml", Catalog::builtin());
        }
        inventory
    }

    #[test]
    fn it_tells_whether_a_verdict_hung_on_it() {
        let inventory = whole(&[]);
        assert!(!inventory.was_asked());
        let _ = inventory.services_named("llm", None);
        assert!(inventory.was_asked() && !inventory.clone().was_asked());
    }

    #[test]
    fn what_is_merged_is_in_sight() {
        let kinds = [
            ("policy/v1", "PodDisruptionBudget"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("v1", "Service"),
            ("v1", "PersistentVolumeClaim"),
            ("v1", "ResourceQuota"),
            ("v1", "LimitRange"),
            ("v1", "Namespace"),
            ("scheduling.k8s.io/v1", "PriorityClass"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("resource.k8s.io/v1", "ResourceClaim"),
            ("kueue.x-k8s.io/v1beta1", "LocalQueue"),
            ("kueue.x-k8s.io/v1beta1", "ClusterQueue"),
            ("kueue.x-k8s.io/v1beta1", "ResourceFlavor"),
            ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ];
        let target = json!({"kind": "Deployment", "name": "llm"});
        let objects = kinds.map(|(version, kind)| {
            let containers = if kind == "Pod" { json!([{"name": "a"}]) } else { json!(null) };
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": "llm"},
                   "spec": {"scaleTargetRef": target, "targetRef": target, "containers": containers}})
        });
        let mut inventory = Inventory::whole();
        inventory.merge(whole(&objects));
        // Whatever is added must survive a merge: the two know the same, field by field.
        assert_eq!(format!("{inventory:?}"), format!("{:?}", whole(&objects)));
        let facts = format!("{inventory:#?}");
        let without: Vec<_> =
            facts.lines().filter(|line| line.ends_with("[],") && !line.starts_with("     ")).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn in_a_cluster_what_is_not_there_yet_is_not_absent() {
        let mut inventory = Inventory::of_cluster();
        assert!(!inventory.is_whole());
        assert_eq!(inventory.namespace("ml"), Sight::Unknown);
        assert_eq!(inventory.quotas_of(Some("ml")), Sight::Unknown);
        assert_eq!(inventory.services_named("llm", Some("ml")), Sight::Unknown);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}});
        inventory.add(&namespace, "", Catalog::builtin());
        inventory.merge(whole(&[json!({"apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "gpus", "namespace": "ml"}, "spec": {"hard": {"pods": 5}}})]));
        assert!(inventory.namespace("ml").present().is_some() && inventory.quotas_of(Some("ml")).present().is_some());
        // To take over what sees the whole does not make it see the whole.
        assert_eq!(inventory.quotas_of(Some("web")), Sight::Unknown);
    }

    #[test]
    fn wrong_types_are_no_facts_and_no_panic() {
        for (version, kind) in [
            ("policy/v1", "PodDisruptionBudget"),
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            ("keda.sh/v1alpha1", "ScaledObject"),
            ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
            ("v1", "Service"),
            ("v1", "PersistentVolumeClaim"),
            ("v1", "ResourceQuota"),
            ("v1", "LimitRange"),
            ("v1", "Namespace"),
            ("scheduling.k8s.io/v1", "PriorityClass"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("resource.k8s.io/v1", "ResourceClaim"),
            ("resource.k8s.io/v1", "ResourceClaimTemplate"),
            ("kueue.x-k8s.io/v1beta1", "LocalQueue"),
            ("kueue.x-k8s.io/v1beta1", "ClusterQueue"),
            ("kueue.x-k8s.io/v1beta1", "ResourceFlavor"),
            ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
            ("apps/v1", "Deployment"),
        ] {
            for wrong in [json!(null), json!(7), json!("text"), json!([1, {}]), json!({"spec": 7, "ports": [7, {}]})] {
                let fields = [
                    "scaleTargetRef",
                    "targetRef",
                    "metrics",
                    "triggers",
                    "updatePolicy",
                    "resourcePolicy",
                    "ports",
                    "selector",
                    "resources",
                    "hard",
                    "podSelector",
                    "ingress",
                    "devices",
                    "resourceGroups",
                    "nodeTaints",
                    "template",
                ];
                let mut spec = serde_json::Map::new();
                for field in fields {
                    spec.insert(field.to_owned(), wrong.clone());
                }
                let _ = whole(&[
                    json!({"apiVersion": version, "kind": kind, "metadata": wrong, "spec": spec}),
                    json!({"apiVersion": version, "kind": kind, "metadata": {"name": 7, "labels": wrong}, "spec": wrong}),
                ]);
            }
        }
        assert_eq!(whole(&[json!(7), json!({"apiVersion": 1, "kind": []})]).namespace("x"), Sight::Absent);
    }

    #[test]
    fn a_name_that_is_still_to_be_filled_in_is_not_absent() {
        let inventory = whole(&[]);
        assert_eq!(inventory.services_named("llm", None), Sight::Absent);
        for name in ["", "${NAME}", "{{ .Values.name }}", "<name>"] {
            assert_eq!(inventory.services_named(name, None), Sight::Unknown, "{name}");
        }
    }

    #[test]
    fn folders_that_hold_each_other_are_beside() {
        assert!(is_beside("a/b/c.yaml", "a/quota.yaml") && is_beside("a/x.yaml", "a/b/quota.yaml"));
        assert!(is_beside("x.yaml", "a/quota.yaml") && is_beside("", "a/quota.yaml"));
        assert!(!is_beside("staging/x.yaml", "production/quota.yaml") && !is_beside("ab/x.yaml", "a/quota.yaml"));
    }

    #[test]
    fn what_lies_in_the_same_file_or_folder_is_nearest() {
        let origins = ["dev/a.yaml", "dev/b.yaml", "prod/a.yaml"];
        let of = |origin: &str| nearest(origins.iter().collect(), origin, |one| *one).len();
        assert_eq!((of("dev/a.yaml"), of("dev/c.yaml"), of("prod/c.yaml"), of("other/a.yaml")), (1, 2, 1, 3));
    }
}
