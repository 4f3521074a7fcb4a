//! The other objects in sight: budgets, autoscalers and workloads, and how sure we are of what is not there.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::catalog::Catalog;
use crate::node::{integer, list, text};
use crate::object::{Identity, Object};
use crate::selector::Selector;

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

/// The facts that rules need of other objects. The objects themselves are not kept.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    whole: bool,
    budgets: Vec<Budget>,
    autoscalers: Vec<Autoscaler>,
    vertical_autoscalers: Vec<Target>,
    workloads: Vec<Sighted>,
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

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    selector: Option<Selector>,
}

/// What changes the replicas of a workload: a HorizontalPodAutoscaler or a KEDA ScaledObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    target: Target,
    /// The fewest pods it keeps.
    pub floor: i64,
    /// The resources (`cpu`, `memory`) of which it measures the use against the request.
    pub utilization_of: Vec<String>,
}

/// What an autoscaler acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    namespace: Option<String>,
    group: Option<String>,
    kind: String,
    name: String,
}

impl Target {
    /// Reads a `scaleTargetRef` or `targetRef`; a kind that is left out is `Deployment`, as it is to KEDA.
    fn of(reference: &Value, namespace: Option<String>) -> Option<Self> {
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

    fn is(&self, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.name == workload.name
            && self.kind == workload.kind
            && self.group.as_deref().is_none_or(|group| group == workload.group)
            && may_meet(self.namespace.as_deref(), namespace)
    }
}

/// A workload, as far as a budget or autoscaler must know it.
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
    /// Whether its kind has the scale subresource.
    pub scalable: bool,
    labels: Vec<(String, String)>,
}

impl Inventory {
    /// Nothing is in sight, and that says nothing: what admission and a lone file see.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// What is added is all there is: what a linter of a whole project sees.
    pub fn whole() -> Self {
        Self { whole: true, ..Self::default() }
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
        let identity = Identity::of(object);
        let namespace = identity.namespace.map(str::to_owned);
        let spec = object.get("spec").unwrap_or(&Value::Null);
        match (identity.group, identity.kind) {
            ("policy", "PodDisruptionBudget") => self.budgets.push(Budget {
                name: identity.name.to_owned(),
                namespace,
                selector: spec.get("selector").and_then(Selector::from_value),
            }),
            ("autoscaling", "HorizontalPodAutoscaler") => {
                let floor = integer(spec.get("minReplicas")).unwrap_or(1);
                self.autoscalers.extend(autoscaler(spec, namespace, floor, measured_by_hpa(spec)));
            }
            ("keda.sh", "ScaledObject") => {
                let floor = integer(spec.get("minReplicaCount")).unwrap_or(0);
                self.autoscalers.extend(autoscaler(spec, namespace, floor, measured_by_keda(spec)));
            }
            ("autoscaling.k8s.io", "VerticalPodAutoscaler") => {
                self.vertical_autoscalers
                    .extend(spec.get("targetRef").and_then(|target| Target::of(target, namespace)));
            }
            _ => self.add_workload(object, identity, origin, catalog),
        }
    }

    fn add_workload(&mut self, object: &Value, identity: Identity<'_>, origin: &str, catalog: &Catalog) {
        if catalog.kind(identity.group, identity.kind).is_none() {
            return;
        }
        let object = Object::new(object, catalog);
        for pod in object.pods() {
            self.workloads.push(Sighted {
                origin: origin.to_owned(),
                kind: (identity.group.to_owned(), identity.kind.to_owned()),
                name: identity.name.to_owned(),
                namespace: identity.namespace.map(str::to_owned),
                replicas: pod.replicas(),
                scalable: object.definition().is_some_and(|kind| kind.scalable),
                labels: pod.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            });
        }
    }

    /// Takes what another inventory saw.
    pub fn merge(&mut self, other: Inventory) {
        self.budgets.extend(other.budgets);
        self.autoscalers.extend(other.autoscalers);
        self.vertical_autoscalers.extend(other.vertical_autoscalers);
        self.workloads.extend(other.workloads);
    }

    /// The budgets that select, or could select, a pod with these labels in `namespace`. Where one of the two names no
    /// namespace they may well meet.
    pub fn budgets_of<'a, 'l>(
        &'a self,
        namespace: Option<&str>,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> Sight<Vec<&'a Budget>> {
        let found: Vec<_> = self
            .budgets
            .iter()
            .filter(|budget| may_meet(budget.namespace.as_deref(), namespace))
            .filter(|budget| budget.selector.as_ref().is_some_and(|selector| selector.matches(&label)))
            .collect();
        self.answer(found)
    }

    /// Whether a budget of this name is, or may be, in `namespace` already.
    pub fn has_budget_named(&self, name: &str, namespace: Option<&str>) -> bool {
        self.note_question();
        self.budgets.iter().any(|budget| budget.name == name && may_meet(budget.namespace.as_deref(), namespace))
    }

    /// Whether `selector` selects pods of a workload that is another than `workload`, or a workload of another kind has its
    /// name: a budget made for the one would then be about the other too, or take its place.
    pub fn is_contested(&self, selector: &Selector, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.note_question();
        self.workloads.iter().filter(|other| may_meet(other.namespace.as_deref(), namespace)).any(|other| {
            let same_kind = other.kind.0 == workload.group && other.kind.1 == workload.kind;
            let same_name = other.name == workload.name;
            !(same_kind && same_name) && (same_name && other.scalable || selector.matches(|key| other.label(key)))
        })
    }

