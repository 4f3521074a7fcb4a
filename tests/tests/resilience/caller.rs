//! Calls to the webhook as the API server makes them, but each over a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Connects as who trusts `bundle`, PEM, and expects a server called `name`: the certificate that it shows, or why it is not
/// believed.
pub(crate) async fn shown(address: SocketAddr, name: &str, bundle: &str) -> Result<CertificateDer<'static>, String> {
    let stream = timeout(LIMIT, connect(address, name, bundle)).await.map_err(|error| error.to_string())?;
    let stream = stream.map_err(|error| error.to_string())?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

/// The `response` to a review of the creation of `pod`, sent to `path`.
pub(crate) async fn review(address: SocketAddr, bundle: &str, path: &str, pod: &Value) -> Value {
    Connection::open(address, bundle).await.review(path, pod).await
}

/// A connection that is there before there is a request for it.
pub(crate) struct Connection(TlsStream<TcpStream>);

impl Connection {
    /// Connects to a webhook that serves as 127.0.0.1.
    pub(crate) async fn open(address: SocketAddr, bundle: &str) -> Self {
        Self(timeout(LIMIT, connect(address, "127.0.0.1", bundle)).await.unwrap().unwrap())
    }

    /// Sends its only request: a review of the creation of `pod`, to `path`. Returns the `response`.
    pub(crate) async fn review(self, path: &str, pod: &Value) -> Value {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE", "dryRun": false, "userInfo": {"username": "somebody"},
            "object": pod, "oldObject": null, "options": null,
        }})
        .to_string();
        let head = format!(
            "POST {path}?timeout=2s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            review.len()
        );
        let mut stream = self.0;
        let answer = timeout(LIMIT, async {
            stream.write_all((head + &review).as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        });
        let answer = answer.await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        serde_json::from_str::<Value>(body).unwrap()["response"].take()
    }
}

async fn connect(address: SocketAddr, name: &str, bundle: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(bundle) {
        roots.add(certificate).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificates of a bundle.
pub(crate) fn certificates(bundle: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(bundle.as_bytes()).map(Result::unwrap).collect()
}
