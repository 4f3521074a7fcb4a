//! The `caBundle` of our webhook configurations, and nothing else in them.

use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::api::{DEADLINE, call};
use crate::error::CertsError;
use crate::event::{Event, Events};

/// The name under which the API server knows what we wrote.
pub const FIELD_MANAGER: &str = "buttress-webhook-certs";

/// A webhook configuration, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configuration {
    /// A MutatingWebhookConfiguration.
    Mutating(String),
    /// A ValidatingWebhookConfiguration.
    Validating(String),
}

impl Configuration {
    fn name(&self) -> &str {
        match self {
            Self::Mutating(name) | Self::Validating(name) => name,
        }
    }

    fn resource(&self) -> ApiResource {
        match self {
            Self::Mutating(_) => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
            Self::Validating(_) => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource().plural, self.name())
    }
}

/// The configurations of a cluster.
pub(crate) struct Bundles(Vec<(Configuration, Api<DynamicObject>)>);

/// A configuration that was found.
pub(crate) struct Registered<'a> {
    configuration: &'a Configuration,
    api: &'a Api<DynamicObject>,
    version: Option<String>,
    uid: Option<String>,
    /// Its webhooks by name, and what each has as `caBundle`, in base64.
    webhooks: Vec<(String, Option<String>)>,
}

impl Bundles {
    pub(crate) fn new(client: &Client, configurations: &[Configuration]) -> Self {
        let api = |it: &Configuration| Api::all_with(client.clone(), &it.resource());
        Self(configurations.iter().map(|it| (it.clone(), api(it))).collect())
    }

    /// Reads those that are there.
    pub(crate) async fn read(&self) -> Result<Vec<Registered<'_>>, CertsError> {
        let mut found = Vec::new();
        for (configuration, api) in &self.0 {
            let doing = format!("read {configuration}");
            if let Some(object) = call(&doing, DEADLINE, api.get_opt(configuration.name())).await? {
                found.push(Registered::new(configuration, api, object));
            }
        }
        Ok(found)
    }
}

/// Whether each of them has `bundle` everywhere.
pub(crate) fn is_published(found: &[Registered<'_>], bundle: &str) -> bool {
    let bundle = base64(bundle);
    found.iter().all(|it| it.has(&bundle))
}

impl<'a> Registered<'a> {
    fn new(configuration: &'a Configuration, api: &'a Api<DynamicObject>, object: DynamicObject) -> Self {
        let webhooks = object.data["webhooks"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let webhooks = webhooks.filter_map(|webhook| {
            let bundle = webhook["clientConfig"]["caBundle"].as_str();
            Some((webhook["name"].as_str()?.to_owned(), bundle.map(str::to_owned)))
        });
        let webhooks = webhooks.collect();
        Self { configuration, api, version: object.metadata.resource_version, uid: object.metadata.uid, webhooks }
    }

    fn has(&self, bundle: &Value) -> bool {
        self.webhooks.iter().all(|(_, has)| has.as_deref() == bundle.as_str())
    }

    /// Writes `bundle`, where it is not there yet.
    pub(crate) async fn write(&self, bundle: &str, events: &Events) -> Result<(), CertsError> {
        let bundle = base64(bundle);
        if self.has(&bundle) {
            return Ok(());
        }
        let resource = self.configuration.resource();
        let webhooks: Vec<_> =
            self.webhooks.iter().map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": bundle}})).collect();
        // With the version and identity that was read: what was changed or deleted meanwhile is not ours to bring back.
        let patch = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": self.configuration.name(), "uid": self.uid, "resourceVersion": self.version},
            "webhooks": webhooks,
        });
        // The field is ours by contract, whoever wrote an empty or an old one into it.
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let doing = format!("write the caBundle of {}", self.configuration);
        let patch = Patch::Apply(&patch);
        let request = self.api.patch(self.configuration.name(), &params, &patch);
        match call(&doing, DEADLINE, request).await {
            Ok(_) => {
                events.happened(&Event::BundleWritten { configuration: self.configuration.to_string() });
                Ok(())
            }
            Err(failed) => Err(failed.into()),
        }
    }
}

fn base64(bundle: &str) -> Value {
    json!(ByteString(bundle.as_bytes().to_vec()))
}
