//! What the Secret of the authority holds, and how it changes with time.
//!
//! A new authority is trusted first, and signs when it was in every webhook configuration for the propagation delay; the
//! one before it stays trusted until it has ended, and what it signed has with it:
//!
//! ```text
//! nothing ──► A signs ──(2/3 of A)──► A signs, B is next ──(B trusted for the delay)──► B signs, A is trusted ──(A ended)──► …
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding, Pem};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Lifetimes, backdate, ca::Ca};
use crate::error::CertsError;
use crate::validity::{Validity, later};

/// The keys of the Secret. The first three are where tools look for an authority.
const SIGNING: (&str, &str) = ("tls.crt", "tls.key");
const TRUSTED: &str = "ca.crt";
const NEXT: (&str, &str) = ("next.crt", "next.key");

/// The most authorities that are trusted at a time; a Secret with more of them was not written by us.
const MAX_TRUSTED: usize = 16;

/// What the Secret holds.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The authority that signs.
    pub signing: Option<Arc<Ca>>,
    /// The authority that will. It is trusted, and does not sign yet.
    pub next: Option<Arc<Ca>>,
    /// Every authority that is trusted, those above and what came before, oldest first.
    pub trusted: Vec<CertificateDer<'static>>,
}

/// What the leader is to do.
#[derive(Debug)]
pub struct Advice {
    /// What the Secret is to hold.
    pub state: State,
    /// Whether an authority was made.
    pub made: bool,
    /// Whether another authority signs.
    pub switched: bool,
}

impl State {
    /// Reads what a Secret holds, and tells what of it is spoilt and left out. An empty Secret is an empty state.
    #[must_use]
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> (Self, Vec<CertsError>) {
        let mut faults = Vec::new();
        let value = |key: &str| data.get(key).filter(|value| !value.is_empty());
        let mut pair = |(certificate, key): (&str, &str)| {
            let outcome = match (value(certificate), value(key)) {
                (None, None) => return None,
                (Some(certificate), Some(key)) => read(certificate, key),
                (None, Some(_)) => Err(CertsError::new("the certificate is missing")),
                (Some(_), None) => Err(CertsError::new("the private key is missing")),
            };
            outcome.map_err(|error| faults.push(CertsError::new(format!("{certificate}, {key}: {error}")))).ok()
        };
        let signing = pair(SIGNING);
        let next = pair(NEXT);
        let mut trusted = Vec::new();
        for certificate in value(TRUSTED).into_iter().flat_map(|text| CertificateDer::pem_slice_iter(text)) {
            match certificate.ok().filter(|certificate| is_authority(certificate)) {
                Some(certificate) => trusted.push(certificate),
                None => {
                    faults.push(CertsError::new(format!("{TRUSTED}: holds what is no certificate of an authority")))
                }
            }
        }
        if trusted.is_empty() && (signing.is_some() || next.is_some()) {
            faults.push(CertsError::new(format!("{TRUSTED}: is missing")));
        }
        // Also where the pair is spoilt: what it signed is still out there.
        for certificate in [SIGNING.0, NEXT.0].into_iter().filter_map(value) {
            trusted.extend(CertificateDer::from_pem_slice(certificate).ok().filter(|it| is_authority(it)));
        }
        let mut state = Self { signing, next, trusted };
        state.tidy();
        (state, faults)
    }