    /// The autoscalers that target the workload, in its namespace or in one that is not named.
    pub fn autoscalers_of(&self, workload: Identity<'_>, namespace: Option<&str>) -> Sight<Vec<&Autoscaler>> {
        let found: Vec<_> = self.autoscalers.iter().filter(|scaler| scaler.target.is(workload, namespace)).collect();
        self.answer(found)
    }

    /// Whether a VerticalPodAutoscaler in sight decides on the workload's resources.
    pub fn has_vertical_autoscaler(&self, workload: Identity<'_>, namespace: Option<&str>) -> bool {
        self.note_question();
        self.vertical_autoscalers.iter().any(|target| target.is(workload, namespace))
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
        self.note_question();
        let found: Vec<_> = self
            .workloads
            .iter()
            .filter(|workload| workload.namespace.as_deref() == namespace)
            .filter(|workload| selector.matches(|key| workload.label(key)))
            .collect();
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
        let same_file: Vec<_> = found.iter().filter(|workload| workload.origin == origin).copied().collect();
        if !same_file.is_empty() {
            return Sight::Present(same_file);
        }
        let same_folder: Vec<_> =
            found.iter().filter(|workload| folder(&workload.origin) == folder(origin)).copied().collect();
        if !same_folder.is_empty() {
            return Sight::Present(same_folder);
        }
        self.answer(found)
    }

    fn answer<T>(&self, found: Vec<T>) -> Sight<Vec<T>> {
        self.note_question();
        match (found.is_empty(), self.whole) {
            (false, _) => Sight::Present(found),
            (true, true) => Sight::Absent,
            (true, false) => Sight::Unknown,
        }
    }
}

impl Sighted {
    fn label(&self, key: &str) -> Option<&str> {
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

/// Whether objects of these namespaces may be in the same one: `None` is a namespace that is not named.
fn may_meet(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn autoscaler(spec: &Value, namespace: Option<String>, floor: i64, utilization_of: Vec<String>) -> Option<Autoscaler> {
    Some(Autoscaler { target: Target::of(spec.get("scaleTargetRef")?, namespace)?, floor, utilization_of })
}

/// The resources whose use a HorizontalPodAutoscaler measures against the request. One that names no metric measures CPU: the
/// API server defaults it to 80 % (kubernetes/kubernetes `pkg/apis/autoscaling/v2/defaults.go`).
fn measured_by_hpa(spec: &Value) -> Vec<String> {
    let metrics = list(spec, "metrics");
    if metrics.is_empty() {
        return vec!["cpu".to_owned()];
    }
    let mut measured = Vec::new();
    for metric in metrics {
        // autoscaling/v2 nests the target; v2beta1 has `targetAverageUtilization`.
        for source in ["resource", "containerResource"] {
            let Some(resource) = metric.get(source) else { continue };
            let nested = resource.get("target").is_some_and(|target| {
                text(target, "type") == Some("Utilization") || target.get("averageUtilization").is_some()
            });
            if nested || resource.get("targetAverageUtilization").is_some() {
                measured.extend(text(resource, "name").map(str::to_owned));
            }
        }
    }
    measured
}

/// The same of a KEDA ScaledObject, whose `cpu` and `memory` triggers measure utilisation unless they say otherwise.
fn measured_by_keda(spec: &Value) -> Vec<String> {
    let triggers = list(spec, "triggers").iter().filter(|trigger| {
        let metadata_type = trigger.get("metadata").and_then(|metadata| text(metadata, "type"));
        text(trigger, "metricType").or(metadata_type).unwrap_or("Utilization") == "Utilization"
    });
    triggers
        .filter_map(|trigger| text(trigger, "type"))
        .filter(|kind| matches!(*kind, "cpu" | "memory"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn budget(namespace: Option<&str>) -> Value {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": namespace},
               "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "llm"}}}})
    }

    fn label(key: &str) -> Option<&'static str> {
        (key == "app").then_some("llm")
    }

    #[test]
    fn absence_is_known_only_when_the_whole_is_in_sight() {
        assert_eq!(Inventory::unknown().budgets_of(None, label), Sight::Unknown);
        assert_eq!(Inventory::whole().budgets_of(None, label), Sight::Absent);
    }

    #[test]
    fn it_tells_whether_a_verdict_hung_on_it() {
        let mut inventory = Inventory::whole();
        inventory.add(&budget(None), "a.yaml", Catalog::builtin());
        assert!(!inventory.was_asked());
        let _ = inventory.budgets_of(None, label);
        assert!(inventory.was_asked() && !inventory.clone().was_asked());
    }

    #[test]
    fn a_budget_without_namespace_may_meet_every_pod() {
        let mut inventory = Inventory::whole();
        inventory.add(&budget(None), "a.yaml", Catalog::builtin());
        assert!(matches!(inventory.budgets_of(Some("ml"), label), Sight::Present(found) if found.len() == 1));
        let mut inventory = Inventory::whole();
        inventory.add(&budget(Some("other")), "a.yaml", Catalog::builtin());
        assert_eq!(inventory.budgets_of(Some("ml"), label), Sight::Absent);
    }

    #[test]
    fn the_floor_of_an_autoscaler_is_one_unless_it_says_more() {
        let mut inventory = Inventory::whole();
        let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}, "maxReplicas": 5,
                     "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}});
        inventory.add(&scaler, "a.yaml", Catalog::builtin());
        let workload = Identity { group: "apps", version: "v1", kind: "Deployment", name: "llm", namespace: None };
        let Sight::Present(found) = inventory.autoscalers_of(workload, None) else { panic!("not found") };
        assert_eq!((found[0].floor, found[0].utilization_of.as_slice()), (1, ["cpu".to_owned()].as_slice()));
    }
}
