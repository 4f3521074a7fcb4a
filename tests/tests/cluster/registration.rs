//! What the chart asks of the API server, on a real one: the conditions that spare calls compile and are right, the rights it
//! gives are enough for the webhook and no more, and no upgrade takes away what the webhook wrote.

use std::path::Path;
use std::process::Command;

use buttress_tests::cluster::{Cluster, HELM, Options, Output, Webhook, WebhookOptions, eventually};
use buttress_tests::manifests;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

const NAMESPACE: &str = "buttress-system";

fn helm(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = Command::new(HELM.path("helm"))
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("HELM_CACHE_HOME", cluster.folder().join("helm"))
        .output()
        .unwrap_or_else(|error| panic!("cannot run helm: {error}"));
    assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn chart() -> String {
    manifests::repository().join("deploy/chart").display().to_string()
}

async fn get(cluster: &Cluster, arguments: &[&str]) -> Value {
    let output = cluster.kubectl(&[&["get", "-o", "json"], arguments].concat()).await;
    assert!(output.success, "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// Both configurations of the chart, which enforces `prod`, with `webhook` in the place of the Service.
async fn register(cluster: &Cluster, webhook: &Webhook) {
    let template = |file: &str| {
        let enforced = ["--set", "validation.enforcedNamespaces={prod}"];
        let file = format!("templates/{file}");
        helm(cluster, &[&["template", "b", &chart(), "-n", NAMESPACE, "-s", &file], &enforced[..]].concat())
    };
    for file in ["mutating-webhook-configuration.yaml", "validating-webhook-configuration.yaml"] {
        let mut configuration = manifests::objects(&template(file)).remove(0);
        for entry in configuration["webhooks"].as_array_mut().unwrap() {
            let path = entry["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
            let bundle = ByteString(webhook.authority().as_bytes().to_vec());
            entry["clientConfig"] = json!({"url": format!("https://{}{path}", webhook.address()), "caBundle": bundle});
            // A slow machine must not look like a call that was spared.
            entry["timeoutSeconds"] = json!(30);
        }
        cluster.apply("default", &configuration.to_string()).await;
    }
    for namespace in ["ml", "prod", "gpu-operator"] {
        let made = cluster.kubectl(&["create", "namespace", namespace]).await;
        assert!(made.success, "{}", made.stderr);
        cluster.service_account_of(namespace).await;
        if namespace == "gpu-operator" {
            continue;
        }
        let pod = pod("tried", namespace, json!({})).to_string();
        eventually(&format!("pods of {namespace} are asked about"), async || {
            let before = Asked::of(webhook).await;
            cluster.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &pod).await;
            let now = Asked::of(webhook).await;
            (now.mutate > before.mutate && now.validate > before.validate).then_some(())
        })
        .await;
    }
}

fn pod(name: &str, namespace: &str, mut metadata: Value) -> Value {
    metadata["name"] = json!(name);
    metadata["namespace"] = json!(namespace);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "plain", "containers": [
        {"name": "c", "image": "registry.example.com/c:1", "resources": {"requests": {"cpu": "1m"}}},
    ]}})
}

fn replica_set(name: &str, owner: Option<Value>) -> Value {
    let labels = json!({"app": name});
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "ml", "ownerReferences": owner.into_iter().collect::<Vec<_>>()},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "registry.example.com/c:1"}]}}}})
}

/// How often each hook was asked.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    mutate: f64,
    validate: f64,
}

impl Asked {
    async fn of(webhook: &Webhook) -> Self {
        let asked = async |hook: &str| {
            webhook.metric("buttress_admission_requests_total", &[&format!("webhook=\"{hook}\"")]).await
        };
        Self { mutate: asked("mutate").await, validate: asked("validate").await }
    }
}

/// A cluster whose API server asks a webhook as the chart says.
struct Registered {
    cluster: Cluster,
    webhook: Webhook,
}

impl Registered {
    /// Runs kubectl, and tells how often each hook was asked for it.
    async fn asked(&self, arguments: &[&str], input: &Value) -> (f64, f64) {
        self.asked_as(self.cluster.kubeconfig(), arguments, input).await
    }

