//! The bundles of authorities in the webhook configurations, read and written as by somebody other than the webhook.

use k8s_openapi::ByteString;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::json;

/// Both webhook configurations of a name.
pub(crate) struct Configurations {
    apis: [Api<DynamicObject>; 2],
    name: String,
}

impl Configurations {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        let api = |kind: &str| {
            let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
        };
        let apis = [api("MutatingWebhookConfiguration"), api("ValidatingWebhookConfiguration")];
        Self { apis, name: name.to_owned() }
    }

    /// The bundles that they hold, each once.
    pub(crate) async fn bundles(&self) -> kube::Result<Vec<String>> {
        let mut bundles = Vec::new();
        for api in &self.apis {
            let object = api.get(&self.name).await?;
            for webhook in object.data["webhooks"].as_array().unwrap() {
                let bundle: ByteString = serde_json::from_value(webhook["clientConfig"]["caBundle"].clone()).unwrap();
                bundles.push(String::from_utf8(bundle.0).unwrap());
            }
        }
        bundles.dedup();
        Ok(bundles)
    }

    /// Writes a bundle into all of them.
    pub(crate) async fn trust(&self, bundle: &str) {
        for api in &self.apis {
            let mut object = api.get(&self.name).await.unwrap();
            for webhook in object.data["webhooks"].as_array_mut().unwrap() {
                webhook["clientConfig"]["caBundle"] = json!(ByteString(bundle.as_bytes().to_vec()));
            }
            api.replace(&self.name, &PostParams::default(), &object).await.unwrap();
        }
    }
}
