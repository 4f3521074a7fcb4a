//! What happens to certificates, told to whoever keeps the metrics, and written to the log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tracing::{info, warn};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A certificate is served from now on.
    Served {
        /// When it ends.
        not_after: Timestamp,
    },
    /// Something works, for the first time or again.
    Works(Subject),
    /// Something does not work. What there was is kept; it is tried again. Told again whenever the reason changes.
    Fails {
        /// What does not.
        subject: Subject,
        /// Why, without any secret.
        reason: String,
    },
    /// This replica became the leader, or is it no longer.
    Leads(bool),
    /// A new authority was made; it signs once it is trusted everywhere.
    AuthorityMade,
    /// Another authority signs now.
    AuthoritySigns,
    /// The `caBundle` of a webhook configuration was written.
    BundleWritten {
        /// Kind and name, as `mutatingwebhookconfigurations/NAME`.
        configuration: String,
    },
}

/// What can work or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// Reading certificate and key from files.
    Certificate,
    /// Reading the authority of the clients from its file.
    ClientAuthority,
    /// Reading, and as the leader writing, the Secret of the authority.
    Secret,
    /// What the Secret holds.
    Authority,
    /// Signing the serving certificate.
    Signing,
    /// Writing the authority into the webhook configurations.
    Bundle,
    /// Taking part in the election of the leader.
    Lease,
}

impl Subject {
    /// The word for it in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::ClientAuthority => "client-authority",
            Self::Secret => "secret",
            Self::Authority => "authority",
            Self::Signing => "signing",
            Self::Bundle => "bundle",
            Self::Lease => "lease",
        }
    }
}

/// Is told what happens. It is called from tasks, and must not block.
pub trait Observer: Send + Sync {
    /// Takes note of it.
    fn observe(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Observer for F {
    fn observe(&self, event: &Event) {
        self(event);
    }
}

/// Tells an observer, and the log, once of each change. Cheap to clone; clones remember together.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    observer: Box<dyn Observer>,
    /// What fails now, and why; `None` for what works.
    known: Mutex<BTreeMap<Subject, Option<String>>>,
}

impl Events {
    /// Tells `observer`.
    pub fn new(observer: impl Observer + 'static) -> Self {
        Self(Arc::new(Inner { observer: Box::new(observer), known: Mutex::default() }))
    }

    pub(crate) fn served(&self, not_after: Timestamp) {
        info!(%not_after, "serving a new certificate");
        self.0.observer.observe(&Event::Served { not_after });
    }

    pub(crate) fn outcome<T>(&self, subject: Subject, outcome: Result<T, impl fmt::Display>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.works(subject);
                Some(value)
            }
            Err(error) => {
                self.fails(subject, error.to_string());
                None
            }
        }
    }

    pub(crate) fn works(&self, subject: Subject) {
        match self.change(subject, None) {
            None => {}
            Some(first) => {
                if !first {
                    info!(what = subject.as_str(), "works again");
                }
                self.0.observer.observe(&Event::Works(subject));
            }
        }
    }

    pub(crate) fn fails(&self, subject: Subject, reason: String) {
        if self.change(subject, Some(reason.clone())).is_some() {
            warn!(what = subject.as_str(), reason, "does not work; what there was is kept");
            self.0.observer.observe(&Event::Fails { subject, reason });
        }
    }

    pub(crate) fn happened(&self, event: &Event) {
        match event {
            Event::Leads(true) => info!("became the leader"),
            Event::Leads(false) => info!("no longer the leader"),
            Event::AuthorityMade => info!("made a new authority"),
            Event::AuthoritySigns => info!("another authority signs from now on"),
            Event::BundleWritten { configuration } => info!(configuration, "wrote the caBundle"),
            Event::Served { .. } | Event::Works(_) | Event::Fails { .. } => {}
        }
        self.0.observer.observe(event);
    }

    /// Takes note of how `subject` fares: `None` when that was known, or whether it is the first that is heard of it.
    fn change(&self, subject: Subject, reason: Option<String>) -> Option<bool> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&subject) {
            Some(before) if *before == reason => None,
            before => {
                let first = before.is_none();
                known.insert(subject, reason);
                Some(first)
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
