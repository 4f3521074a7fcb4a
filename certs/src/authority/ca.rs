//! One authority: its certificate and key, made, read and signed with.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::backdate;
use crate::error::CertsError;
use crate::identity::Identity;
use crate::validity::{Validity, earlier, later};

/// An authority with its key. ECDSA on P-256, which every client knows.
pub struct Ca {
    certificate: CertificateDer<'static>,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Makes one that lives from `now` on for `lifetime`.
    ///
    /// # Errors
    /// When the system has no random numbers, or `now` is no time for a certificate.
    pub fn make(now: Timestamp, lifetime: Duration) -> Result<Self, CertsError> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, earlier(now, backdate(lifetime)), later(now, lifetime))?;
        let mut name = DistinguishedName::new();
        // The time makes the name one of its own: clients look for an issuer by its name.
        name.push(DnType::CommonName, format!("buttress-webhook-ca-{}", now.as_second()));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(failed)?.der().clone();
        Self::new(certificate, key)
    }

    /// Reads one from its certificate and key, as DER and PEM.
    ///
    /// # Errors
    /// When one cannot be read, they do not belong together, or the certificate is none of an authority.
    pub(crate) fn read(certificate: CertificateDer<'static>, key: &str) -> Result<Self, CertsError> {
        // What the library says is left out: it may quote what it read.
        let key = KeyPair::from_pem(key).map_err(|_| CertsError::new("the private key cannot be read"))?;
        Self::new(certificate, key)
    }

    fn new(certificate: CertificateDer<'static>, key: KeyPair) -> Result<Self, CertsError> {
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_| CertsError::new("the certificate cannot be read"))?;
        if !parsed.is_ca() {
            return Err(CertsError::new("the certificate is none of an authority (basicConstraints without CA)"));
        }
        if parsed.public_key().subject_public_key.data != rcgen::PublicKeyData::der_bytes(&key) {
            return Err(CertsError::new("the private key does not belong to the certificate"));
        }
        let validity = Validity::of(&certificate)
            .ok_or_else(|| CertsError::new("the certificate has no dates that can be read"))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(failed)?;
        Ok(Self { certificate, validity, issuer })
    }

    /// The certificate, for those who are to trust it.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// From when to when it is good.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The private key, for the Secret alone.
    pub(crate) fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs a new key for a server that is called by `names`, DNS names and IP addresses. It lives from `now` on for
    /// `lifetime`, and no longer than its authority.
    ///
    /// # Errors
    /// When a name is none, or the authority is not good now.
    pub fn sign(&self, names: &[String], now: Timestamp, lifetime: Duration) -> Result<Identity, CertsError> {
        if !self.validity.holds(now) {
            let Validity { not_before, not_after } = self.validity;
            return Err(CertsError::new(format!(
                "the authority is good from {not_before} to {not_after} only, and not now by our clock"
            )));
        }
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        let begins = earlier(now, backdate(lifetime)).max(self.validity.not_before);
        set_validity(&mut params, begins, later(now, lifetime).min(self.validity.not_after))?;
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = names.first().filter(|name| name.len() <= 64) {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Identity::new(vec![certificate.der().clone()], key)
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("validity", &self.validity).finish_non_exhaustive()
    }
}

/// Certificates have whole seconds: begun ones at the beginning, and none at the end.
fn set_validity(params: &mut CertificateParams, from: Timestamp, to: Timestamp) -> Result<(), CertsError> {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).ok()?;
        // The year 9999 is the last that a certificate can tell.
        (seconds < 253_402_300_800).then(|| epoch + Duration::from_secs(seconds))
    };
    let (Some(from), Some(to)) = (at(from), at(to)) else {
        return Err(CertsError::new("the clock tells a time that a certificate cannot; set it"));
    };
    (params.not_before, params.not_after) = (from, to);
    Ok(())
}

fn alternative(name: &str) -> Result<SanType, CertsError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refuse = || CertsError::new(format!("{name:?} is neither a DNS name nor an IP address"));
    rustls::pki_types::DnsName::try_from(name).map_err(|_| refuse())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refuse())?))
}

fn failed(error: rcgen::Error) -> CertsError {
    CertsError::new(format!("cannot make a certificate: {error}"))
}
