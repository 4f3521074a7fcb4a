//! The laws of the engine over all rules: on their examples, the fixtures, the deployable examples, random objects and,
//! where `BUTTRESS_CORPUS` names some, real manifests.

use std::sync::LazyLock;

use buttress_policies::catalog::Catalog;
use buttress_policies::context::Context;
use buttress_policies::finding::Safety;
use buttress_policies::inventory::Inventory;
use buttress_policies::policy::{Effective, Enforcement, Policy};
use buttress_policies::rules::RULES;
use buttress_review::Settings;
use buttress_tests::random::{self, Random};
use buttress_tests::{corpus, laws, manifests};
use serde_json::{Value, json};

/// The Policies under which every law is tried: none, and one that turns on everything that is off by default.
static POLICIES: LazyLock<Vec<(&str, Effective, Settings)>> = LazyLock::new(|| {
    let everything = json!({
        "apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "everything"},
        "spec": {
            "preset": "strict",
            "injection": {
                "sizes": {"default": {"cpu": "2", "memory": "8Gi"}, "inference": {"cpu": "1", "memory": "4Gi", "perAccelerator": {"memory": "32Gi"}}},
                "memoryLimit": {"factor": 1.5},
                "requests": {"insist": true},
                "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}],
            },
        },
    });
    let everything = Policy::from_value(&everything, RULES).expect("the Policy of the test is valid");
    let settings = |policies: Vec<Policy>| Settings::new(policies).with_enforcement(Enforcement::Warn);
    vec![
        ("recommended", Effective::recommended(), settings(Vec::new())),
        (
            "everything",
            Effective::for_namespace(std::slice::from_ref(&everything), Some("ml"), RULES),
            settings(vec![everything]),
        ),
    ]
});

/// Every law on one object, with nothing, itself alone, and `neighbours` in sight, these also as a webhook sees them.
fn hold(object: &Value, name: &str, neighbours: Option<&Inventory>) {
    let (unknown, whole) = (Inventory::unknown(), Inventory::whole());
    let cluster = neighbours.map(|neighbours| {
        let mut cluster = Inventory::of_cluster();
        cluster.merge(neighbours.clone());
        cluster
    });
    for (policy_name, policy, settings) in POLICIES.iter() {
        for inventory in [Some(&unknown), Some(&whole), neighbours].into_iter().flatten() {
            let context = laws::context(policy, inventory);
            for limit in [Safety::Safe, Safety::Unsafe] {
                obey(laws::calm(object, &context, limit), "calm", name, policy_name, object);
            }
            obey(laws::defaults(object, &context), "defaults", name, policy_name, object);
        }
        let nothing = laws::context(policy, &unknown);
        if object.get("kind") == Some(&json!("Pod")) && object.get("apiVersion") == Some(&json!("v1")) {
            obey(laws::patch(object, settings, &nothing), "patch", name, policy_name, object);
        }
        let group = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        // The pods of custom resources are completed by operators of which nothing is known here.
        if !matches!(group, "v1" | "apps/v1" | "batch/v1") {
            continue;
        }
        obey(laws::source(object, &nothing, &unknown), "source", name, policy_name, object);
        if let (Some(neighbours), Some(cluster)) = (neighbours, &cluster) {
            let admission = laws::context(policy, cluster);
            obey(laws::calm(object, &admission, Safety::Safe), "calm", name, policy_name, object);
            let source = laws::context(policy, neighbours);
            obey(laws::source(object, &source, cluster), "source", name, policy_name, object);
        }
    }
}

fn obey(law: Result<(), String>, what: &str, name: &str, policy: &str, object: &Value) {
    if let Err(broken) = law {
        panic!("{name}: the law of {what} is broken under the Policy `{policy}`: {broken}\n{object:#}");
    }
}

/// The law of text on one text.
fn hold_in_text(text: &str, name: &str) {
    for (policy_name, policy, _) in POLICIES.iter() {
        let inventory = manifests::inventory(text, policy.catalog());
        let context = laws::context(policy, &inventory);
        for limit in [Safety::Safe, Safety::Unsafe] {
            if limit == Safety::Unsafe {
                // An unsafe repair may replace what is written, so that lines do change.
                continue;
            }
            if let Err(broken) = laws::text(text, &context, limit) {
                panic!("{name}: the law of text is broken under the Policy `{policy_name}`: {broken}");
            }
        }
    }
}

#[test]
fn on_examples_and_fixtures() {
    let texts = manifests::texts();
    assert!(texts.len() > 2 * RULES.len(), "the fixtures were not found");
    for (name, text) in texts {
        hold_in_text(&text, &name);
        let neighbours = manifests::inventory(&text, Catalog::builtin());
        for object in manifests::objects(&text) {
            hold(&object, &name, Some(&neighbours));
        }
    }
}

#[test]
fn on_random_objects() {
    for seed in 0..6_000 {
        let object = random::object(&mut Random::new(seed));
        hold(&object, &format!("seed {seed}"), None);
    }
}

#[test]
fn on_random_objects_as_text() {
    for seed in 0..1_500 {
        let object = random::object(&mut Random::new(seed));
        hold_in_text(&buttress_yaml::to_string(&object), &format!("seed {seed}"));
    }
}

#[test]
fn on_values_that_are_no_objects() {
    for seed in 0..20_000 {
        let value = random::anything(&mut Random::new(seed), 5);
        hold(&value, &format!("seed {seed}"), None);
    }
}

#[test]
fn on_the_corpus() {
    let Some(texts) = corpus::texts() else { return };
    let mut objects = 0;
    for (name, text) in texts {
        hold_in_text(&text, &name);
        let neighbours = manifests::inventory(&text, Catalog::builtin());
        for object in manifests::objects(&text) {
            hold(&object, &name, Some(&neighbours));
            objects += 1;
        }
    }
    eprintln!("every law holds on {objects} objects of the corpus");
}

#[test]
fn the_same_input_gives_the_same_findings_in_the_same_order() {
    let policy = Effective::recommended();
    let inventory = Inventory::whole();
    let context: Context<'_> = laws::context(&policy, &inventory);
    for seed in 0..500 {
        let object = random::object(&mut Random::new(seed));
        assert_eq!(buttress_policies::check(&object, &context), buttress_policies::check(&object, &context));
    }
    assert!(Catalog::builtin().kind("apps", "Deployment").is_some());
}
