//! The Policies of a cluster: each is checked before it takes effect, and while one has mistakes its last good version
//! stays in force.

use std::collections::{BTreeMap, HashSet};

use buttress_policies::policy::Policy;
use buttress_policies::rules::RULES;
use serde_json::{Value, json};

use crate::crd::{GROUP, VERSION};

/// The most characters of what is told of the mistakes of one Policy.
const MAX_MISTAKES: usize = 1000;

/// How many Policies are named with which one contradicts itself.
const MAX_OTHERS: usize = 5;

/// The Policies that are there.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    held: BTreeMap<String, Held>,
}

/// One Policy, as it is now and as it was when it was last good.
#[derive(Debug)]
struct Held {
    /// Tells it from another one of its name, made after this one was deleted.
    uid: String,
    generation: i64,
    /// What is wrong with this generation; empty when nothing is.
    mistakes: String,
    good: Option<Good>,
}

#[derive(Debug)]
struct Good {
    policy: Policy,
    generation: i64,
    spec: Value,
}

/// What is to be told of one Policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) is_ready: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// The generation and the spec that are in force.
    pub(crate) last_valid: Option<(i64, Value)>,
}

impl Policies {
    /// Takes a Policy as it is there.
    pub(crate) fn apply(&mut self, object: &Value) {
        let Some(name) = object["metadata"]["name"].as_str() else { return };
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
        let read = read(name, generation, &spec);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let previous = self.held.remove(name).filter(|held| held.uid == uid).and_then(|held| held.good);
        let (mistakes, good) = match read {
            Ok(policy) => (String::new(), Some(Good { policy, generation, spec })),
            // A process that has just started never saw the good version. Its status has kept it.
            Err(mistakes) => (mistakes, previous.or_else(|| last_valid(name, generation, object))),
        };
        let held = Held { uid, generation, mistakes, good };
        self.held.insert(name.to_owned(), held);
    }

    /// Forgets a Policy that is gone.
    pub(crate) fn delete(&mut self, object: &Value) {
        if let Some(name) = object["metadata"]["name"].as_str() {
            self.held.remove(name);
        }
    }

    /// Forgets all but those whose names are `seen`.
    pub(crate) fn keep(&mut self, seen: &HashSet<String>) {
        self.held.retain(|name, _| seen.contains(name));
    }

    /// The Policies in force, by name.
    pub(crate) fn in_force(&self) -> Vec<Policy> {
        self.held.values().filter_map(|held| held.good.as_ref()).map(|good| good.policy.clone()).collect()
    }

    /// Whether no Policy has mistakes.
    pub(crate) fn are_valid(&self) -> bool {
        self.held.values().all(|held| held.mistakes.is_empty())
    }

    /// What is to be told of each, given the namespaces that there are.
    pub(crate) fn verdicts(&self, namespaces: &[String]) -> Vec<Verdict> {
        self.held.iter().map(|(name, held)| self.verdict(name, held, namespaces)).collect()
    }

    fn verdict(&self, name: &str, held: &Held, namespaces: &[String]) -> Verdict {
        let (is_ready, reason, message) = if held.mistakes.is_empty() {
            match self.conflict(name, held, namespaces) {
                Some(conflict) => (false, "Conflict", conflict),
                None => (true, "InForce", format!("Generation {} is in force.", held.generation)),
            }
        } else {
            let instead = match &held.good {
                Some(good) => format!("Generation {} stays in force.", good.generation),
                None => "Nothing of this Policy is in force.".to_owned(),
            };
            (false, "Invalid", format!("{instead} Generation {} has mistakes: {}", held.generation, held.mistakes))
        };
        Verdict {
            name: name.to_owned(),
            uid: held.uid.clone(),
            generation: held.generation,
            is_ready,
            reason,
            message,
            last_valid: held.good.as_ref().map(|good| (good.generation, good.spec.clone())),
        }
    }

    /// With which other Policies this one contradicts itself: those of the same priority for the same namespaces.
    fn conflict(&self, name: &str, held: &Held, namespaces: &[String]) -> Option<String> {
        let spec = &held.good.as_ref()?.policy.spec;
        let mut others = Vec::new();
        let mut shared: Option<&str> = None;
        for (other, held) in self.held.iter().filter(|(other, _)| *other != name) {
            let Some(good) = &held.good else { continue };
            if good.policy.spec.priority != spec.priority {
                continue;
            }
            let meets = |namespace: &&String| covers(spec, namespace) && covers(&good.policy.spec, namespace);
            if let Some(namespace) = namespaces.iter().find(meets) {
                shared.get_or_insert(namespace);
                others.push(other.as_str());
            }
        }
        let shared = shared?;
        let more = others.len().saturating_sub(MAX_OTHERS);
        others.truncate(MAX_OTHERS);
        let others = others.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() };
        Some(format!(
            "Also {others} has priority {} for namespaces of this Policy, such as {shared}. There the stricter severity and enforcement hold, and nothing is repaired. Give them different priorities.",
            spec.priority
        ))
    }
}

fn covers(spec: &buttress_policies::policy::Spec, namespace: &str) -> bool {
    spec.namespaces.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(namespace)))
}

