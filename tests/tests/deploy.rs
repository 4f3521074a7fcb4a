//! What is deployed keeps what it promises: our own manifests are clean by our own strictest rules, the API server is asked
//! about exactly what it should be, and what is written in more than one place says the same. Files that are made of the
//! code are written with `UPDATE=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use buttress_policies::catalog::Catalog;
use buttress_policies::check;
use buttress_policies::policy::{Effective, Policy};
use buttress_policies::rules::RULES;
use buttress_tests::{laws, manifests};
use serde_json::{Value, json};

/// Mutating configurations of the meshes whose proxies are to be seen by us on reinvocation: ours comes first by name.
/// Sources: the charts of Istio, Linkerd, Kuma and Consul.
const MESHES: &[&str] = &[
    "consul-connect-injector",
    "istio-revision-tag-default",
    "istio-sidecar-injector",
    "kuma-admission-mutating-webhook-configuration",
    "linkerd-proxy-injector-webhook-config",
];

/// Kinds with a pod template of which nothing runs, or which the pods' own entry has.
const NOT_WORKLOADS: &[&str] = &["Pod", "PodTemplate"];

fn deploy() -> PathBuf {
    manifests::repository().join("deploy")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The objects of `install.yaml`.
fn installed() -> Vec<Value> {
    let objects = manifests::objects(&read(&deploy().join("install.yaml")));
    assert!(objects.len() > 10, "install.yaml is complete");
    objects
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("install.yaml has no {kind}"));
    assert!(found.next().is_none(), "install.yaml has one {kind}");
    first
}

fn webhooks(objects: &[Value]) -> BTreeMap<String, Value> {
    let kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
    let all = kinds.iter().flat_map(|kind| of_kind(objects, kind)["webhooks"].as_array().expect("a list").clone());
    all.map(|webhook| (webhook["name"].as_str().expect("a name").to_owned(), webhook)).collect()
}

/// Compares a file with what it is made of, or writes it.
fn fresh(path: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, wanted).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    } else {
        let stale = "is stale: run `UPDATE=1 cargo test -p buttress-tests --test deploy`";
        assert_eq!(read(path), wanted, "{} {stale}", path.display());
    }
}

