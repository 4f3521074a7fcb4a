//! Namespaces with their labels, and PriorityClasses by name.

use super::{Inventory, Sight, Source};

/// A Namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    labels: Vec<(String, String)>,
}

impl Namespace {
    pub(super) fn of(source: Source<'_>) -> Self {
        let mut labels = source.labels();
        // The API server adds this one to every namespace.
        labels.retain(|(key, _)| key != "kubernetes.io/metadata.name");
        labels.push(("kubernetes.io/metadata.name".to_owned(), source.name()));
        labels.sort();
        Self { origin: source.origin(), name: source.name(), labels }
    }

    /// One of its labels.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All its labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// The classes that every cluster has, and those that platforms and their operators bring along.
const BUILTIN_PRIORITY_CLASSES: &[&str] = &[
    "system-cluster-critical",
    "system-node-critical",
    // Managed Prometheus of GKE.
    "gmp-critical",
    "kubevirt-cluster-critical",
    "longhorn-critical",
    "openshift-user-critical",
];

impl Inventory {
    /// The Namespace of this name. Where several are in sight whose labels differ, variants for several environments, it
    /// is not known.
    pub fn namespace(&self, name: &str) -> Sight<&Namespace> {
        let found: Vec<_> = self.namespaces.iter().filter(|namespace| namespace.name == name).collect();
        let alike = found.windows(2).all(|two| two[0].labels == two[1].labels);
        match self.answer_named(name, found) {
            Sight::Present(found) if alike && !found.is_empty() => Sight::Present(found[0]),
            Sight::Present(_) => Sight::Unknown,
            Sight::Absent => Sight::Absent,
            Sight::Unknown => Sight::Unknown,
        }
    }

    /// Every Namespace in sight.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.note_question();
        self.namespaces.iter()
    }

    /// Whether any PriorityClass is in sight, as where a project brings its own.
    pub fn has_priority_classes(&self) -> bool {
        self.note_question();
        !self.priority_classes.is_empty()
    }

    /// Whether there is a PriorityClass of this name.
    pub fn priority_class(&self, name: &str) -> Sight<()> {
        if BUILTIN_PRIORITY_CLASSES.contains(&name) {
            return Sight::Present(());
        }
        self.answer_named(name, self.priority_classes.iter().filter(|class| *class == name).collect()).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::whole;
    use super::*;

    fn namespace(labels: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml", "labels": labels}})
    }

    #[test]
    fn a_namespace_is_known_by_name_with_its_labels() {
        let inventory = whole(&[namespace(&json!({"pod-security.kubernetes.io/enforce": "baseline", "n": 7}))]);
        let found = inventory.namespace("ml").present().unwrap();
        assert_eq!(found.label("pod-security.kubernetes.io/enforce"), Some("baseline"));
        assert_eq!((found.label("kubernetes.io/metadata.name"), found.label("n")), (Some("ml"), None));
        assert_eq!((found.labels().count(), inventory.namespaces().count()), (2, 1));
        assert_eq!(inventory.namespace("web"), Sight::Absent);
        assert_eq!(Inventory::unknown().namespace("ml"), Sight::Unknown);
    }

    #[test]
    fn namespaces_of_one_name_that_differ_are_not_known() {
        let (one, other) = (json!({"a": "1", "b": "2"}), json!({"a": "1"}));
        assert!(whole(&[namespace(&one), namespace(&json!({"b": "2", "a": "1"}))]).namespace("ml").present().is_some());
        assert_eq!(whole(&[namespace(&one), namespace(&other)]).namespace("ml"), Sight::Unknown);
    }

    #[test]
    fn priority_classes_are_known_by_name() {
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "training"}, "value": 100});
        let inventory = whole(&[class]);
        assert_eq!(inventory.priority_class("training"), Sight::Present(()));
        assert_eq!(inventory.priority_class("other"), Sight::Absent);
        assert_eq!(inventory.priority_class("system-node-critical"), Sight::Present(()));
        assert_eq!(Inventory::unknown().priority_class("training"), Sight::Unknown);
    }

    #[test]
    fn to_walk_over_the_namespaces_is_to_ask() {
        let inventory = whole(&[]);
        assert_eq!(inventory.namespaces().count(), 0);
        assert!(inventory.was_asked());
    }
}
