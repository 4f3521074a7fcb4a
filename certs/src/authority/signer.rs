//! What one replica signs for itself, from what it knows of the authority.

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
        Self { names, lifetime, signed: None }
    }

    /// The certificate to be served from `now` on, if it is another than the one before.
    ///
    /// # Errors
    /// When one is due and cannot be signed. The one before is still to be served.
    pub fn renew(&mut self, state: &State, now: Timestamp) -> Result<Option<Identity>, CertsError> {
        let good = self.signed.as_ref().filter(|signed| signed.identity.validity().holds(now));
        let signing = state.signing.as_ref().filter(|ca| ca.validity().holds(now));
        // With nothing to show, what will be trusted in a moment is better than nothing.
        let next = state.next.as_ref().map(|next| &next.ca).filter(|ca| good.is_none() && ca.validity().holds(now));
        let Some(ca) = signing.or(next) else {
            return match (good, &state.signing, &state.next) {
                (Some(signed), ..) if !signed.identity.validity().is_due(now) => Ok(None),
                (_, None, None) => Err(CertsError::new("there is no authority yet; the leader makes it")),
                _ => Err(CertsError::new(format!(
                    "no authority is good now, and the clock says {now}; the leader makes another"
                ))),
            };
        };
        if good.is_some_and(|signed| signed.by == *ca.certificate() && !signed.identity.validity().is_due(now)) {
            return Ok(None);
        }
        let identity = ca.sign(&self.names, now, self.lifetime)?;
        self.signed = Some(Signed { identity: identity.clone(), by: ca.certificate().clone() });
        Ok(Some(identity))
    }
}
