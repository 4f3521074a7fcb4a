//! Rules on versions of the Kubernetes API.

pub mod deprecated_kustomize_field;
mod kubernetes;
pub mod removed_api;
pub mod wrong_api_version;

pub(crate) use kubernetes::is_built_in;
