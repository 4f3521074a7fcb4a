//! The certificate that is served now, and the TLS side of a server that serves it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::ClientAuthority;
use crate::error::CertsError;
use crate::identity::Identity;
use crate::validity::Validity;

/// The longest that a handshake with ourselves may take.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// The identity that is served now. Cheap to clone; clones serve the same. As long as there is none, handshakes fail.
#[derive(Clone, Default)]
pub struct Served(Arc<ArcSwapOption<Identity>>);

impl Served {
    /// Serves nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `identity` from the next handshake on. Connections that stand are not touched.
    pub fn swap(&self, identity: Identity) {
        self.0.store(Some(Arc::new(identity)));
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Identity>> {
        self.0.load_full()
    }

    /// Shakes hands with our own listener, and so finds out whether clients can.
    ///
    /// It is done by TLS 1.3 without a client certificate, whether or not the listener demands one: in that version the
    /// client is through with the server's certificate, its proof of the key and its word that the handshake was not
    /// tampered with before the server looks for the client's. That we are then turned away tells nothing of the listener's
    /// own health.
    ///
    /// # Errors
    /// When nothing listens there, or does not show exactly the certificate that is served now, or when that is not within
    /// its validity.
    pub async fn handshake(&self, address: SocketAddr) -> Result<(), CertsError> {
        let expected = self.current().ok_or_else(|| CertsError::new("there is no serving certificate yet"))?;
        if !expected.validity().holds(Timestamp::now()) {
            let Validity { not_before, not_after } = expected.validity();
            return Err(CertsError::new(format!(
                "the serving certificate is good from {not_before} to {not_after} only, and the clock says {}",
                Timestamp::now()
            )));
        }
        let verifier = Exactly {
            served: self.clone(),
            expected,
            algorithms: default_provider().signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| CertsError::new(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.alpn_protocols = protocols();
        let address = reachable(address);
        let outcome = timeout(HANDSHAKE, async {
            let stream = TcpStream::connect(address).await?;
            let mut stream = TlsConnector::from(Arc::new(config)).connect(address.ip().into(), stream).await?;
            // The answer to the goodbye is not waited for: a listener that wants a client certificate hangs up.
            let _ = stream.shutdown().await;
            std::io::Result::Ok(())
        });
        match outcome.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CertsError::new(format!("TLS handshake with {address} failed: {error}"))),
            Err(_) => Err(CertsError::new(format!("TLS handshake with {address} took more than {HANDSHAKE:?}"))),
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Served").field(&self.current()).finish()
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().map(|identity| Arc::clone(identity.certified_key()))
    }
}

/// The TLS side of a server that shows what is served, and that lets in only clients of `clients`, if given.
///
/// # Errors
/// When the TLS library refuses; nothing that can be configured makes it do so.
pub fn server_config(served: &Served, clients: Option<ClientAuthority>) -> Result<Arc<ServerConfig>, CertsError> {
    // Named and not taken from the process: two libraries that bring one each would make the choice panic.
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| CertsError::new(format!("TLS cannot be set up: {error}")))?;
    let resolver = Arc::new(served.clone());
    let mut config = match clients {
        None => builder.with_no_client_auth().with_cert_resolver(resolver),
        Some(clients) => {
            let mut config = builder.with_client_cert_verifier(Arc::new(clients)).with_cert_resolver(resolver);
            // A resumed session is not verified again, and would outlive the removal of its client's authority.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config
        }
    };
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

/// Where a listener on `address` is reached from the same machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Accepts the one certificate that is served, whoever signed it.
#[derive(Debug)]
struct Exactly {
    served: Served,
    /// What was served as the handshake began: a change in between is no failure.
    expected: Arc<Identity>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is = |identity: &Identity| identity.chain().first().is_some_and(|own| own == shown);
        if is(&self.expected) || self.served.current().is_some_and(|identity| is(&identity)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General("the listener shows another certificate than the one that is served".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
