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

/// The configurations whose `caBundle` is ours.
pub(crate) struct Configurations(Vec<(Configuration, Api<DynamicObject>)>);

/// Those that were found, with what went wrong.
pub(crate) struct Bundles<'a> {
    found: Vec<Registered<'a>>,
    outcome: Result<(), CertsError>,
}

/// A configuration that was found.
struct Registered<'a> {
    configuration: &'a Configuration,
    api: &'a Api<DynamicObject>,
    version: Option<String>,
    uid: Option<String>,
    /// Its webhooks by name, and what each has as `caBundle`, in base64.
    webhooks: Vec<(String, Option<String>)>,
}

impl Configurations {
    pub(crate) fn new(client: &Client, configurations: &[Configuration]) -> Self {
        let api = |it: &Configuration| Api::all_with(client.clone(), &it.resource());
        Self(configurations.iter().map(|it| (it.clone(), api(it))).collect())
    }

    /// Reads those that are there. One that cannot be read does not keep the others from being written.
    pub(crate) async fn read(&self) -> Bundles<'_> {
        let mut bundles = Bundles { found: Vec::new(), outcome: Ok(()) };
        for (configuration, api) in &self.0 {
            let doing = format!("read {configuration}");
            match call(&doing, DEADLINE, api.get_opt(configuration.name())).await {
                Ok(Some(object)) => bundles.found.push(Registered::new(configuration, api, object)),
                Ok(None) => {}
                Err(failed) => bundles.outcome = bundles.outcome.and(Err(failed.into())),
            }
        }
        bundles
    }
}

impl Bundles<'_> {
    /// Whether each configuration that there is was seen to have `bundle` everywhere.
    pub(crate) fn are(&self, bundle: &str) -> bool {
        let bundle = base64(bundle);
        self.outcome.is_ok() && self.found.iter().all(|it| it.has(&bundle))
    }

    /// Writes `bundle` into each, where it is not there yet.
    pub(crate) async fn write(&mut self, bundle: &str, events: &Events) {
        let bundle = base64(bundle);
        for registered in self.found.iter().filter(|it| !it.has(&bundle)) {
            let written = registered.write(&bundle).await;
            if matches!(written, Ok(true)) {
                let configuration = registered.configuration.to_string();
                events.happened(&Event::BundleWritten { configuration });
            }
            self.outcome = self.outcome.clone().and(written.map(drop));
        }
    }

    /// The first thing that went wrong, if anything did.
    pub(crate) fn outcome(self) -> Result<(), CertsError> {
        self.outcome
    }
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

    /// Writes `bundle`. Tells whether it is done: what changed or went since it was read is read again the next time.
    async fn write(&self, bundle: &Value) -> Result<bool, CertsError> {
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
            Ok(_) => Ok(true),
            Err(failed) if failed.is_conflict() || failed.is_absent() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }
}

fn base64(bundle: &str) -> Value {
    json!(ByteString(bundle.as_bytes().to_vec()))
}
