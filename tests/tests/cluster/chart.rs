//! The chart as Helm renders it: `install.yaml` is what comes of its defaults (`UPDATE=1` writes it), every way to set it up
//! is clean by our own strictest rules, and values that cannot be meant are refused with the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use buttress_policies::check;
use buttress_policies::policy::{Effective, Policy};
use buttress_policies::rules::RULES;
use buttress_tests::cluster::HELM;
use buttress_tests::{laws, manifests};
use serde_json::{Value, json};

const HEADER: &str = "\
# Buttress in the namespace buttress-system, as deploy/chart renders it with its defaults. It observes: without a Policy nothing
# is changed and nothing refused. Made by `UPDATE=1 cargo test -p buttress-tests --features cluster --test cluster chart`.
";

/// What `install.yaml` has of its own: a Namespace, and no Policy, for whose kind kubectl would look before it is defined.
const INSTALL: &[&str] = &["--include-crds", "--set", "namespace.create=true", "--set", "policies.default=null"];

/// Values that go together, each as the arguments of `--set`.
const GOOD: &[&[&str]] = &[
    &[],
    &["replicas=3", "validation.enforcedNamespaces={ml,shop}", "excludedNamespaces={legacy}"],
    &["certificates.mode=cert-manager"],
    &[
        "certificates.mode=cert-manager",
        "certificates.certManager.issuerRef.name=corporate",
        "certificates.certManager.issuerRef.kind=ClusterIssuer",
        "certificates.dnsNames={hooks.example.com}",
    ],
    &["certificates.mode=secret", "certificates.secret.name=ours", "certificates.secret.caBundle=LS0t"],
    &[
        "certificates.mode=secret",
        "certificates.secret.name=ours",
        "certificates.secret.caBundle=LS0t",
        "policySource=file",
    ],
    &["policySource=file", "policies.default=null"],
    &["clientCertificates.secretName=callers", "clientCertificates.names={kube-apiserver}"],
    &["hostNetwork=true", "ports.webhook=10250"],
    &[
        "mutation.enabled=false",
        "priorityClass.name=",
        "networkPolicy.enabled=false",
        "podDisruptionBudget.enabled=false",
    ],
    &[
        "validation.enabled=false",
        "excludedNamespacePresets=null",
        "image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ],
    &[
        "monitoring.serviceMonitor.enabled=true",
        "monitoring.prometheusRule.enabled=true",
        "monitoring.dashboard.enabled=true",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring",
    ],
    &[
        "validation.additionalWorkloads[0].apiGroups={ai.example.com}",
        "validation.additionalWorkloads[0].apiVersions={v1}",
        "validation.additionalWorkloads[0].resources={aiservices}",
    ],
];

/// Values that are refused, and a part of what Helm says.
const BAD: &[(&[&str], &str)] = &[
    (&["replica=3"], "additional properties 'replica' not allowed"),
    (&["replicas=0"], "minimum: got 0, want 1"),
    (&["certificates.mode=none"], "value must be one of 'built-in', 'cert-manager', 'secret'"),
    (&["certificates.mode=secret"], "/certificates/secret/name"),
    (&["certificates.certManager.issuerRef.name=corporate"], "missing property 'kind'"),
    (&["policySource=git"], "value must be one of 'cluster', 'file'"),
    (&["mutation.timeoutSeconds=10"], "/mutation/timeoutSeconds"),
    (&["ports.webhook=443"], "/ports/webhook"),
    (&["excludedNamespacePresets={dns}"], "value must be one of 'gpu', 'cni', 'csi'"),
    (&["excludedNamespaces={kube-*}"], "/excludedNamespaces/0"),
    (&["logLevel=trace"], "/logLevel"),
    (&["validation.enforcedNamespaces={kube-system}"], "kube-system is excluded"),
    (&["validation.enforcedNamespaces={buttress-system}"], "buttress-system is excluded"),
    (&["validation.enforcedNamespaces={rook-ceph}"], "rook-ceph is excluded"),
    (&["validation.enforcedNamespaces={ml}", "replicas=1"], "needs replicas of at least 2"),
    (&["monitoring.serviceMonitor.enabled=true"], "the network policy lets nobody read the metrics"),
    (
        &[
            "validation.additionalWorkloads[0].apiGroups={*}",
            "validation.additionalWorkloads[0].apiVersions={v1}",
            "validation.additionalWorkloads[0].resources={pods}",
        ],
        "'*' does not match pattern",
    ),
];

fn deploy() -> PathBuf {
    manifests::repository().join("deploy")
}

/// What Helm makes of the chart with these arguments, or what it says.
fn render(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(HELM.path("helm"))
        .args(["template", "buttress"])
        .arg(deploy().join("chart"))
        .args(["--namespace", "buttress-system"])
        .args(arguments)
        .env_remove("KUBECONFIG")
        .output()
        .unwrap_or_else(|error| panic!("cannot run helm: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn render_with(values: &[&str]) -> Result<String, String> {
    render(&values.iter().flat_map(|value| ["--set", value]).collect::<Vec<_>>())
}

fn find<'o>(objects: &'o [Value], kind: &str) -> Option<&'o Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

#[test]
fn the_manifest_to_apply_is_what_the_chart_renders() {
    let path = deploy().join("install.yaml");
    let wanted = format!("{HEADER}{}", render(INSTALL).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        let stale = "is stale: run `UPDATE=1 cargo test -p buttress-tests --features cluster --test cluster chart`";
        assert!(fs::read_to_string(&path).unwrap() == wanted, "{} {stale}", path.display());
    }
}

#[test]
fn helm_lints_the_chart() {
    let lint = Command::new(HELM.path("helm")).args(["lint", "--strict"]).arg(deploy().join("chart")).output().unwrap();
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
}

#[test]
fn every_way_to_set_it_up_is_clean_under_the_strictest_policy() {
    let strict = json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": "strict"},
        "spec": {"preset": "strict", "podSecurity": {"level": "restricted"}}});
    let strict = Policy::from_value(&strict, RULES).unwrap();
    let policy = Effective::for_namespace(&[strict], Some("buttress-system"), RULES);
    for values in GOOD {
        let text = render_with(values).unwrap_or_else(|error| panic!("{values:?}: {error}"));
        let inventory = manifests::inventory(&text, policy.catalog());
        let context = laws::context(&policy, &inventory);
        let findings = manifests::objects(&text).into_iter().flat_map(|object| check(&object, &context));
        let findings = findings.filter(|finding| {
            // It is what the value asks for.
            !(values.contains(&"hostNetwork=true") && finding.rule.name == "host-namespaces")
        });
        let found: Vec<_> = findings.map(|finding| format!("{} at {}", finding.rule.name, finding.at)).collect();
        assert!(found.is_empty(), "{values:?}: {found:#?}");
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_the_reason() {
    for (values, reason) in BAD {
        match render_with(values) {
            Ok(_) => panic!("{values:?} is taken"),
            Err(told) => assert!(told.contains(reason), "{values:?}: {told}"),
        }
    }
}

#[test]
fn what_needs_no_api_server_gets_no_rights_and_no_token() {
    let values = GOOD.iter().find(|values| values.len() == 4 && values.contains(&"policySource=file")).unwrap();
    let objects = manifests::objects(&render_with(values).unwrap());
    for kind in ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Secret", "Policy"] {
        assert!(find(&objects, kind).is_none(), "{kind}");
    }
    let spec = &find(&objects, "Deployment").unwrap()["spec"]["template"]["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(find(&objects, "NetworkPolicy").unwrap()["spec"]["egress"], json!([]));
    let policy = find(&objects, "ConfigMap").unwrap()["data"]["default.yaml"].as_str().unwrap().to_owned();
    let policy = Policy::from_value(&manifests::objects(&policy)[0], RULES).unwrap();
    assert_eq!(policy.metadata.name, "default");
}

#[test]
fn enforced_namespaces_have_an_entry_of_their_own() {
    let objects = manifests::objects(&render_with(GOOD[1]).unwrap());
    let webhooks = find(&objects, "ValidatingWebhookConfiguration").unwrap()["webhooks"].as_array().unwrap();
    for webhook in webhooks {
        let name = webhook["name"].as_str().unwrap();
        let selector = &webhook["namespaceSelector"]["matchExpressions"][0];
        let names: Vec<&str> = selector["values"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let has = |namespace: &str| names.contains(&namespace);
        match name {
            "enforced-pods.validate.buttress.dev" => {
                assert_eq!((&webhook["failurePolicy"], &selector["operator"]), (&json!("Fail"), &json!("In")));
                assert_eq!(names, ["ml", "shop"]);
            }
            // Each pod is asked about once.
            "pods.validate.buttress.dev" => assert!(has("ml") && has("shop") && has("legacy")),
            _ => assert!(!has("ml") && !has("shop") && has("legacy"), "{name}"),
        }
        assert!(name.starts_with("enforced-") || webhook["failurePolicy"] == "Ignore", "{name}");
    }
}

#[test]
fn the_authority_and_the_ca_bundle_are_left_to_whoever_writes_them() {
    for values in GOOD {
        let objects = manifests::objects(&render_with(values).unwrap());
        let given = values.iter().any(|value| value.starts_with("certificates.secret.caBundle"));
        let kinds = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
        for configuration in kinds.iter().filter_map(|kind| find(&objects, kind)) {
            for webhook in configuration["webhooks"].as_array().unwrap() {
                assert_eq!(webhook["clientConfig"].get("caBundle").is_some(), given, "{values:?}");
            }
            let injected = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"].as_str();
            let wanted =
                values.contains(&"certificates.mode=cert-manager").then_some("buttress-system/buttress-webhook");
            assert_eq!(injected, wanted, "{values:?}");
        }
    }
}

#[test]
fn the_files_of_the_chart_are_found_by_their_names() {
    for file in ["alerts.yaml", "dashboard.json", "workloads.yaml"] {
        assert!(Path::new(&deploy()).join("chart/files").join(file).is_file(), "{file}");
    }
    let monitoring = GOOD.iter().find(|values| values.contains(&"monitoring.dashboard.enabled=true")).unwrap();
    let objects = manifests::objects(&render_with(monitoring).unwrap());
    let groups = &find(&objects, "PrometheusRule").unwrap()["spec"]["groups"];
    assert!(groups[0]["rules"].as_array().unwrap().len() >= 9);
    let dashboard = find(&objects, "ConfigMap").unwrap()["data"]["buttress.json"].as_str().unwrap().to_owned();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 10);
}
