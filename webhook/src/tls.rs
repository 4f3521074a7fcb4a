//! The serving certificate and key: read from files, with errors that tell what is wrong with which of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::config::ConfigError;

/// A certificate chain and its key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads both from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read, or does not hold what it should.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, ConfigError> {
        let text = read(certificate, "certificate")?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, _>>()
            .map_err(|error| ConfigError::new(format!("{}: is not good PEM: {error}", certificate.display())))?;
        if chain.is_empty() {
            return Err(ConfigError::new(format!(
                "{}: holds no certificate; it needs blocks of PEM that begin with `-----BEGIN CERTIFICATE-----`, the server's own first",
                certificate.display()
            )));
        }
        let text = read(key, "private key")?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            let hint = if contains(&text, b"ENCRYPTED") {
                "the key in it is encrypted; decrypt it with `openssl pkey -in FILE -out FILE`"
            } else if contains(&text, b"BEGIN CERTIFICATE") {
                "holds a certificate and no private key; are --tls-cert-file and --tls-private-key-file swapped?"
            } else {
                "holds no private key; it needs a block of PEM that begins with `-----BEGIN PRIVATE KEY-----`"
            };
            ConfigError::new(format!("{}: {hint}", key.display()))
        })?;
        Ok(Self { chain, key })
    }

    /// When the certificate ends, as seconds since 1970; `None` when it cannot be read.
    pub fn not_after(&self) -> Option<i64> {
        let (_, certificate) = x509_parser::parse_x509_certificate(self.chain.first()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }
}

/// The TLS side of a server that shows `identity`.
///
/// # Errors
/// When key and certificate do not belong together, or are of a kind that is not supported.
pub fn server_config(identity: Identity) -> Result<Arc<ServerConfig>, ConfigError> {
    let refuse = |error: Error| {
        ConfigError::new(match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                "the private key does not belong to the certificate; compare `openssl x509 -noout -pubkey -in CERT` with `openssl pkey -pubout -in KEY`".to_owned()
            }
            error => format!("the certificate or its private key cannot be used: {error}"),
        })
    };
    // Named and not taken from the process: two libraries that bring one each would make the choice panic.
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refuse)?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .map_err(refuse)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| ConfigError::new(format!("{}: cannot read the {what}: {error}", path.display())))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