    async fn asked_as(&self, kubeconfig: &Path, arguments: &[&str], input: &Value) -> (f64, f64) {
        let before = Asked::of(&self.webhook).await;
        let Output { success, stderr, .. } = self.cluster.kubectl_as(kubeconfig, arguments, &input.to_string()).await;
        assert!(success, "kubectl {arguments:?}: {stderr}");
        let now = Asked::of(&self.webhook).await;
        (now.mutate - before.mutate, now.validate - before.validate)
    }

    async fn created(&self, object: &Value) -> (f64, f64) {
        self.asked(&["create", "-f", "-"], object).await
    }

    /// How often the validating hook was asked for a change to the pod `p`.
    async fn patched(&self, namespace: &str, subresource: &str, patch: &Value) -> f64 {
        let kind = if subresource.is_empty() { "merge" } else { "strategic" };
        let subresource = format!("--subresource={subresource}");
        let (kind, patch) = (format!("--type={kind}"), patch.to_string());
        let mut arguments = vec!["patch", "pod", "p", "-n", namespace, &kind, "-p", &patch];
        if subresource != "--subresource=" {
            arguments.push(&subresource);
        }
        let (mutate, validate) = self.asked(&arguments, &Value::Null).await;
        assert_eq!(mutate, 0.0, "a pod is repaired only when it is made");
        validate
    }
}

#[tokio::test]
async fn the_conditions_spare_calls_and_let_nothing_by() {
    let cluster = Cluster::start(Options::default()).await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default()).await;
    register(&cluster, &webhook).await;
    let registered = Registered { cluster, webhook };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "plain"},
        "status": {"capacity": {"cpu": "8", "memory": "8Gi", "pods": "10"}, "allocatable": {"cpu": "8", "memory": "8Gi", "pods": "10"}}});
    registered.cluster.apply("default", &node.to_string()).await;
    let node = get(&registered.cluster, &["node", "plain"]).await;

    assert_eq!(registered.created(&pod("p", "kube-system", json!({}))).await, (0.0, 0.0));
    assert_eq!(registered.created(&pod("p", "gpu-operator", json!({}))).await, (0.0, 0.0));
    // An owner that is there, or the garbage collector would come in between.
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": "plain", "uid": node["metadata"]["uid"], "controller": true});
    for namespace in ["ml", "prod"] {
        let made = pod("p", namespace, json!({"finalizers": ["example.com/kept"], "ownerReferences": [owner]}));
        assert_eq!(registered.created(&made).await, (1.0, 1.0), "{namespace}");
        for (subresource, patch, asked) in [
            ("", json!({"metadata": {"labels": {"a": "b"}}}), 1.0),
            ("", json!({"metadata": {"annotations": {"a": "b"}}}), 1.0),
            ("", json!({"metadata": {"ownerReferences": null}}), 1.0),
            ("", json!({"metadata": {"finalizers": ["example.com/kept", "example.com/other"]}}), 0.0),
            ("", json!({"spec": {"activeDeadlineSeconds": 1000}}), 1.0),
            ("status", json!({"status": {"phase": "Running"}}), 0.0),
            ("resize", json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2m"}}}]}}), 1.0),
            ("ephemeralcontainers", json!({"spec": {"ephemeralContainers": [{"name": "d", "image": "i:1"}]}}), 1.0),
        ] {
            assert_eq!(
                registered.patched(namespace, subresource, &patch).await,
                asked,
                "{namespace} {subresource} {patch}"
            );
        }
        let delete = ["delete", "pod", "p", "-n", namespace, "--wait=false", "--grace-period=0", "--force"];
        assert_eq!(registered.asked(&delete, &Value::Null).await, (0.0, 0.0), "{namespace}");
        assert_eq!(registered.patched(namespace, "", &json!({"metadata": {"finalizers": null}})).await, 0.0);
    }

    // A mirror pod is one only if its node says so.
    let mirror = json!({"annotations": {"kubernetes.io/config.mirror": "x"}});
    assert_eq!(registered.created(&pod("mirror", "ml", mirror.clone())).await, (0.0, 1.0));
    let node = registered.cluster.user_kubeconfig("system:node:plain", Some("system:masters"));
    let create = ["create", "-f", "-"];
    assert_eq!(registered.asked_as(&node, &create, &pod("static", "ml", mirror)).await, (0.0, 0.0));
    assert_eq!(registered.asked_as(&node, &create, &pod("other", "ml", json!({}))).await, (1.0, 1.0));

    // Workloads: once for what somebody wrote, and again when its spec changes.
    let owner = |controls: bool| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "u", "controller": controls});
    assert_eq!(registered.created(&replica_set("free", None)).await, (0.0, 1.0));
    assert_eq!(registered.created(&replica_set("beside", Some(owner(false)))).await, (0.0, 1.0));
    assert_eq!(registered.created(&replica_set("made", Some(owner(true)))).await, (0.0, 0.0));
    for (arguments, asked) in [
        (["annotate", "-n", "ml", "replicaset/free", "a=b"], 0.0),
        (["set", "image", "-n", "ml", "replicaset/free"], 1.0),
        (["create", "configmap", "c", "-n", "ml"], 0.0),
    ] {
        let arguments = if asked > 0.0 { [&arguments[..], &["c=i:2"]].concat() } else { arguments.to_vec() };
        assert_eq!(registered.asked(&arguments, &Value::Null).await, (0.0, asked), "{arguments:?}");
    }
    let budget = ["create", "poddisruptionbudget", "b", "-n", "ml", "--selector=a=b", "--min-available=1"];
    assert_eq!(registered.asked(&budget, &Value::Null).await, (0.0, 1.0));

    let metrics = registered.cluster.kubectl(&["get", "--raw", "/metrics"]).await.stdout;
    assert!(!metrics.contains("match_condition_evaluation_errors_total{"), "no condition fails");
    assert!(metrics.contains("apiserver_admission_match_condition_exclusions_total{"));
}

