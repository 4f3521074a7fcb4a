//! The built-in authority, without a cluster: what the Secret holds, how that changes with time, and what is signed by it.

mod ca;
mod signer;
mod state;

use std::time::Duration;

use crate::error::CertsError;

pub use ca::Ca;
pub use signer::Signer;
pub use state::{Advice, State};

/// The longest that certificates begin before they are made, for clients whose clocks are behind.
const BACKDATE: Duration = Duration::from_secs(3600);

/// The longest that a new authority is trusted before it signs.
const PROPAGATION: Duration = Duration::from_secs(60);

/// How long what lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authority, which is replaced after two thirds of it.
    pub authority: Duration,
    /// A serving certificate, which is replaced after two thirds of it.
    pub certificate: Duration,
    /// How long after it was written into every webhook configuration a new authority begins to sign: until then every API
    /// server has surely learned of it.
    pub propagation: Duration,
}

impl Lifetimes {
    /// A year and a week.
    pub const DEFAULT: Self = Self {
        authority: Duration::from_secs(365 * 24 * 3600),
        certificate: Duration::from_secs(7 * 24 * 3600),
        propagation: PROPAGATION,
    };

    /// Lifetimes of an authority and of serving certificates, with a fitting propagation delay: a minute, and less where
    /// the authority lives for less than half an hour.
    ///
    /// # Errors
    /// When one is under a second, the resolution of certificates, or the certificate's longer than the authority's.
    pub fn new(authority: Duration, certificate: Duration) -> Result<Self, CertsError> {
        if certificate < Duration::from_secs(1) || authority < certificate {
            return Err(CertsError::new(
                "lifetimes are at least 1s, and a certificate's is no longer than its authority's",
            ));
        }
        Ok(Self { authority, certificate, propagation: PROPAGATION.min(authority / 30) })
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// By how much something that lives `lifetime` begins before it is made.
fn backdate(lifetime: Duration) -> Duration {
    BACKDATE.min(lifetime / 10)
}