    /// Whether there is no authority to sign with, now or next.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.signing.is_none() && self.next.is_none()
    }

    /// Trusts again what `before` did: where the Secret was emptied or spoilt, that is still in use.
    pub fn recover(&mut self, before: &Self) {
        self.trusted.extend(before.trusted.iter().cloned());
        self.tidy();
    }

    /// The content of the Secret.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, Vec<u8>> {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, value: String| data.insert(key.to_owned(), value.into_bytes());
        if let Some(ca) = &self.signing {
            put(SIGNING.0, text(ca.certificate()));
            put(SIGNING.1, ca.key());
        }
        if let Some(ca) = &self.next {
            put(NEXT.0, text(ca.certificate()));
            put(NEXT.1, ca.key());
        }
        if !self.trusted.is_empty() {
            put(TRUSTED, self.bundle());
        }
        data
    }

    /// Whether the Secret holds all that this state trusts, and nothing else.
    #[must_use]
    pub fn is_told_by(&self, data: &BTreeMap<String, Vec<u8>>) -> bool {
        data.get(TRUSTED).map_or(&[][..], Vec::as_slice) == self.bundle().as_bytes()
    }

    /// Every key of the Secret that is ours.
    #[must_use]
    pub fn keys() -> [&'static str; 5] {
        [SIGNING.0, SIGNING.1, TRUSTED, NEXT.0, NEXT.1]
    }

    /// The certificates that API servers are to trust, as PEM; the same text for the same state.
    #[must_use]
    pub fn bundle(&self) -> String {
        self.trusted.iter().map(text).collect()
    }

    /// What the leader is to make of this state at `now`; `None` when it is good as it is. `published_for` tells for how
    /// long every webhook configuration was seen to hold exactly [`State::bundle`], if at all, by a clock that cannot jump.
    ///
    /// # Errors
    /// When an authority cannot be made.
    pub fn advance(
        &self,
        now: Timestamp,
        published_for: Option<Duration>,
        lifetimes: &Lifetimes,
    ) -> Result<Option<Advice>, CertsError> {
        let mut advice = Advice { state: self.clone(), made: false, switched: false };
        let mut changed = false;
        let state = &mut advice.state;
        changed |= state.prune(now, lifetimes);
        if let Some(next) = state.next.take() {
            if !is_fresh(&next, now) {
                changed = true;
            } else if published_for.is_some_and(|span| span >= lifetimes.propagation) {
                state.signing = Some(next);
                (advice.switched, changed) = (true, true);
            } else {
                state.next = Some(next);
            }
        }
        let state = &mut advice.state;
        if state.next.is_none() && !state.signing.as_ref().is_some_and(|ca| is_fresh(ca, now)) {
            let ca = Arc::new(Ca::make(now, lifetimes.authority)?);
            // Where nothing is in use yet there is nothing to wait for.
            let first = state.trusted.is_empty();
            state.trusted.push(ca.certificate().clone());
            if first {
                state.signing = Some(ca);
                advice.switched = true;
            } else {
                state.next = Some(ca);
            }
            (advice.made, changed) = (true, true);
        }
        Ok(changed.then_some(advice))
    }

    /// Takes what has ended out of the trusted, save for the youngest of those: it can verify nothing, and is there still
    /// should it be the clock that is wrong. Tells whether there was something.
    fn prune(&mut self, now: Timestamp, lifetimes: &Lifetimes) -> bool {
        let slack = backdate(lifetimes.authority);
        let ended = |certificate: &CertificateDer<'_>| {
            Validity::of(certificate).is_none_or(|validity| later(validity.not_after, slack) < now)
        };
        let kept = self.kept();
        let youngest = self.trusted.iter().rposition(|certificate| ended(certificate) && !kept.contains(certificate));
        let before = self.trusted.len();
        let mut index = 0;
        self.trusted.retain(|certificate| {
            index += 1;
            !ended(certificate) || kept.contains(certificate) || Some(index - 1) == youngest
        });
        self.trusted.len() != before
    }

    /// Brings the trusted into their one order, without doubles, and with no more than is sensible.
    fn tidy(&mut self) {
        let begins = |certificate: &CertificateDer<'_>| Validity::of(certificate).map(|validity| validity.not_before);
        self.trusted.sort_by_cached_key(|certificate| (begins(certificate), certificate.to_vec()));
        self.trusted.dedup();
        let mut surplus = self.trusted.len().saturating_sub(MAX_TRUSTED);
        let kept = self.kept();
        self.trusted.retain(|certificate| {
            let goes = surplus > 0 && !kept.contains(certificate);
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// The certificates of the authorities that sign and will.
    fn kept(&self) -> Vec<CertificateDer<'static>> {
        self.signing.iter().chain(&self.next).map(|ca| ca.certificate().clone()).collect()
    }
}

/// Whether it is good, and not yet to be replaced.
fn is_fresh(ca: &Ca, now: Timestamp) -> bool {
    ca.validity().holds(now) && !ca.validity().is_due(now)
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
        && Validity::of(certificate).is_some()
}

fn read(certificate: &[u8], key: &[u8]) -> Result<Arc<Ca>, CertsError> {
    let certificate =
        CertificateDer::from_pem_slice(certificate).map_err(|_| CertsError::new("the certificate cannot be read"))?;
    let key = std::str::from_utf8(key).map_err(|_| CertsError::new("the private key cannot be read"))?;
    Ok(Arc::new(Ca::read(certificate, key)?))
}

fn text(certificate: &CertificateDer<'_>) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new("CERTIFICATE", certificate.as_ref()), config)
}
