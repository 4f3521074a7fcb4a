//! What is known of the other objects of a cluster, by namespace: the facts that the engine takes of them, and none of
//! the objects themselves.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use buttress_policies::catalog::Catalog;
use buttress_policies::inventory::Inventory;
use serde_json::{Value, json};

/// The facts of a cluster, shared by those who watch it and those who ask.
#[derive(Clone, Debug, Default)]
pub struct Facts(Arc<Mutex<HashMap<String, Namespace>>>);

/// What is known of one namespace.
#[derive(Debug, Default)]
struct Namespace {
    /// Whether the Namespace itself was seen. Until then nothing is known of it, and what was seen in it may be a part.
    is_known: bool,
    objects: HashMap<Key, Fact>,
    /// All facts together; `None` when they changed since somebody asked.
    together: Option<Arc<Inventory>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    kind: &'static str,
    name: String,
}

#[derive(Debug)]
struct Fact {
    /// Of what the facts come from. The status of many objects changes every few seconds, and no fact comes from it.
    digest: u64,
    facts: Inventory,
}

impl Facts {
    /// What is known of the objects in `namespace`. Where the namespace is not known, nothing is.
    pub fn of(&self, namespace: Option<&str>) -> Arc<Inventory> {
        let mut namespaces = self.lock();
        let known = namespace.and_then(|name| namespaces.get_mut(name)).filter(|namespace| namespace.is_known);
        let Some(namespace) = known else { return Arc::new(Inventory::unknown()) };
        if let Some(together) = &namespace.together {
            return Arc::clone(together);
        }
        let mut inventory = Inventory::of_cluster();
        for fact in namespace.objects.values() {
            inventory.merge(fact.facts.clone());
        }
        let inventory = Arc::new(inventory);
        namespace.together = Some(Arc::clone(&inventory));
        inventory
    }

