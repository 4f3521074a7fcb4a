//! Objects as the API server gives them, untyped: a proof that nothing changed must not lose what a type does not know.

use std::net::SocketAddr;

use axum::http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::process::Command;

use super::start::Cluster;
use super::wait::eventually;
use super::webhook::binary;

impl Cluster {
    /// Gets what is at a path of the API, such as `/apis/apps/v1/namespaces/ml/deployments/llm`; `None` where nothing is.
    ///
    /// # Panics
    /// When the API server does not answer, or refuses.
    pub async fn get(&self, path: &str) -> Option<Value> {
        get(self.client().await, path).await
    }

    /// The pods of a namespace.
    pub async fn pods(&self, namespace: &str) -> Vec<Value> {
        let list = self.get(&format!("/api/v1/namespaces/{namespace}/pods")).await;
        let items = list.and_then(|mut list| list["items"].as_array_mut().map(std::mem::take));
        items.unwrap_or_default()
    }

    /// Makes an object by POST to the path of its collection; what the API server stored, or why it refused.
    ///
    /// # Panics
    /// When the API server does not answer.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, String> {
        let request =
            Request::post(path).header("content-type", "application/json").body(object.to_string().into_bytes());
        let request = request.unwrap_or_else(|error| panic!("bad path {path}: {error}"));
        match self.client().await.request(request).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("POST {path}: {error}"),
        }
    }

    /// Installs the kind of our Policies, as the binary under test prints it, and waits until it is served. Once more, it
    /// changes nothing.
    ///
    /// # Panics
    /// When the API server does not take it.
    pub async fn install_policies(&self) {
        let printed = Command::new(binary("buttress-webhook-under-test")).arg("crd").output().await;
        let printed = printed.unwrap_or_else(|error| panic!("the webhook does not run: {error}"));
        let crd = String::from_utf8_lossy(&printed.stdout);
        let applied = self.kubectl_with(&["apply", "--server-side", "-f", "-"], &crd).await;
        assert!(applied.success, "the CustomResourceDefinition is refused: {}", applied.stderr);
        eventually("the kind of Policies is served", async || {
            let crd = self.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/policies.buttress.dev").await?;
            let conditions = crd["status"]["conditions"].as_array()?;
            let established = |condition: &&Value| condition["type"] == "Established" && condition["status"] == "True";
            conditions.iter().find(established).map(|_| ())
        })
        .await;
    }

    /// Makes a Service `name` that has `address` behind it, as if a pod served there. Loopback is refused; take
    /// [`super::host_address`], and start the cluster [`super::Options::with_aggregator_routing`].
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn serve_at(&self, namespace: &str, name: &str, port: u16, address: SocketAddr) {
        let service =
            json!({"metadata": {"name": name}, "spec": {"ports": [{"port": port, "targetPort": address.port()}]}});
        let made = self.create(&format!("/api/v1/namespaces/{namespace}/services"), &service).await;
        made.unwrap_or_else(|error| panic!("no Service {name}: {error}"));
        self.endpoints(namespace, name, &[address]).await;
    }

    /// Makes the EndpointSlice of a Service without selector, which gives it these addresses of one and the same port, or
    /// changes it to these.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn endpoints(&self, namespace: &str, service: &str, addresses: &[SocketAddr]) {
        let endpoints: Vec<Value> = addresses
            .iter()
            .map(|address| json!({"addresses": [address.ip()], "conditions": {"ready": true}}))
            .collect();
        let ports: Vec<Value> = addresses
            .iter()
            .take(1)
            .map(|address| json!({"name": "", "port": address.port(), "protocol": "TCP"}))
            .collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": ports,
        });
        self.apply(namespace, &slice.to_string()).await;
    }
}

async fn get(client: Client, path: &str) -> Option<Value> {
    let request = Request::get(path).body(Vec::new()).unwrap_or_else(|error| panic!("bad path {path}: {error}"));
    match client.request(request).await {
        Ok(object) => Some(object),
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => panic!("GET {path}: {error}"),
    }
}
