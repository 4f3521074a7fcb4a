//! A certificate chain with its key: read from PEM, with errors that tell what is wrong with which of them.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use sha2::{Digest as _, Sha256};

use crate::error::CertsError;
use crate::validity::Validity;

/// A certificate chain and its key, which belong together and can be served.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    validity: Validity,
    digest: [u8; 32],
}

impl Identity {
    /// Reads both from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should, when the two do not belong together, or when they are of
    /// a kind that is not supported.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, CertsError> {
        let chain = read(certificate, "certificate")?;
        let private = read(key, "private key")?;
        Self::from_pem((&certificate.display(), &chain), (&key.display(), &private))
    }

    /// Makes one of two PEM texts, each with the name under which errors speak of it.
    ///
    /// # Errors
    /// As [`Identity::read`], save for reading.
    pub fn from_pem(
        (certificate_name, certificate): (&dyn fmt::Display, &[u8]),
        (key_name, key): (&dyn fmt::Display, &[u8]),
    ) -> Result<Self, CertsError> {
        let chain = certificates(certificate_name, certificate)?;
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            let hint = if contains(key, b"ENCRYPTED") {
                "the key in it is encrypted; decrypt it with `openssl pkey -in FILE -out FILE`"
            } else if contains(key, b"BEGIN CERTIFICATE") {
                "holds a certificate and no private key; are --tls-cert-file and --tls-private-key-file swapped?"
            } else {
                "holds no private key; it needs a block of PEM that begins with `-----BEGIN PRIVATE KEY-----`"
            };
            CertsError::new(format!("{key_name}: {hint}"))
        })?;
        Self::new(chain, private)
    }

    /// Makes one of a chain, the server's own certificate first, and of its key.
    ///
    /// # Errors
    /// When the two do not belong together, or are of a kind that is not supported.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, CertsError> {
        let mut digest = Sha256::new();
        chain.iter().for_each(|certificate| digest.update(certificate));
        digest.update(key.secret_der());
        let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertsError::new(
                "the private key does not belong to the certificate; compare `openssl x509 -noout -pubkey -in CERT` with `openssl pkey -pubout -in KEY`",
            ),
            error => unusable(error),
        })?;
        // Read by the library that clients of rustls use too: what it refuses could not be verified by anyone.
        let own = key.end_entity_cert().map_err(unusable)?;
        ParsedCertificate::try_from(own).map_err(unusable)?;
        let validity = Validity::of(own).ok_or_else(|| unusable("it has no dates that can be read"))?;
        if let Some(bad) = key.cert.iter().position(|certificate| Validity::of(certificate).is_none()) {
            return Err(unusable(format!("certificate {} of the chain cannot be read", bad + 1)));
        }
        Ok(Self { key: Arc::new(key), validity, digest: digest.finalize().into() })
    }

    /// When the certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.validity.not_after
    }

    /// From when to when the certificate is good.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// SHA-256 of chain and key: equal when and only when the two are.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The chain, the server's own certificate first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Whether a client that calls by `name`, a DNS name or an IP address, accepts the certificate as far as names go.
    #[must_use]
    pub fn is_valid_for(&self, name: &str) -> bool {
        let (Ok(name), Ok(own)) = (ServerName::try_from(name), self.key.end_entity_cert()) else { return false };
        ParsedCertificate::try_from(own)
            .is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, &name).is_ok())
    }

    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// The certificates in a PEM text, at least one.
pub(crate) fn certificates(name: &dyn fmt::Display, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| CertsError::new(format!("{name}: is not good PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(CertsError::new(format!(
            "{name}: holds no certificate; it needs blocks of PEM that begin with `-----BEGIN CERTIFICATE-----`, the server's own first"
        )));
    }
    Ok(certificates)
}

/// The content of a file, `what` it is to hold being told when it cannot be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<Vec<u8>, CertsError> {
    fs::read(path).map_err(|error| CertsError::new(format!("{}: cannot read the {what}: {error}", path.display())))
}

fn unusable(why: impl fmt::Display) -> CertsError {
    CertsError::new(format!("the certificate or its private key cannot be used: {why}"))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
