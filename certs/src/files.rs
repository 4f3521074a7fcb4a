//! A certificate and key in files that may change, as cert-manager's do: looked at again and again by their content, for
//! the kubelet swaps a whole folder by a symbolic link, of which a watch on a file learns nothing.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::error::CertsError;
use crate::event::{Events, Subject};
use crate::identity::Identity;
use crate::served::Served;

/// How often files are looked at.
pub const POLL: Duration = Duration::from_secs(10);

/// How often a pair that does not fit is read again at once, and how long after: it may be that one file was read before
/// and the other after a change.
const RETRIES: usize = 5;
const RETRY: Duration = Duration::from_millis(100);

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain, as PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key, as PEM.
    pub key: PathBuf,
    /// The names by which clients call. A new certificate that lacks one which the old one has is not taken as long as the old
    /// one is good; and it is told when what is served lacks one.
    pub names: Vec<String>,
}

impl Files {
    /// Reads the pair.
    ///
    /// # Errors
    /// As [`Identity::read`].
    pub async fn load(&self) -> Result<Identity, CertsError> {
        let mut tries = 0;
        loop {
            let (certificate, key) = (self.certificate.clone(), self.key.clone());
            let read = spawn_blocking(move || Identity::read(&certificate, &key)).await;
            match read.map_err(|_| CertsError::new("reading the certificate was broken off"))? {
                Ok(identity) => return Ok(identity),
                Err(error) if tries == RETRIES => return Err(error),
                Err(_) => tries += 1,
            }
            sleep(RETRY).await;
        }
    }

    /// Looks at the files every `poll`, at once to begin with, and serves what is new and good. Never returns.
    pub async fn follow(self, served: Served, poll: Duration, events: Events) {
        let mut ticks = interval(poll);
        // After a pause of the whole machine one look is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(&served, &events).await;
        }
    }

    async fn look(&self, served: &Served, events: &Events) {
        let current = served.current();
        let outcome = self.load().await.and_then(|identity| match &current {
            Some(current) => self.compare(current, &identity).map(|()| identity),
            None => Ok(identity),
        });
        let identity = match outcome {
            Ok(identity) => identity,
            Err(error) => return events.fails(Subject::Certificate, error.to_string()),
        };
        // Told before it is served: who sees it served finds the metric as it is with it.
        events.outcome(Subject::Certificate, self.has_names(&identity));
        if current.is_none_or(|current| current.digest() != identity.digest()) {
            let not_after = identity.not_after();
            served.swap(identity);
            events.served(not_after);
        }
    }

    /// Tells whether clients that call by our names accept it. It is served even so, when there is no better one.
    fn has_names(&self, identity: &Identity) -> Result<(), CertsError> {
        match self.names.iter().find(|name| !identity.is_valid_for(name)) {
            Some(name) => Err(CertsError::new(format!(
                "{}: the certificate is not valid for {name}, by which clients call; they refuse it. Put that DNS name into the certificate (with cert-manager, into `dnsNames` of the Certificate), or mend the flags that give the name",
                self.certificate.display()
            ))),
            None => Ok(()),
        }
    }

    /// Tells why `new` would be worse than `current`.
    fn compare(&self, current: &Identity, new: &Identity) -> Result<(), CertsError> {
        let now = Timestamp::now();
        let file = self.certificate.display();
        if !current.validity().holds(now) {
            // Nobody accepts it any more, whatever its names.
            return Ok(());
        }
        if !new.validity().holds(now) {
            let (from, to) = (new.validity().not_before, new.validity().not_after);
            return Err(CertsError::new(format!(
                "{file}: the new certificate is good from {from} to {to} only; the old one is, and is kept"
            )));
        }
        let lost = self.names.iter().find(|name| current.is_valid_for(name) && !new.is_valid_for(name));
        match lost {
            Some(name) => Err(CertsError::new(format!(
                "{file}: the new certificate is not valid for {name}, by which clients call; the old one is, and is kept"
            ))),
            None => Ok(()),
        }
    }
}
