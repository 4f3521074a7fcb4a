//! Kubeconfig files: how kubectl, the control plane and the webhook under test come to the API server.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::certificates::Pair;

/// By what somebody is known to the API server.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A client certificate.
    Certificate(Pair),
    /// A bearer token.
    Token(String),
}

/// Writes the kubeconfig `NAME.kubeconfig` in `folder`. It holds no more than paths and, where there is one, the token.
pub(super) fn write(folder: &Path, name: &str, server: &str, authority: &Path, credentials: &Credentials) -> PathBuf {
    let user = match credentials {
        Credentials::Certificate(pair) => json!({"client-certificate": pair.certificate, "client-key": pair.key}),
        Credentials::Token(token) => json!({"token": token}),
    };
    let config: Value = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
    });
    let file = folder.join(format!("{}.kubeconfig", name.replace([':', '/'], "-")));
    fs::write(&file, config.to_string()).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    file
}
