//! Certificates made for the occasion, and a client that trusts them.

#![allow(dead_code, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name by which the API server calls.
pub(crate) const NAME: &str = "buttress-webhook.buttress-system.svc";

/// An authority and a serving certificate by it, in files that go away with this.
pub(crate) struct Certificates {
    pub(crate) folder: tempfile::TempDir,
    authority: String,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.path().join("tls.crt"), leaf.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
        Self { folder, authority: authority.pem() }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    /// Writes a file beside the certificate.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        std::fs::write(path.join(name), text).unwrap();
        path.join(name)
    }

    /// A client that trusts this authority and offers `protocols`.
    pub(crate) fn client(&self, protocols: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

pub(crate) async fn connect(client: &TlsConnector, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    client.connect(ServerName::try_from(NAME).unwrap(), stream).await
}

/// A connection over which requests are sent one after another.
pub(crate) enum Caller {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Caller {
    pub(crate) async fn http1(client: &TlsConnector, address: SocketAddr) -> Self {
        let stream = connect(client, address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    pub(crate) async fn http2(client: &TlsConnector, address: SocketAddr) -> Self {
        let stream = connect(client, address).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> hyper::Result<Response<Bytes>> {
        let request = |uri: String| {
            Request::post(uri)
                .header("host", NAME)
                .header("content-type", "application/json")
                .body(Full::new(body.clone()))
                .unwrap()
        };
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request(path.to_owned())).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request(format!("https://{NAME}{path}"))).await?
            }
        };
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}
