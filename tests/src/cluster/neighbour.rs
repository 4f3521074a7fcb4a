//! Another mutating webhook, as a service mesh has one, so that both orders can be tried. A fake of what such a webhook
//! does to a pod; the API server, the order of calls and the reinvocation are real.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::routing::post;
use axum::serve::Listener;
use axum::{Json, Router};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, PostParams};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::start::Cluster;
use super::wait::eventually;

/// A mutating webhook that serves as long as it lives, in the runtime of the test.
#[derive(Debug)]
pub struct Neighbour {
    calls: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

/// Gives the JSON Patch for a pod; an empty one where it is content.
type Mutate = Arc<dyn Fn(&Value) -> Value + Send + Sync>;

impl Neighbour {
    /// Serves `mutate`, which gives a JSON Patch for a pod, and registers it for the creation of pods in `namespace`. The
    /// name of the configuration decides whether it is called before another one or after it.
    ///
    /// # Panics
    /// When the API server does not come to call it.
    pub async fn start(
        cluster: &Cluster,
        name: &str,
        namespace: &str,
        mutate: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let listener = Tls::bind(cluster, name).await;
        let address = listener.tcp.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let calls = Arc::new(AtomicUsize::new(0));
        let state: (Arc<AtomicUsize>, Mutate) = (calls.clone(), Arc::new(mutate));
        let router = Router::new().route("/", post(answer)).with_state(state);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let neighbour = Self { calls, server };
        let configuration = configuration(cluster, name, namespace, address);
        let client = cluster.client().await;
        let made = Api::all(client.clone()).create(&PostParams::default(), &configuration).await;
        made.unwrap_or_else(|error| panic!("no configuration {name}: {error}"));
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client, namespace);
        let pod =
            json!({"metadata": {"generateName": "called-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let pod = serde_json::from_value(pod).unwrap_or_else(|error| panic!("no pod: {error}"));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        eventually(&format!("{name} is asked"), async || {
            let _ = pods.create(&dry, &pod).await;
            (neighbour.calls() > 0).then_some(())
        })
        .await;
        neighbour
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State((calls, mutate)): State<(Arc<AtomicUsize>, Mutate)>, Json(review): Json<Value>) -> Json<Value> {
    calls.fetch_add(1, Ordering::SeqCst);
    let patch = mutate(&review["request"]["object"]);
    let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
    if patch.as_array().is_some_and(|operations| !operations.is_empty()) {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(ByteString(patch.to_string().into_bytes()));
    }
    Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
}

fn configuration(cluster: &Cluster, name: &str, namespace: &str, address: SocketAddr) -> MutatingWebhookConfiguration {
    let configuration = json!({"metadata": {"name": name}, "webhooks": [{
        "name": "neighbour.buttress.test",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "clientConfig": {
            "url": format!("https://{address}/"),
            "caBundle": ByteString(cluster.authority().pem().into_bytes()),
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }]});
    serde_json::from_value(configuration).unwrap_or_else(|error| panic!("no configuration: {error}"))
}

/// Connections over TLS, one handshake after another: the API server is the only client.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Tls {
    async fn bind(cluster: &Cluster, name: &str) -> Self {
        let pair = cluster.authority().serving(name, &["127.0.0.1"]);
        let certificate = CertificateDer::from_pem_file(&pair.certificate);
        let certificate = certificate.unwrap_or_else(|error| panic!("no certificate: {error}"));
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap_or_else(|error| panic!("no key: {error}"));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key));
        let config = config.unwrap_or_else(|error| panic!("no TLS: {error}"));
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap_or_else(|error| panic!("no port: {error}"));
        Self { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, from)) = self.tcp.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, from);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
