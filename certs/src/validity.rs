//! From when to when a certificate is good, and when it is time for the next one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The span of time in which a certificate is good; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before: Timestamp,
    /// Its last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// The span of a certificate in DER; `None` when it cannot be read.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = certificate.validity();
        let at = |seconds| Timestamp::from_second(seconds).ok();
        Some(Self { not_before: at(validity.not_before.timestamp())?, not_after: at(validity.not_after.timestamp())? })
    }

    /// Whether `now` lies in it.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it lies in the past.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    /// Whether two thirds of it are over.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let life = self.not_before.duration_until(self.not_after);
        now.duration_since(self.not_before) >= life * 2 / 3
    }
}

/// `time` and `span` later, or the end of time.
pub(crate) fn later(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| time.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// `span` before `time`, or the beginning of time.
pub(crate) fn earlier(time: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| time.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}
