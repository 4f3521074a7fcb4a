//! The built-in authority in a cluster: every replica follows the Secret and signs for itself, the leader keeps the Secret
//! and the `caBundle` of the webhook configurations in order.

mod api;
mod bundle;
mod election;
mod secret;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::authority::{Advice, Lifetimes, Signer, State};
use crate::error::CertsError;
use crate::event::{Event, Events, Subject};
use crate::served::Served;

use bundle::Configurations;
use secret::{Found, Store, Written};

pub use bundle::{Configuration, FIELD_MANAGER};
pub use election::{Election, LeaseTimes};

/// How soon it is looked again at first, when something failed or there is nothing to serve yet.
const SOON: Duration = Duration::from_millis(100);

/// How often the leader begins anew at once when somebody else wrote the Secret.
const ATTEMPTS: usize = 3;

/// The built-in authority of one replica.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The Secret in which the authority is kept. It may be there and empty, so that no right to create Secrets is needed.
    pub secret: String,
    /// The configurations whose `caBundle` the leader keeps. One that is not there is looked for again.
    pub configurations: Vec<Configuration>,
    /// The names by which this replica is called, DNS names and IP addresses.
    pub names: Vec<String>,
    /// How long what lives.
    pub lifetimes: Lifetimes,
    /// How often Secret and configurations are looked at, [`crate::POLL`] but for tests.
    pub poll: Duration,
}

impl Authority {
    /// Keeps `served` in order, and as long as `leads` says so also Secret and configurations. Never returns. Where the API
    /// server is not to be reached, it goes on with what it knows.
    pub async fn run(self, client: Client, mut leads: watch::Receiver<bool>, served: Served, events: Events) {
        let mut replica = Replica {
            store: Store::new(&client, &self.namespace, &self.secret),
            bundles: Arc::new(Configurations::new(&client, &self.configurations)),
            published: Published::default(),
            signer: Signer::new(self.names, self.lifetimes.certificate),
            lifetimes: self.lifetimes,
            events,
        };
        let mut pause = SOON;
        loop {
            let leading = *leads.borrow_and_update();
            let fine = replica.look(leading).await;
            replica.sign(&served);
            let settled = fine && served.current().is_some();
            let wait = if settled { self.poll } else { pause.min(self.poll) };
            pause = if settled { SOON } else { wait * 2 };
            tokio::select! {
                () = sleep(wait) => {}
                // A sender that is gone changes nothing any more.
                Ok(()) = leads.changed() => {}
            }
        }
    }
}

/// What one replica does and knows.
struct Replica {
    store: Store,
    bundles: Arc<Configurations>,
    published: Published,
    signer: Signer,
    lifetimes: Lifetimes,
    events: Events,
}

impl Replica {
    /// Reads the Secret and, as the leader, brings everything into order. Tells whether all of it worked.
    async fn look(&mut self, leading: bool) -> bool {
        let outcome = self.follow(leading).await;
        self.events.outcome(Subject::Secret, outcome).unwrap_or(false)
    }

    async fn follow(&mut self, leading: bool) -> Result<bool, CertsError> {
        let found = self.read().await?;
        self.signer.learn(found.state.clone());
        if !leading {
            self.published = Published::default();
            return Ok(true);
        }
        let (state, fine) = self.lead(found).await?;
        self.signer.learn(state);
        Ok(fine)
    }

    async fn read(&self) -> Result<Found, CertsError> {
        let mut found = self.store.read().await?;
        self.report(&found);
        if let Some(known) = self.signer.known().filter(|_| found.is_damaged()) {
            found.state.recover(known);
        }
        Ok(found)
    }

    /// Tells what of the Secret is spoilt.
    fn report(&self, found: &Found) {
        if found.faults.is_empty() && found.state.is_empty() && self.signer.known().is_some() {
            let reason = "the Secret was emptied or deleted, the leader makes another authority";
            return self.events.fails(Subject::Authority, reason.to_owned());
        }
        if found.faults.is_empty() {
            return self.events.works(Subject::Authority);
        }
        let faults: Vec<_> = found.faults.iter().map(ToString::to_string).collect();
        self.events
            .fails(Subject::Authority, format!("the Secret is spoilt, the leader mends it: {}", faults.join("; ")));
    }

    fn sign(&mut self, served: &Served) {
        let outcome = self.signer.renew(Timestamp::now());
        if let Some(Some(identity)) = self.events.outcome(Subject::Signing, outcome) {
            let not_after = identity.not_after();
            served.swap(identity);
            self.events.served(not_after);
        }
    }

    /// Brings Secret and configurations into order. What the Secret holds then, and whether all of it worked.
    async fn lead(&mut self, mut found: Found) -> Result<(State, bool), CertsError> {
        let bundles = Arc::clone(&self.bundles);
        let mut bundles = bundles.read().await;
        for _ in 0..ATTEMPTS {
            let bundle = found.state.bundle();
            let published_for = self.published.look(bundles.are(&bundle).then_some(bundle));
            let advice = found.state.advance(Timestamp::now(), published_for, &self.lifetimes)?;
            let tidied = || Advice { state: found.state.clone(), made: false, switched: false };
            let Some(advice) = advice.or_else(|| found.untidy.then(tidied)) else {
                // Written from what is in the Secret, never from what is yet to be: it would be trusted and then unknown.
                bundles.write(&found.state.bundle(), &self.events).await;
                let fine = self.events.outcome(Subject::Bundle, bundles.outcome()).is_some();
                return Ok((found.state, fine));
            };
            if matches!(self.store.write(&found, &advice.state).await?, Written::Done) {
                if advice.made {
                    self.events.happened(&Event::AuthorityMade);
                }
                if advice.switched {
                    self.events.happened(&Event::AuthoritySigns);
                }
            }
            found = self.read().await?;
        }
        Ok((found.state, false))
    }
}

/// Since when the leader sees the same bundle in every configuration. Of a leader before it nothing is known, nor is its
/// clock to be believed: each counts for itself.
#[derive(Default)]
struct Published(Option<(String, Instant)>);

impl Published {
    /// Takes note of the bundle that is everywhere now, if one is, and tells for how long it has been.
    fn look(&mut self, bundle: Option<String>) -> Option<Duration> {
        let since = match self.0.take() {
            Some((before, since)) if bundle.as_ref() == Some(&before) => since,
            _ => Instant::now(),
        };
        self.0 = bundle.map(|bundle| (bundle, since));
        self.0.as_ref().map(|(_, since)| since.elapsed())
    }
}