/// Reads a Policy, or tells what is wrong with it. What stands in its metadata beside the name is the API server's.
fn read(name: &str, generation: i64, spec: &Value) -> Result<Policy, String> {
    let object = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Policy",
        "metadata": {"name": name, "generation": generation}, "spec": spec,
    });
    Policy::from_value(&object, RULES).map_err(|errors| {
        let mut told = String::new();
        for error in errors {
            let separator = if told.is_empty() { "" } else { "; " };
            let next = format!("{separator}{}: {}", error.path, error.message);
            let room = MAX_MISTAKES.saturating_sub(told.chars().count());
            if next.chars().count() > room {
                told.extend(next.chars().take(room));
                told.push_str(" … and more");
                break;
            }
            told.push_str(&next);
        }
        told
    })
}

/// The last good version before `current`, as the status keeps it. Who may write the status may write the Policy.
fn last_valid(name: &str, current: i64, object: &Value) -> Option<Good> {
    let kept = object.get("status")?.get("lastValid")?;
    let generation = kept["generation"].as_i64().filter(|generation| *generation < current)?;
    let spec = kept.get("spec")?.clone();
    let policy = read(name, generation, &spec).ok()?;
    Some(Good { policy, generation, spec })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, generation: i64, spec: Value) -> Value {
        json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "spec": spec,
            "metadata": {"name": name, "generation": generation, "uid": "1", "resourceVersion": "7", "managedFields": [{}]}})
    }

    fn verdict(policies: &Policies, name: &str, namespaces: &[&str]) -> Verdict {
        let namespaces: Vec<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        policies.verdicts(&namespaces).into_iter().find(|verdict| verdict.name == name).unwrap()
    }

    #[test]
    fn a_good_policy_is_in_force_and_a_bad_one_leaves_the_last_good_one() {
        let mut policies = Policies::default();
        policies.apply(&policy("a", 1, json!({"enforcement": "deny"})));
        assert_eq!(verdict(&policies, "a", &[]).reason, "InForce");
        policies.apply(&policy("a", 2, json!({"enforcment": "deny"})));
        let told = verdict(&policies, "a", &[]);
        assert_eq!((told.reason, told.is_ready, told.generation), ("Invalid", false, 2));
        assert!(
            told.message.contains("Generation 1 stays in force") && told.message.contains("/spec/enforcment"),
            "{}",
            told.message
        );
        assert_eq!(told.last_valid, Some((1, json!({"enforcement": "deny"}))));
        assert!(!policies.are_valid());
        assert_eq!(policies.in_force().len(), 1);
        assert_eq!(policies.in_force()[0].metadata.generation, Some(1));
        policies.apply(&policy("a", 3, json!({"enforcement": "warn"})));
        assert!(policies.are_valid() && verdict(&policies, "a", &[]).is_ready);
        policies.delete(&policy("a", 3, json!({})));
        assert!(policies.in_force().is_empty());
    }

    #[test]
    fn after_a_restart_the_last_good_version_comes_from_the_status() {
        let mut bad = policy("a", 2, json!({"enforcement": 7}));
        let mut policies = Policies::default();
        policies.apply(&bad);
        assert!(policies.in_force().is_empty());
        assert!(verdict(&policies, "a", &[]).message.contains("Nothing of this Policy is in force"));
        bad["status"] = json!({"lastValid": {"generation": 1, "spec": {"enforcement": "deny"}}});
        policies.apply(&bad);
        assert_eq!(policies.in_force()[0].metadata.generation, Some(1));
        // One made anew under the same name has nothing of the old one.
        let mut anew = policy("a", 1, json!({"enforcement": 7}));
        anew["metadata"]["uid"] = json!("2");
        policies.apply(&anew);
        assert!(policies.in_force().is_empty());
        // A status that is not good either is no Policy.
        let mut policies = Policies::default();
        bad["status"]["lastValid"]["spec"] = json!({"nonsense": 1});
        policies.apply(&bad);
        assert!(policies.in_force().is_empty());
    }

    #[test]
    fn a_long_mistake_is_cut_and_not_left_out() {
        let mut policies = Policies::default();
        policies.apply(&policy("a", 1, json!({("k".repeat(2000)): 1})));
        let message = verdict(&policies, "a", &[]).message;
        assert!(
            message.contains("kkkk") && message.ends_with("… and more") && message.chars().count() < 1200,
            "{message}"
        );
    }

    #[test]
    fn equal_priority_on_one_namespace_is_told_of_both() {
        let mut policies = Policies::default();
        policies.apply(&policy("a", 1, json!({"namespaces": ["ml-*"]})));
        policies.apply(&policy("b", 1, json!({"namespaces": ["*-a"]})));
        policies.apply(&policy("c", 1, json!({"priority": 5})));
        assert!(verdict(&policies, "a", &["ml-b", "web"]).is_ready, "they meet in no namespace that is there");
        for (one, other) in [("a", "b"), ("b", "a")] {
            let told = verdict(&policies, one, &["ml-a", "web"]);
            assert_eq!(told.reason, "Conflict");
            assert!(told.message.starts_with(&format!("Also {other} has priority 0")) && told.message.contains("ml-a"));
        }
        assert!(verdict(&policies, "c", &["ml-a"]).is_ready);
    }

    #[test]
    fn a_list_takes_the_place_of_what_was_there() {
        let mut policies = Policies::default();
        policies.apply(&policy("a", 1, json!({})));
        policies.apply(&policy("b", 1, json!({})));
        policies.keep(&HashSet::from(["b".to_owned()]));
        assert_eq!(policies.in_force().len(), 1);
    }
}
