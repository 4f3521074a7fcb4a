//! The Secret of the authority: read and written by name, never over what somebody else wrote in between.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};

use super::api::{DEADLINE, call};
use super::bundle::FIELD_MANAGER;
use crate::authority::State;
use crate::error::CertsError;

/// Where the Secret is.
pub(crate) struct Store {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

/// What was found there.
pub(crate) struct Found {
    /// Its content; empty when there is no Secret.
    pub(crate) state: State,
    /// What of the content was spoilt.
    pub(crate) faults: Vec<CertsError>,
    /// Whether it is to be written anew even where nothing is to be changed.
    pub(crate) untidy: bool,
    /// Its `resourceVersion`; `None` when there is no Secret.
    version: Option<String>,
}

impl Found {
    /// Whether what it held may be missing.
    pub(crate) fn is_damaged(&self) -> bool {
        !self.faults.is_empty() || self.state.is_empty()
    }
}

/// What became of writing.
pub(crate) enum Written {
    /// It is done.
    Done,
    /// Somebody else was faster: read again.
    Overtaken,
}

impl Store {
    pub(crate) fn new(client: &Client, namespace: &str, name: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) async fn read(&self) -> Result<Found, CertsError> {
        let doing = format!("read the Secret {}/{}", self.namespace, self.name);
        let Some(secret) = call(&doing, DEADLINE, self.api.get_opt(&self.name)).await? else {
            return Ok(Found { state: State::default(), faults: Vec::new(), untidy: false, version: None });
        };
        let data: BTreeMap<_, _> =
            secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
        let (state, faults) = State::read(&data);
        let untidy = !faults.is_empty() || !state.is_told_by(&data);
        Ok(Found { state, faults, untidy, version: secret.metadata.resource_version })
    }

    /// Writes `state` in the place of what was `found`.
    pub(crate) async fn write(&self, found: &Found, state: &State) -> Result<Written, CertsError> {
        let written = match &found.version {
            None => self.create(state).await,
            Some(version) => self.patch(version, state).await,
        };
        match written {
            Ok(_) => Ok(Written::Done),
            Err(failed) if failed.is_conflict() || (failed.is_absent() && found.version.is_some()) => {
                Ok(Written::Overtaken)
            }
            Err(failed) => Err(failed.into()),
        }
    }

    async fn create(&self, state: &State) -> Result<Secret, super::api::Failed> {
        let doing = format!(
            "create the Secret {}/{}, which is not there (it may be made empty beforehand, then no right to create is needed)",
            self.namespace, self.name
        );
        let mut secret = Secret { type_: Some("Opaque".to_owned()), ..Secret::default() };
        secret.metadata.name = Some(self.name.clone());
        secret.data = Some(state.data().into_iter().map(|(key, value)| (key, ByteString(value))).collect());
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        call(&doing, DEADLINE, self.api.create(&params, &secret)).await
    }

    /// Sets our keys, takes away those of ours that are to be empty, and leaves everything else alone. The API server
    /// refuses when the Secret is no longer of `version`.
    async fn patch(&self, version: &str, state: &State) -> Result<Secret, super::api::Failed> {
        let doing = format!("write the Secret {}/{}", self.namespace, self.name);
        let mut values = state.data();
        let data: Map<_, _> = State::keys()
            .into_iter()
            .map(|key| (key.to_owned(), values.remove(key).map_or(Value::Null, |value| json!(ByteString(value)))))
            .collect();
        let patch = json!({"metadata": {"resourceVersion": version}, "data": data});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        call(&doing, DEADLINE, self.api.patch(&self.name, &params, &Patch::Merge(&patch))).await
    }
}
