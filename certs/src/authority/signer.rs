//! What one replica knows of the authority, and signs for itself by it.

use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::state::State;
use crate::error::CertsError;
use crate::identity::Identity;

/// Signs serving certificates and knows when it is time for another.
#[derive(Clone, Debug)]
pub struct Signer {
    names: Vec<String>,
    lifetime: Duration,
    known: Option<State>,
    signed: Option<Signed>,
}

/// What was signed last.
#[derive(Clone, Debug)]
struct Signed {
    identity: Identity,
    by: CertificateDer<'static>,
}

impl Signer {
    /// One for a server that is called by `names`, DNS names and IP addresses, with certificates that live for `lifetime`.
    #[must_use]
    pub fn new(names: Vec<String>, lifetime: Duration) -> Self {
        Self { names, lifetime, known: None, signed: None }
    }

    /// Takes note of what the Secret holds. That it was emptied is no reason to forget what is still trusted.
    pub fn learn(&mut self, state: State) {
        if !state.is_empty() {
            self.known = Some(state);
        }
    }

    /// The last state with an authority that the Secret was seen to hold.
    #[must_use]
    pub fn known(&self) -> Option<&State> {
        self.known.as_ref()
    }

    /// The certificate to be served from `now` on, if it is another than the one before.
    ///
    /// # Errors
    /// When one is due and cannot be signed. The one before is still to be served.
    pub fn renew(&mut self, now: Timestamp) -> Result<Option<Identity>, CertsError> {
        let Some(state) = &self.known else {
            return Err(CertsError::new("there is no authority yet; the leader makes it"));
        };
        let good = self.signed.as_ref().filter(|signed| signed.identity.validity().holds(now));
        let signing = state.signing.as_ref().filter(|ca| ca.validity().holds(now));
        // With nothing to show, what will be trusted in a moment is better than nothing.
        let next = state.next.as_ref().filter(|ca| good.is_none() && ca.validity().holds(now));
        let Some(ca) = signing.or(next) else {
            if good.is_some_and(|signed| !signed.identity.validity().is_due(now)) {
                return Ok(None);
            }
            // Without the time: each reason that is new is told anew.
            return Err(CertsError::new("no authority is good now by our clock; the leader makes another"));
        };
        if good.is_some_and(|signed| signed.by == *ca.certificate() && !is_due(signed, ca.validity().not_after, now)) {
            return Ok(None);
        }
        let identity = ca.sign(&self.names, now, self.lifetime)?;
        self.signed = Some(Signed { identity: identity.clone(), by: ca.certificate().clone() });
        Ok(Some(identity))
    }
}

/// Whether it is time for another. One that ends with its authority cannot be outlived by another of the same.
fn is_due(signed: &Signed, authority_ends: Timestamp, now: Timestamp) -> bool {
    let validity = signed.identity.validity();
    validity.is_due(now) && validity.not_after < authority_ends
}
