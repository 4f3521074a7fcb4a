//! What verdicts depend on besides the request: the Policies, and the namespace in which Buttress itself lives.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use buttress_policies::inventory::Inventory;
use buttress_policies::policy::{Effective, Enforcement, Policy, matching};
use buttress_policies::rules::RULES;

/// How many different combinations of Policies are kept merged. Globs make a handful of them; the bound is for names
/// made up to fill the memory.
const MAX_COMBINATIONS: usize = 256;

/// Who knows of the other objects of a cluster.
pub trait Facts: fmt::Debug + Send + Sync {
    /// What is known of the objects in `namespace`; `None` for objects outside namespaces.
    fn of(&self, namespace: Option<&str>) -> Arc<Inventory>;
}

/// Who knows nothing, which is what a webhook without a cluster to watch does.
#[derive(Debug)]
struct Nothing(Arc<Inventory>);

impl Facts for Nothing {
    fn of(&self, _: Option<&str>) -> Arc<Inventory> {
        Arc::clone(&self.0)
    }
}

/// The Policies to judge by, merged once for each combination of them that a namespace asks for.
#[derive(Debug)]
pub struct Settings {
    policies: Vec<Policy>,
    own_namespace: Option<String>,
    enforcement: Option<Enforcement>,
    facts: Arc<dyn Facts>,
    merged: Mutex<HashMap<Vec<usize>, Arc<Effective>>>,
}

impl Settings {
    /// Judges by `policies`; without any, what is found is only observed.
    pub fn new(policies: Vec<Policy>) -> Self {
        Self {
            policies,
            own_namespace: None,
            enforcement: None,
            facts: Arc::new(Nothing(Arc::new(Inventory::unknown()))),
            merged: Mutex::default(),
        }
    }

    /// Lets every request for `namespace` pass untouched: a webhook that judges its own pods can lock itself out.
    #[must_use]
    pub fn with_own_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.own_namespace = Some(namespace.into()).filter(|namespace| !namespace.is_empty());
        self
    }

    /// Judges as if every Policy said `enforcement`: what a command line shows before anybody turns it on.
    #[must_use]
    pub fn with_enforcement(mut self, enforcement: Enforcement) -> Self {
        self.enforcement = Some(enforcement);
        self
    }

    /// Judges by what `facts` knows of other objects too.
    #[must_use]
    pub fn with_facts(mut self, facts: Arc<dyn Facts>) -> Self {
        self.facts = facts;
        self
    }

    /// The same with other Policies.
    #[must_use]
    pub fn with_policies(&self, policies: Vec<Policy>) -> Self {
        Self {
            policies,
            own_namespace: self.own_namespace.clone(),
            enforcement: self.enforcement,
            facts: Arc::clone(&self.facts),
            merged: Mutex::default(),
        }
    }

    /// The Policies as they were given.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// What is in force for `namespace`; `None` for objects outside namespaces.
    pub fn effective(&self, namespace: Option<&str>) -> Arc<Effective> {
        let layers = matching(&self.policies, namespace);
        let key: Vec<usize> = layers
            .iter()
            .filter_map(|layer| self.policies.iter().position(|policy| std::ptr::eq(policy, *layer)))
            .collect();
        // A thread that panicked here left at worst an entry out.
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(effective) = merged.get(&key) {
            return Arc::clone(effective);
        }
        let effective = Arc::new(Effective::for_namespace(&self.policies, namespace, RULES));
        if merged.len() >= MAX_COMBINATIONS {
            merged.clear();
        }
        merged.insert(key, Arc::clone(&effective));
        effective
    }

    pub(crate) fn enforcement(&self, effective: &Effective) -> Enforcement {
        self.enforcement.unwrap_or(effective.enforcement())
    }

    /// What is known of the objects in `namespace`.
    pub(crate) fn inventory(&self, namespace: Option<&str>) -> Arc<Inventory> {
        self.facts.of(namespace)
    }

    pub(crate) fn is_own(&self, namespace: &str) -> bool {
        self.own_namespace.as_deref() == Some(namespace)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, namespaces: &[&str], enforcement: &str) -> Policy {
        let value = json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": name},
            "spec": {"namespaces": namespaces, "enforcement": enforcement}});
        Policy::from_value(&value, RULES).unwrap()
    }

    #[test]
    fn one_combination_of_policies_is_merged_once() {
        let settings = Settings::new(vec![policy("ml", &["ml-*"], "deny"), policy("web", &["web"], "warn")]);
        let one = settings.effective(Some("ml-a"));
        assert!(Arc::ptr_eq(&one, &settings.effective(Some("ml-b"))));
        assert_eq!(one.enforcement(), Enforcement::Deny);
        assert_eq!(settings.effective(Some("web")).enforcement(), Enforcement::Warn);
        assert_eq!(settings.effective(Some("other")).enforcement(), Enforcement::Observe);
        assert_eq!(settings.effective(None).enforcement(), Enforcement::Observe);
    }

    #[test]
    fn an_empty_own_namespace_is_none() {
        assert!(!Settings::new(Vec::new()).with_own_namespace("").is_own(""));
        assert!(Settings::new(Vec::new()).with_own_namespace("buttress").is_own("buttress"));
    }
}
