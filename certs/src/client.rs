//! The optional check of clients: a certificate by an authority of our choice, and one of some names.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use x509_parser::extensions::GeneralName;

use crate::error::CertsError;
use crate::event::{Events, Subject};
use crate::identity::{certificates, read};

/// Who may call: clients with a certificate by an authority in a file and, where names are given, with one of these names.
/// Cheap to clone; clones are reloaded together.
#[derive(Clone, Debug)]
pub struct ClientAuthority(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    names: Vec<String>,
    verifier: ArcSwap<Verifier>,
    /// SHA-256 of the content that was read last, good or not.
    seen: Mutex<[u8; 32]>,
}

/// Behind a struct, as what is swapped must have a size.
#[derive(Debug)]
struct Verifier(Arc<dyn ClientCertVerifier>);

impl ClientAuthority {
    /// Reads the authority from a PEM file with one or more certificates. A client must have one of `names` as its common
    /// name or as a DNS name; without any, every client of the authority is let in.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate, or one that cannot be an authority.
    pub fn read(path: &Path, names: Vec<String>) -> Result<Self, CertsError> {
        let text = content(path)?;
        let verifier = ArcSwap::from_pointee(verifier(path, &text)?);
        let seen = Mutex::new(Sha256::digest(&text).into());
        Ok(Self(Arc::new(Inner { path: path.to_owned(), names, verifier, seen })))
    }

    /// Reads the file again. Returns whether its content is another than before and good.
    ///
    /// # Errors
    /// As [`ClientAuthority::read`]; what there was is kept then.
    pub fn reload(&self) -> Result<bool, CertsError> {
        let Inner { path, verifier: current, seen, .. } = &*self.0;
        let text = content(path)?;
        let digest: [u8; 32] = Sha256::digest(&text).into();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == digest {
            return Ok(false);
        }
        // Noted only when it is good: a bad file is to be told each time it is looked at.
        current.store(Arc::new(verifier(path, &text)?));
        *seen = digest;
        Ok(true)
    }

    /// Looks at the file every `poll`, and checks clients by what is new and good. Never returns.
    pub async fn follow(self, poll: Duration, events: Events) {
        let mut ticks = interval(poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let clients = self.clone();
            if let Ok(outcome) = spawn_blocking(move || clients.reload()).await {
                events.outcome(Subject::ClientAuthority, outcome);
            }
        }
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0.verifier.load().0)
    }

    fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        let names = &self.0.names;
        if names.is_empty() {
            return true;
        }
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return false };
        let allowed = |name: &str| names.iter().any(|allowed| allowed == name);
        if certificate.subject().iter_common_name().any(|name| name.as_str().is_ok_and(allowed)) {
            return true;
        }
        let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return false };
        alternatives.value.general_names.iter().any(|name| matches!(name, GeneralName::DNSName(name) if allowed(name)))
    }
}

fn content(path: &Path) -> Result<Vec<u8>, CertsError> {
    read(path, "authority of the clients")
}

fn verifier(path: &Path, text: &[u8]) -> Result<Verifier, CertsError> {
    let refuse = |why: String| CertsError::new(format!("{}: cannot be used to check clients: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&path.display(), text)? {
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .map_err(|error| refuse(error.to_string()))?;
    Ok(Verifier(verifier))
}

impl ClientCertVerifier for ClientAuthority {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None, as hints cannot change with the file. Clients then show what they have.
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.current().verify_client_cert(certificate, intermediates, now)?;
        if !self.allows(certificate) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().supported_verify_schemes()
    }
}
