//! Breaking the glass: taking both webhook configurations away, so that nothing that Buttress does or fails to do can stop
//! a cluster.

use std::io::{self, Write};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::Client;
use kube::api::{Api, DeleteParams};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::cli::Disable;

/// How long the API server may take: who breaks glass is in a hurry.
const DEADLINE: Duration = Duration::from_secs(10);

/// Deletes both at once, and says so. One that cannot be deleted does not keep the other.
///
/// # Errors
/// With what is still there and why.
pub(crate) async fn disable(client: Client, arguments: &Disable) -> Result<(), String> {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client);
    let outcomes = tokio::join!(
        delete(&mutating, "mutatingwebhookconfiguration", &arguments.mutating_webhook_configuration),
        delete(&validating, "validatingwebhookconfiguration", &arguments.validating_webhook_configuration),
    );
    let mut failed = Vec::new();
    for outcome in [outcomes.0, outcomes.1] {
        match outcome {
            Ok(told) => say(&told),
            Err(error) => failed.push(error),
        }
    }
    if !failed.is_empty() {
        return Err(failed.join("\n"));
    }
    say(
        "Buttress is no longer called. Install it again to bring it back: `helm upgrade` with the same values, or `kubectl apply -f install.yaml`",
    );
    Ok(())
}

async fn delete<K>(api: &Api<K>, kind: &str, name: &str) -> Result<String, String>
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let why = match timeout(DEADLINE, api.delete(name, &DeleteParams::default())).await {
        Ok(Ok(_)) => return Ok(format!("{kind}/{name} deleted")),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(format!("{kind}/{name} is not there")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the API server did not answer within {DEADLINE:?}"),
    };
    Err(format!("cannot delete {kind}/{name}: {why}; try `kubectl delete {kind} {name}`, from where kubectl works"))
}

fn say(line: &str) {
    // Where nobody listens there is nobody to tell.
    let _ = writeln!(io::stdout().lock(), "{line}");
}
