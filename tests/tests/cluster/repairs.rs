//! What Buttress puts into pods, and that it leaves alone what the author wrote.

use buttress_tests::cluster::{Registration, Webhook, WebhookOptions, eventually, shared};
use serde_json::{Value, json};

use crate::support::{LLM, WARN, anonymous, injected, llm_pod, pods_in, pods_of};

#[tokio::test]
async fn a_gpu_deployment_lands_on_a_tainted_node_because_of_us() {
    let cluster = shared().await;
    let (without, with) = (cluster.namespace("without").await, cluster.namespace("with").await);
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&with).with_policy(WARN)).await;
    Registration::new(&with, &[&with]).apply(&cluster, &webhook).await;
    cluster.apply(&without, LLM).await;
    cluster.apply(&with, LLM).await;

    for pod in pods_in(&cluster, &with, 2, "Running").await {
        assert_eq!(pod["spec"]["nodeName"], "gpu");
        let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
        assert!(tolerations.contains(&json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"})));

        let server = &pod["spec"]["containers"][0];
        let startup = &server["startupProbe"];
        let budget = startup["failureThreshold"].as_u64().unwrap() * startup["periodSeconds"].as_u64().unwrap();
        assert!(startup["httpGet"]["path"] == "/health" && budget >= 1800, "{startup}");
        assert!(server["readinessProbe"].is_object() && server["livenessProbe"].is_object(), "{server}");

        let mount = &server["volumeMounts"].as_array().unwrap().iter().find(|mount| mount["mountPath"] == "/dev/shm");
        let volumes = pod["spec"]["volumes"].as_array().unwrap();
        let memory = volumes.iter().find(|volume| volume["name"] == mount.unwrap()["name"]).unwrap();
        assert_eq!(memory["emptyDir"], json!({"medium": "Memory", "sizeLimit": "2Gi"}));

        let term = &pod["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0];
        assert_eq!(term["podAffinityTerm"]["labelSelector"]["matchLabels"], json!({"app": "llm"}));
        assert_eq!(
            injected(&pod),
            [
                "gpu-toleration-missing",
                "missing-liveness-probe",
                "missing-readiness-probe",
                "missing-startup-probe",
                "small-shared-memory",
                "unspread-replicas"
            ]
        );
    }

    // The same without us: only the scheduler's word is needed, nothing else can have become of it.
    for pod in pods_in(&cluster, &without, 2, "Pending").await {
        assert!(pod["spec"]["nodeName"].is_null() && injected(&pod).is_empty());
    }

    // Neither the Deployment nor its ReplicaSet knows of it, so no tool that compares them sees a drift.
    for collection in ["deployments", "replicasets"] {
        let (ours, plain) = (only(&cluster, &with, collection).await, only(&cluster, &without, collection).await);
        assert_eq!(ours["spec"].to_string(), plain["spec"].to_string(), "{collection}");
        assert_eq!(ours["metadata"]["generation"], 1);
        assert_eq!(ours["metadata"]["annotations"], plain["metadata"]["annotations"].replaced(&without, &with));
    }
}

/// The only object of a collection of `apps/v1`.
async fn only(cluster: &buttress_tests::cluster::Cluster, namespace: &str, collection: &str) -> Value {
    let list = cluster.get(&format!("/apis/apps/v1/namespaces/{namespace}/{collection}")).await.unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{collection} of {namespace}");
    items[0].clone()
}

trait Replaced {
    /// The value with one text in place of another everywhere.
    fn replaced(&self, from: &str, to: &str) -> Value;
}

impl Replaced for Value {
    fn replaced(&self, from: &str, to: &str) -> Value {
        serde_json::from_str(&self.to_string().replace(from, to)).unwrap()
    }
}

#[tokio::test]
async fn observing_changes_nothing_byte_for_byte() {
    let cluster = shared().await;
    let (without, with) = (cluster.namespace("without").await, cluster.namespace("observed").await);
    // Without any Policy it observes.
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&with)).await;
    Registration::new(&with, &[&with]).apply(&cluster, &webhook).await;
    let observed = async |resource: &str| {
        let labels = ["decision=\"observed\"", resource];
        webhook.metric("buttress_admission_requests_total", &labels).await
    };
    assert_eq!(observed("").await, 0.0);
    // The token volume has a random name, and is not what this is about.
    let mut pod = llm_pod("llm");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    let create = async |namespace: &str| {
        let pod = cluster.create(&pods_of(namespace), &pod).await.unwrap();
        let output = cluster.kubectl_with(&["create", "-n", namespace, "-o=json", "-f", "-"], LLM).await;
        assert!(output.success && output.stderr.is_empty(), "{}", output.stderr);
        (anonymous(pod).to_string(), anonymous(serde_json::from_str(&output.stdout).unwrap()).to_string())
    };
    let (plain, seen) = (create(&without).await, create(&with).await);
    assert_eq!(plain.0, seen.0);
    assert_eq!(plain.1, seen.1);
    for hook in ["mutate", "validate"] {
        let hook = format!("webhook=\"{hook}\"");
        let labels = ["decision=\"observed\"", "resource=\"pods\"", &hook];
        assert!(webhook.metric("buttress_admission_requests_total", &labels).await >= 1.0, "{hook}");
    }
    assert!(observed("resource=\"deployments\"").await >= 1.0);
    for pod in pods_in(&cluster, &with, 3, "Pending").await {
        assert!(injected(&pod).is_empty() && pod["spec"]["tolerations"].as_array().unwrap().len() == 2, "{pod}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_the_repairs_and_stores_nothing() {
    let cluster = shared().await;
    let namespace = cluster.namespace("dry-run").await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(WARN)).await;
    Registration::new(&namespace, &[&namespace]).apply(&cluster, &webhook).await;
    let pod = llm_pod("llm").to_string();
    let arguments = ["apply", "-n", &namespace, "--dry-run=server", "-o=json", "-f", "-"];
    let output = cluster.kubectl_with(&arguments, &pod).await;
    assert!(output.success, "{}", output.stderr);
    let shown: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(injected(&shown).contains(&"missing-startup-probe".to_owned()), "{shown}");
    let output = cluster.kubectl_with(&arguments, LLM).await;
    assert!(output.success && output.stderr.contains("Warning: "), "{}", output.stderr);

    assert!(cluster.pods(&namespace).await.is_empty());
    let deployments = cluster.get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments")).await.unwrap();
    assert_eq!(deployments["items"], json!([]));
    // For real it becomes what was shown.
    let stored = cluster.create(&pods_of(&namespace), &llm_pod("llm")).await.unwrap();
    assert_eq!(stored["spec"]["containers"][0]["startupProbe"], shown["spec"]["containers"][0]["startupProbe"]);
}

#[tokio::test]
async fn the_audit_log_tells_what_was_found_and_what_was_changed() {
    let cluster = shared().await;
    let namespace = cluster.namespace("audit").await;
    let webhook = Webhook::start(&cluster, WebhookOptions::default().named(&namespace).with_policy(WARN)).await;
    Registration::new(&namespace, &[&namespace]).apply(&cluster, &webhook).await;
    let mut pod = llm_pod("llm");
    pod["spec"]["containers"][0]["env"] = json!([{"name": "HF_TOKEN", "value": "hf_do_not_print_me"}]);
    cluster.create(&pods_of(&namespace), &pod).await.unwrap();
    let event = eventually("the creation is audited", async || {
        let of_the_pod = |event: &Value| {
            let object = &event["objectRef"];
            event["verb"] == "create" && object["namespace"] == namespace.as_str() && object["name"] == "llm"
        };
        cluster.audit_events().into_iter().find(of_the_pod)
    })
    .await;
    let told = event["annotations"].as_object().unwrap();
    let patch = told.iter().find(|(key, _)| key.starts_with("patch.webhook.admission.k8s.io/")).unwrap().1;
    assert!(patch.as_str().unwrap().contains("/spec/containers/0/startupProbe"), "{patch}");
    let changed = told.iter().find(|(key, _)| key.starts_with("mutation.webhook.admission.k8s.io/")).unwrap().1;
    assert!(changed.as_str().unwrap().contains(r#""mutated":true"#), "{changed}");
    let findings = &told["pods.validate.buttress.dev/findings"];
    assert!(findings.as_str().unwrap().contains("literal-secret"), "{findings}");
    // What the API server tells by our doing holds no value of the pod.
    assert!(told.values().all(|text| !text.to_string().contains("do_not_print_me")), "{told:?}");
}