    /// The names of all namespaces, sorted.
    pub fn namespaces(&self) -> Vec<String> {
        let namespaces = self.lock();
        let mut names: Vec<String> =
            namespaces.iter().filter(|(_, namespace)| namespace.is_known).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Takes the facts of an object that is there. Returns whether a namespace came to be known by it.
    pub(crate) fn apply(&self, kind: &'static str, object: &Value) -> bool {
        let Some((namespace, name)) = place(kind, object) else { return false };
        let key = Key { kind, name };
        let digest = digest(object);
        let mut namespaces = self.lock();
        let namespace = namespaces.entry(namespace).or_default();
        if namespace.objects.get(&key).is_some_and(|known| known.digest == digest) {
            return false;
        }
        let mut facts = Inventory::of_cluster();
        facts.add(object, "", Catalog::builtin());
        namespace.objects.insert(key, Fact { digest, facts });
        namespace.together = None;
        let is_new = kind == NAMESPACE && !namespace.is_known;
        namespace.is_known |= kind == NAMESPACE;
        is_new
    }

    /// Forgets an object that is gone. What stood in a namespace that is gone is forgotten by its own word: the kinds are
    /// followed each for itself, and what is seen already may belong to a new namespace of the same name.
    pub(crate) fn delete(&self, kind: &'static str, object: &Value) {
        let Some((namespace, name)) = place(kind, object) else { return };
        let mut namespaces = self.lock();
        let Some(known) = namespaces.get_mut(&namespace) else { return };
        known.forget(&Key { kind, name });
        if known.is_empty() {
            namespaces.remove(&namespace);
        }
    }

    /// Forgets all objects of `kind` but those whose namespaces and names are `seen`, which are all there are.
    pub(crate) fn keep(&self, kind: &'static str, seen: &HashSet<(String, String)>) {
        let mut namespaces = self.lock();
        namespaces.retain(|name, namespace| {
            let of_kind = namespace.objects.keys().filter(|key| key.kind == kind);
            let gone: Vec<Key> =
                of_kind.filter(|key| !seen.contains(&(name.clone(), key.name.clone()))).cloned().collect();
            gone.iter().for_each(|key| namespace.forget(key));
            !namespace.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Namespace>> {
        // A thread that panicked here left at worst a fact out.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Namespace {
    fn forget(&mut self, key: &Key) {
        if self.objects.remove(key).is_some() {
            self.together = None;
        }
        self.is_known &= key.kind != NAMESPACE;
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// The kind of the objects that stand for their own namespace.
pub(crate) const NAMESPACE: &str = "Namespace";

/// The namespace and the name of an object; a Namespace stands in itself.
pub(crate) fn place(kind: &str, object: &Value) -> Option<(String, String)> {
    let text = |key: &str| object["metadata"][key].as_str().filter(|text| !text.is_empty());
    let name = text("name")?;
    let namespace = if kind == NAMESPACE { name } else { text("namespace")? };
    Some((namespace.to_owned(), name.to_owned()))
}

fn digest(object: &Value) -> u64 {
    let metadata = &object["metadata"];
    let mut hasher = DefaultHasher::new();
    json!([metadata["labels"], metadata["annotations"], object["spec"]]).to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use buttress_policies::inventory::Sight;

    use super::*;

    fn namespace(name: &str, level: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}})
    }

    fn quota(namespace: &str, name: &str, gpus: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name, "namespace": namespace},
            "spec": {"hard": {"requests.nvidia.com/gpu": gpus}}, "status": {"used": {"pods": "1"}}})
    }

    fn quotas(facts: &Facts, namespace: &str) -> usize {
        facts.of(Some(namespace)).quotas_of(Some(namespace)).present().map_or(0, |found| found.len())
    }

    #[test]
    fn facts_are_kept_by_namespace_and_forgotten_with_it() {
        let facts = Facts::default();
        facts.apply("ResourceQuota", &quota("ml", "a", "4"));
        assert_eq!(quotas(&facts, "ml"), 0, "of a namespace that was not seen nothing is known");
        assert!(facts.apply(NAMESPACE, &namespace("ml", "restricted")));
        assert!(!facts.apply(NAMESPACE, &namespace("ml", "baseline")), "it is known already");
        facts.apply(NAMESPACE, &namespace("web", "baseline"));
        assert_eq!((quotas(&facts, "ml"), quotas(&facts, "web")), (1, 0));
        let level = |facts: &Facts| match facts.of(Some("ml")).namespace("ml") {
            Sight::Present(namespace) => namespace.label("pod-security.kubernetes.io/enforce").map(str::to_owned),
            _ => None,
        };
        assert_eq!(level(&facts).as_deref(), Some("baseline"));
        assert_eq!(facts.namespaces(), ["ml", "web"]);
        facts.delete("ResourceQuota", &quota("ml", "a", "4"));
        assert_eq!(quotas(&facts, "ml"), 0);
        facts.delete(NAMESPACE, &namespace("ml", "baseline"));
        assert_eq!(level(&facts), None);
        assert_eq!(facts.namespaces(), ["web"]);
    }

    #[test]
    fn a_list_takes_the_place_of_what_was_known_of_its_kind() {
        let facts = Facts::default();
        facts.apply(NAMESPACE, &namespace("ml", "baseline"));
        facts.apply("ResourceQuota", &quota("ml", "a", "4"));
        facts.apply("ResourceQuota", &quota("ml", "b", "4"));
        facts.keep("ResourceQuota", &HashSet::from([("ml".to_owned(), "b".to_owned())]));
        assert_eq!(quotas(&facts, "ml"), 1);
        facts.keep(NAMESPACE, &HashSet::from([("web".to_owned(), "web".to_owned())]));
        assert!(facts.namespaces().is_empty());
        facts.delete("ResourceQuota", &quota("ml", "b", "4"));
        assert!(facts.lock().is_empty());
    }

    #[test]
    fn a_late_word_of_the_old_namespace_does_not_take_what_is_in_the_new_one() {
        let facts = Facts::default();
        facts.apply(NAMESPACE, &namespace("ml", "baseline"));
        facts.apply("ResourceQuota", &quota("ml", "a", "4"));
        facts.delete(NAMESPACE, &namespace("ml", "baseline"));
        assert_eq!(quotas(&facts, "ml"), 0);
        assert!(facts.apply(NAMESPACE, &namespace("ml", "baseline")));
        assert_eq!(quotas(&facts, "ml"), 1);
    }

    #[test]
    fn a_status_is_no_fact() {
        let facts = Facts::default();
        facts.apply(NAMESPACE, &namespace("ml", "baseline"));
        facts.apply("ResourceQuota", &quota("ml", "a", "4"));
        let before = facts.of(Some("ml"));
        let mut changed = quota("ml", "a", "4");
        changed["status"]["used"]["pods"] = json!("2");
        facts.apply("ResourceQuota", &changed);
        assert!(Arc::ptr_eq(&before, &facts.of(Some("ml"))));
        facts.apply("ResourceQuota", &quota("ml", "a", "8"));
        assert!(!Arc::ptr_eq(&before, &facts.of(Some("ml"))));
    }
}
