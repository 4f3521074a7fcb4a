//! The deployable examples keep what the folders promise: nothing to say of the good ones, something of each bad one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use buttress_policies::context::Context;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::inventory::Inventory;
use buttress_policies::policy::{Effective, Policy};
use buttress_policies::rule::Severity;
use buttress_policies::rules::RULES;
use buttress_policies::{check, repair};
use buttress_tests::{laws, manifests};
use serde_json::{Value, json};

/// An example: its name below the folder of the examples, and its objects.
struct Example {
    name: String,
    objects: Vec<Value>,
}

/// The examples in `bad` and `good`.
fn examples() -> Vec<Example> {
    let root = manifests::repository().join("deploy/examples");
    let mut examples = Vec::new();
    for folder in ["bad", "good"] {
        for path in manifests::files(&root.join(folder), &["yaml"]) {
            let file = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            examples.push(Example { name: format!("{folder}/{file}"), objects: objects(&path) });
        }
    }
    examples
}

/// The objects of a file, each document of which must be readable.
fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for document in buttress_yaml::File::parse(text.as_str()).documents() {
        assert!(document.value().is_ok(), "{}: {:?}", path.display(), document.value());
    }
    manifests::objects(&text)
}

/// All examples in sight of each other, as a run over the folder sees them.
fn inventory(examples: &[Example], policy: &Effective) -> Inventory {
    let mut inventory = Inventory::whole();
    for example in examples {
        for object in &example.objects {
            inventory.add(object, &example.name, policy.catalog());
        }
    }
    inventory
}

fn context<'a>(policy: &'a Effective, inventory: &'a Inventory, example: &'a Example) -> Context<'a> {
    Context { origin: &example.name, ..laws::context(policy, inventory) }
}

fn found(example: &Example, context: &Context<'_>) -> Vec<Finding> {
    example.objects.iter().flat_map(|object| check(object, context)).collect()
}

/// The built-in Policy and the strictest.
fn policies() -> [(&'static str, Effective); 2] {
    let strict = json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "strict"},
                        "spec": {"preset": "strict"}});
    let strict = Policy::from_value(&strict, RULES).expect("the Policy of the test is valid");
    [("recommended", Effective::recommended()), ("strict", Effective::for_namespace(&[strict], None, RULES))]
}

#[test]
fn of_the_good_ones_there_is_nothing_to_say() {
    let examples = examples();
    for (name, policy) in policies() {
        let inventory = inventory(&examples, &policy);
        for example in examples.iter().filter(|example| example.name.starts_with("good/")) {
            let context = context(&policy, &inventory, example);
            let found: Vec<_> = found(example, &context)
                .into_iter()
                .map(|finding| format!("{} at {}: {}", finding.rule.name, finding.at, finding.message))
                .collect();
            assert!(found.is_empty(), "{} under `{name}`: {found:#?}", example.name);
            for object in &example.objects {
                let repaired = repair(object, &context, Safety::Unsafe);
                assert_eq!((&repaired.object, repaired.companions.len()), (object, 0), "{}", example.name);
            }
        }
    }
}

#[test]
fn each_bad_one_has_a_defect_and_is_calm_once_repaired() {
    let examples = examples();
    let policy = Effective::recommended();
    let before = inventory(&examples, &policy);
    let mut repaired = Vec::new();
    for example in examples.iter().filter(|example| example.name.starts_with("bad/")) {
        let context = context(&policy, &before, example);
        let worst = found(example, &context).iter().map(|finding| finding.severity).max();
        assert!(worst >= Some(Severity::Warning), "{}: the worst is {worst:?}", example.name);
        let (mut objects, mut companions) = (Vec::new(), Vec::new());
        for object in &example.objects {
            let result = repair(object, &context, Safety::Safe);
            objects.push(result.object);
            companions.extend(result.companions);
        }
        objects.extend(companions);
        repaired.push(Example { name: example.name.clone(), objects });
    }
    let after = inventory(&repaired, &policy);
    for example in &repaired {
        let context = context(&policy, &after, example);
        for finding in found(example, &context) {
            let safe = finding.fix.as_ref().is_some_and(|fix| fix.safety == Safety::Safe);
            assert!(!safe, "{}: {} is still to be repaired at {}", example.name, finding.rule.name, finding.at);
        }
    }
}

#[test]
fn each_bad_one_has_a_good_twin_that_it_cannot_be_taken_for() {
    let examples = examples();
    let names: BTreeSet<&str> = examples.iter().map(|example| example.name.as_str()).collect();
    let namespaces = |folder: &str| -> BTreeSet<Option<&str>> {
        let inside = examples.iter().filter(|example| example.name.starts_with(folder));
        let objects = inside.flat_map(|example| &example.objects);
        objects.map(|object| object.pointer("/metadata/namespace").and_then(Value::as_str)).collect()
    };
    for bad in names.iter().filter_map(|name| name.strip_prefix("bad/")) {
        assert!(names.contains(format!("good/{bad}").as_str()), "bad/{bad} has no twin");
    }
    // A budget counts for every pod in its namespace that has its labels, whatever the file.
    assert!(namespaces("bad/").is_disjoint(&namespaces("good/")));
    assert!(namespaces("bad/").union(&namespaces("good/")).all(Option::is_some));
}

#[test]
fn the_policy_to_start_from_is_valid() {
    for policy in objects(&manifests::repository().join("deploy/examples/policy.yaml")) {
        if let Err(errors) = Policy::from_value(&policy, RULES) {
            panic!("{errors:?}");
        }
    }
}