#[tokio::test]
async fn the_conditions_hold_for_a_pod_as_large_as_can_be() {
    let cluster = Cluster::start(Options::default()).await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default()).await;
    register(&cluster, &webhook).await;
    let variables: Vec<Value> = (0..140).map(|n| json!({"name": format!("E{n}"), "value": "v".repeat(60)})).collect();
    let containers: Vec<Value> =
        (0..80).map(|n| json!({"name": format!("c{n}"), "image": "i:1", "env": variables})).collect();
    let mut large = pod("p", "prod", json!({}));
    large["spec"]["containers"] = json!(containers);
    assert!(large.to_string().len() > 900_000);
    let registered = Registered { cluster, webhook };
    assert_eq!(registered.created(&large).await, (1.0, 1.0));
    let image = ["set", "image", "-n", "prod", "pod/p", "c79=i:2"];
    assert_eq!(registered.asked(&image, &Value::Null).await, (0.0, 1.0), "the cost of comparing is within bounds");
    let finalizer = json!({"metadata": {"finalizers": ["example.com/kept"]}});
    assert_eq!(registered.patched("prod", "", &finalizer).await, 0.0);
}

#[tokio::test]
async fn the_webhook_lives_on_the_rights_of_the_chart_and_upgrades_leave_its_work_alone() {
    let cluster = Cluster::start(Options::default()).await;
    let chart = chart();
    let upgrade = |values: &[&str]| {
        let upgrade =
            ["upgrade", "--install", "buttress", &chart, "-n", NAMESPACE, "--reset-values", "--create-namespace"];
        helm(&cluster, &[&upgrade[..], values].concat());
    };
    upgrade(&[]);
    cluster.service_account_of(NAMESPACE).await;
    let policies = get(&cluster, &["policies.buttress.dev"]).await;
    assert_eq!(policies["items"][0]["spec"]["enforcement"], "observe");

    let account = cluster.service_account_kubeconfig(NAMESPACE, "buttress-webhook").await;
    let container = get(&cluster, &["deployment", "buttress-webhook", "-n", NAMESPACE]).await;
    let container = container["spec"]["template"]["spec"]["containers"][0].clone();
    // The arguments of the chart, but for where to listen, which is free here.
    let flags: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let flags = flags.into_iter().filter(|flag| flag != "serve" && !flag.contains("listen="));
    let options = WebhookOptions::default().without_pair().with_kubeconfig(&account);
    let options = options.with_flags(flags).with_flags([format!("--namespace={NAMESPACE}")]);
    let _webhook = Webhook::start(&cluster, options).await;

    let validating = async || get(&cluster, &["validatingwebhookconfiguration", "buttress-webhook"]).await;
    let bundles = |configuration: &Value| -> Vec<Value> {
        let webhooks = configuration["webhooks"].as_array().unwrap();
        webhooks.iter().map(|webhook| webhook["clientConfig"]["caBundle"].clone()).collect()
    };
    let bundle = eventually("the webhook writes the caBundle everywhere", async || {
        let bundles = bundles(&validating().await);
        bundles.iter().all(|bundle| bundle.is_string() && *bundle == bundles[0]).then(|| bundles[0].clone())
    })
    .await;
    eventually("and tells of the Policy", async || {
        let policy = get(&cluster, &["policies.buttress.dev", "default"]).await;
        let conditions = policy["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True").then_some(())
    })
    .await;
    let authority = async || get(&cluster, &["secret", "buttress-webhook-ca", "-n", NAMESPACE]).await["data"].clone();
    let made = authority().await;
    assert!(made.as_object().is_some_and(|data| !data.is_empty()));

    // Enforcing a namespace and leaving it again changes what it should, and nothing that the webhook wrote.
    let enforced = async || {
        let configuration = validating().await;
        let entries = configuration["webhooks"].as_array().unwrap();
        let name = json!("enforced-pods.validate.buttress.dev");
        let entry = entries.iter().find(|entry| entry["name"] == name).unwrap().clone();
        assert!(bundles(&configuration).iter().all(|has| *has == bundle), "{configuration}");
        (entry["failurePolicy"].clone(), entry["namespaceSelector"]["matchExpressions"][0]["operator"].clone())
    };
    assert_eq!(enforced().await, (json!("Ignore"), json!("DoesNotExist")));
    upgrade(&["--set", "validation.enforcedNamespaces={prod}"]);
    assert_eq!(enforced().await, (json!("Fail"), json!("In")));
    upgrade(&[]);
    assert_eq!(enforced().await, (json!("Ignore"), json!("DoesNotExist")));
    assert_eq!(authority().await, made);

    // The same by kubectl, in both of its ways, over what Helm installed.
    let install = manifests::repository().join("deploy/install.yaml").display().to_string();
    for how in [&["--server-side", "--force-conflicts"][..], &[]] {
        let applied = cluster.kubectl(&[&["apply", "-f", &install], how].concat()).await;
        assert!(applied.success, "{}", applied.stderr);
        assert_eq!(enforced().await, (json!("Ignore"), json!("DoesNotExist")));
        assert_eq!(authority().await, made);
    }

    // And what it has no right to.
    for (verb, what) in [
        ("create", "secrets"),
        ("list", "secrets"),
        ("get", "secrets/other"),
        ("get", "pods"),
        ("create", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
        ("delete", "validatingwebhookconfigurations.admissionregistration.k8s.io/buttress-webhook"),
        ("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io/other"),
        ("patch", "policies.buttress.dev/default"),
        ("update", "leases.coordination.k8s.io/other"),
        ("patch", "namespaces/ml"),
    ] {
        let may = cluster.kubectl_as(&account, &["auth", "can-i", verb, what, "-n", NAMESPACE], "").await;
        assert_eq!(may.stdout.trim(), "no", "{verb} {what}: {}", may.stderr);
    }

    // Broken glass, and mended.
    let both = ["mutatingwebhookconfiguration,validatingwebhookconfiguration", "buttress-webhook"];
    let deleted = cluster.kubectl(&[&["delete"], &both[..]].concat()).await;
    assert!(deleted.success, "{}", deleted.stderr);
    upgrade(&[]);
    let again = async || bundles(&validating().await).iter().all(|has| *has == bundle).then_some(());
    eventually("the caBundle is there again", again).await;

    helm(&cluster, &["uninstall", "buttress", "-n", NAMESPACE]);
    let left = cluster.kubectl(&["get", "crd", "policies.buttress.dev"]).await;
    assert!(left.success, "Policies of users outlive an uninstall: {}", left.stderr);
}
