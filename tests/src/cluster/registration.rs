//! How the API server comes to call a webhook on loopback: both configurations by `clientConfig.url`, like those of the
//! chart but for a few namespaces of one test.

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::start::Cluster;
use super::wait::eventually;
use super::webhook::Webhook;

/// What is asked of a webhook, and for which namespaces.
#[derive(Clone, Debug)]
pub struct Registration {
    name: String,
    namespaces: Vec<String>,
    failure_policy: &'static str,
    timeout_seconds: u8,
    mutates: bool,
    validates: bool,
    service: Option<(String, String)>,
}

impl Registration {
    /// Both hooks for these namespaces, as `NAME`. A call that fails makes the request fail, after ten seconds: so no
    /// proof passes because the webhook was not asked.
    pub fn new(name: &str, namespaces: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            failure_policy: "Fail",
            timeout_seconds: 10,
            mutates: true,
            validates: true,
            service: None,
        }
    }

    /// By the Service `name` of `namespace`, port 443, instead of by URL.
    #[must_use]
    pub fn by_service(mut self, namespace: &str, name: &str) -> Self {
        self.service = Some((namespace.to_owned(), name.to_owned()));
        self
    }

    /// A call that fails is passed over, after two seconds: as the chart has it.
    #[must_use]
    pub fn failing_open(mut self) -> Self {
        self.failure_policy = "Ignore";
        self.timeout_seconds = 2;
        self
    }

    /// Only the validating hook.
    #[must_use]
    pub fn only_validating(mut self) -> Self {
        self.mutates = false;
        self
    }

    /// Only the mutating hook.
    #[must_use]
    pub fn only_mutating(mut self) -> Self {
        self.validates = false;
        self
    }

    /// Makes the configurations, and waits until the API server goes by them.
    ///
    /// # Panics
    /// When it does not.
    pub async fn apply(&self, cluster: &Cluster, webhook: &Webhook) {
        let client = cluster.client().await;
        if self.mutates {
            let configuration: MutatingWebhookConfiguration = typed(self.mutating(webhook));
            let made = Api::all(client.clone()).create(&PostParams::default(), &configuration).await;
            made.unwrap_or_else(|error| panic!("no configuration {}: {error}", self.name));
        }
        if self.validates {
            let configuration: ValidatingWebhookConfiguration = typed(self.validating(webhook));
            let made = Api::all(client).create(&PostParams::default(), &configuration).await;
            made.unwrap_or_else(|error| panic!("no configuration {}: {error}", self.name));
        }
        self.called(cluster, webhook).await;
    }

    /// Takes the configurations away. The API server may still call for a moment.
    pub async fn remove(&self, cluster: &Cluster) {
        let client = cluster.client().await;
        let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let validating: Api<ValidatingWebhookConfiguration> = Api::all(client);
        let _ = mutating.delete(&self.name, &DeleteParams::default()).await;
        let _ = validating.delete(&self.name, &DeleteParams::default()).await;
    }

    /// Tries pods, which are not stored, in each namespace until the webhook was asked about one.
    async fn called(&self, cluster: &Cluster, webhook: &Webhook) {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let hooks = [("mutate", self.mutates), ("validate", self.validates)];
        let hooks: Vec<String> =
            hooks.iter().filter(|(_, on)| *on).map(|(hook, _)| format!("webhook=\"{hook}\"")).collect();
        for namespace in &self.namespaces {
            let pods: Api<DynamicObject> = Api::namespaced_with(cluster.client().await, namespace, &kind);
            // A LimitRange may refuse the one or the other before the validating hook is asked.
            let resources = [json!({}), json!({"limits": {"cpu": "10m", "memory": "16Mi"}})];
            let candidates = resources.map(|resources| {
                typed::<DynamicObject>(
                    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "called-"},
                    "spec": {"containers": [
                        {"name": "c", "image": "registry.k8s.io/pause:3.10", "resources": resources},
                    ]}}),
                )
            });
            for hook in &hooks {
                let asked = async || webhook.metric("buttress_admission_requests_total", &[hook]).await;
                let before = asked().await;
                eventually(&format!("{} is asked about pods of {namespace}", self.name), async || {
                    for pod in &candidates {
                        let _ = pods.create(&dry, pod).await;
                    }
                    (asked().await > before).then_some(())
                })
                .await;
            }
        }
    }

    fn mutating(&self, webhook: &Webhook) -> Value {
        let mut hook = self.hook("pods.mutate.buttress.dev", "mutate", webhook, json!([pods(&["CREATE"], &["pods"])]));
        hook["reinvocationPolicy"] = json!("IfNeeded");
        json!({"metadata": {"name": self.name}, "webhooks": [hook]})
    }

    fn validating(&self, webhook: &Webhook) -> Value {
        let rules = json!([
            pods(&["CREATE", "UPDATE"], &["pods"]),
            pods(&["UPDATE"], &["pods/ephemeralcontainers", "pods/resize"]),
        ]);
        let pods = self.hook("pods.validate.buttress.dev", "validate", webhook, rules);
        let rules = json!([
            {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments", "statefulsets", "daemonsets", "replicasets"]},
            {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                "resources": ["jobs", "cronjobs"]},
        ]);
        let workloads = self.hook("workloads.validate.buttress.dev", "validate", webhook, rules);
        json!({"metadata": {"name": self.name}, "webhooks": [pods, workloads]})
    }

    fn hook(&self, name: &str, path: &str, webhook: &Webhook, rules: Value) -> Value {
        let mut client = match &self.service {
            Some((namespace, name)) => {
                json!({"service": {"namespace": namespace, "name": name, "path": format!("/{path}")}})
            }
            None => json!({"url": format!("https://{}/{path}", webhook.address())}),
        };
        client["caBundle"] = json!(ByteString(webhook.authority().as_bytes().to_vec()));
        json!({
            "name": name,
            "rules": rules,
            "clientConfig": client,
            "namespaceSelector": {"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "In", "values": self.namespaces},
            ]},
            "failurePolicy": self.failure_policy,
            "timeoutSeconds": self.timeout_seconds,
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        })
    }
}

fn pods(operations: &[&str], resources: &[&str]) -> Value {
    json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": operations, "resources": resources, "scope": "Namespaced"})
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("not of its type: {error}"))
}