#[test]
fn our_own_manifests_are_clean_under_the_strictest_policy() {
    let strict = json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "strict"},
        "spec": {"preset": "strict", "podSecurity": {"level": "restricted"}}});
    let strict = Policy::from_value(&strict, RULES).expect("the Policy of the test is valid");
    let policy = Effective::for_namespace(&[strict], Some("buttress-system"), RULES);
    let text = read(&deploy().join("install.yaml"));
    let inventory = manifests::inventory(&text, policy.catalog());
    let context = laws::context(&policy, &inventory);
    let found: Vec<String> = installed()
        .iter()
        .flat_map(|object| check(object, &context))
        .map(|finding| {
            format!("{} {} at {}: {}", finding.severity.as_str(), finding.rule.name, finding.at, finding.message)
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_workloads_that_are_asked_about_are_those_of_the_catalog() {
    let mut rules: BTreeMap<(&str, &[String], &str), BTreeSet<&str>> = BTreeMap::new();
    for kind in Catalog::builtin().kinds() {
        if kind.templates.is_empty() || (kind.group.is_empty() && NOT_WORKLOADS.contains(&kind.kind.as_str())) {
            continue;
        }
        let plural = kind.plural.as_deref().unwrap_or_else(|| panic!("{} has no plural", kind.kind));
        assert!(!kind.versions.is_empty(), "{} has no versions", kind.kind);
        let scope = if kind.cluster_scoped { "Cluster" } else { "Namespaced" };
        rules.entry((&kind.group, &kind.versions, scope)).or_default().insert(plural);
    }
    let mut text = "\
# The kinds of workload that Buttress knows, as rules of the entry that warns. Made of policies/src/catalog/kinds.json by
# `UPDATE=1 cargo test -p buttress-tests --test deploy`.
"
    .to_owned();
    for ((group, versions, scope), resources) in &rules {
        let resources: Vec<&str> = resources.iter().copied().collect();
        let _ = write!(
            text,
            "- apiGroups: [\"{group}\"]\n  apiVersions: [{}]\n  resources: [{}]\n  scope: {scope}\n",
            versions.join(", "),
            resources.join(", ")
        );
    }
    fresh(&deploy().join("chart/files/workloads.yaml"), &text);

    let asked = webhooks(&installed())["workloads.validate.buttress.dev"]["rules"].clone();
    let asked: BTreeSet<String> =
        asked.as_array().expect("a list").iter().map(|rule| rule["resources"].to_string()).collect();
    for resources in rules.values() {
        assert!(asked.contains(&json!(resources).to_string()), "install.yaml asks about {resources:?}");
    }
}

#[test]
fn the_api_server_asks_about_nothing_that_the_cluster_needs_to_stand() {
    let objects = installed();
    let webhooks = webhooks(&objects);
    let names: Vec<&str> = webhooks.keys().map(String::as_str).collect();
    let wanted = [
        "enforced-pods.validate.buttress.dev",
        "pods.mutate.buttress.dev",
        "pods.validate.buttress.dev",
        "workloads.validate.buttress.dev",
    ];
    assert_eq!(names, wanted);
    for (name, webhook) in &webhooks {
        assert_eq!(webhook["failurePolicy"], "Ignore", "{name}: nothing is refused for want of us when installed");
        assert!(webhook["timeoutSeconds"].as_u64() <= Some(3), "{name}");
        assert_eq!(webhook["sideEffects"], "None", "{name}");
        assert_eq!(webhook["matchPolicy"], "Equivalent", "{name}");
        assert_eq!(webhook["admissionReviewVersions"], json!(["v1"]), "{name}");
        assert!(webhook["clientConfig"]["caBundle"].is_null(), "{name}: the authority writes it");
        for rule in webhook["rules"].as_array().expect("a list") {
            assert!(!rule.to_string().contains('*'), "{name}: {rule}");
            assert!(rule["scope"] == "Namespaced" || name.starts_with("workloads."), "{name}: {rule}");
            let core = json!(["pods", "pods/ephemeralcontainers", "pods/resize", "replicationcontrollers"]);
            let core = core.as_array().expect("a list");
            let about_core = rule["apiGroups"].as_array().expect("a list").contains(&json!(""));
            let resources = rule["resources"].as_array().expect("a list");
            assert!(!about_core || resources.iter().all(|resource| core.contains(resource)), "{name}: {rule}");
        }
        let selector = &webhook["namespaceSelector"]["matchExpressions"][0];
        assert_eq!(selector["key"], "kubernetes.io/metadata.name", "{name}");
        if name.starts_with("enforced-") {
            assert_eq!(selector["operator"], "DoesNotExist", "{name}: no namespace is enforced when installed");
            continue;
        }
        assert_eq!(selector["operator"], "NotIn", "{name}");
        for namespace in ["buttress-system", "gpu-operator", "kube-node-lease", "kube-public", "kube-system"] {
            let excluded = selector["values"].as_array().expect("a list");
            assert!(excluded.contains(&json!(namespace)), "{name} leaves out {namespace}");
        }
    }
    assert_eq!(webhooks["pods.mutate.buttress.dev"]["rules"][0]["operations"], json!(["CREATE"]));
    assert_eq!(webhooks["pods.mutate.buttress.dev"]["reinvocationPolicy"], "IfNeeded");
    assert_eq!(webhooks["pods.mutate.buttress.dev"]["timeoutSeconds"], 2);
}

#[test]
fn our_configuration_comes_before_those_of_service_meshes() {
    let objects = installed();
    let ours = of_kind(&objects, "MutatingWebhookConfiguration")["metadata"]["name"].as_str().expect("a name");
    for mesh in MESHES {
        assert!(ours < *mesh, "{ours} is called after {mesh}");
    }
}

#[test]
fn nothing_may_be_done_that_is_not_needed() {
    let objects = installed();
    for kind in ["ClusterRole", "Role"] {
        for rule in of_kind(&objects, kind)["rules"].as_array().expect("a list") {
            assert!(!rule.to_string().contains('*'), "{kind}: {rule}");
            let text = |key: &str| rule[key].to_string();
            let writes = ["create", "update", "patch", "delete"].iter().any(|verb| text("verbs").contains(verb));
            let is_named = rule["resourceNames"].is_array();
            // What may be written without being named: the status of Policies, whose names are the users', and a new
            // Lease, which cannot be named.
            let free = ["[\"policies/status\"]", "[\"leases\"]"].contains(&text("resources").as_str());
            assert!(!writes || is_named || free, "{kind}: {rule}");
            assert!(!text("resources").contains("secrets") || is_named, "{kind}: {rule}");
        }
    }
    let secret = of_kind(&objects, "Secret");
    assert!(
        secret.get("data").is_none() && secret.get("stringData").is_none(),
        "an upgrade would take the authority away"
    );
}

#[test]
fn the_chart_is_of_the_version_of_the_program() {
    let chart = manifests::objects(&read(&deploy().join("chart/Chart.yaml"))).remove(0);
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    let objects = installed();
    let image = of_kind(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert!(image.as_str().expect("a name").ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))), "{image}");
}

#[test]
fn every_policy_that_the_readme_shows_is_valid() {
    let text = read(&deploy().join("README.md"));
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let mut policies = Vec::new();
    for block in blocks {
        for document in buttress_yaml::File::parse(block).documents() {
            let value = document.value().unwrap_or_else(|error| panic!("{error:?} in\n{block}"));
            if value["kind"] == "Policy" {
                policies
                    .push(Policy::from_value(value, RULES).unwrap_or_else(|errors| panic!("{errors:?} in\n{block}")));
            }
        }
    }
    assert!(policies.len() >= 3, "the way from observe to deny is shown by Policies");
    let effective = Effective::for_namespace(&policies, Some("ml-team-a"), RULES);
    assert!(effective.conflicts().is_empty(), "they can be applied together");
}
