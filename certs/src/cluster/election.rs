//! One leader among the replicas, by a Lease.
//!
//! As in client-go, no replica believes the clock of another: a Lease has run out when nothing in it changed for its
//! duration by our own clock. Every write carries the version that was read, so of two that reach for it one fails.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::api::{DEADLINE, Failed, call};
use crate::error::CertsError;
use crate::event::{Event, Events, Subject};

/// How a Lease is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// After this time without a change others may take it. Whole seconds.
    pub duration: Duration,
    /// The leader that could not renew it for this long leads no more.
    pub renew: Duration,
    /// How often it is looked at and renewed.
    pub retry: Duration,
}

impl Default for LeaseTimes {
    /// As kube-controller-manager does it.
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), renew: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// One replica that stands for leader.
#[derive(Clone, Debug)]
pub struct Election {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The Lease. It may be there beforehand, so that no right to create Leases is needed.
    pub lease: String,
    /// The name of this replica, different from that of every other: the pod's.
    pub identity: String,
    /// How it is held.
    pub times: LeaseTimes,
}

impl Election {
    /// Takes part until `stop`, and gives the Lease back then. `leads` tells at each time whether this replica leads; it says
    /// no when this future is dropped.
    pub async fn run(self, client: Client, leads: watch::Sender<bool>, stop: impl Future<Output = ()>, events: Events) {
        let mut candidate = Candidate {
            api: Api::namespaced(client, &self.namespace),
            election: self,
            leads: Leads { leads, events: events.clone() },
            seen: None,
            renewed: None,
        };
        tokio::pin!(stop);
        loop {
            let outcome = tokio::select! {
                () = &mut stop => break,
                outcome = candidate.attempt() => outcome,
            };
            events.outcome(Subject::Lease, outcome);
            tokio::select! {
                () = &mut stop => break,
                () = sleep(candidate.election.times.retry) => {}
            }
        }
        let _ = events.outcome(Subject::Lease, candidate.release().await);
    }
}

struct Candidate {
    election: Election,
    api: Api<Lease>,
    leads: Leads,
    /// The Lease as it was read or written last, and when its content was seen to change last.
    seen: Option<(Lease, Instant)>,
    /// When it was last renewed by us; `None` while we do not lead.
    renewed: Option<Instant>,
}

impl Candidate {
    /// Renews the Lease or takes it, if it is ours or free.
    async fn attempt(&mut self) -> Result<(), CertsError> {
        let began = Instant::now();
        // A leader is none any more when this is over, answer or no answer.
        let until = self.renewed.map(|renewed| renewed + self.election.times.renew);
        let within = until.map_or(DEADLINE, |until| until.saturating_duration_since(began).min(DEADLINE));
        let outcome = tokio::time::timeout(within, self.reach(began)).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(CertsError::new(format!("the Lease was not renewed within {within:?}"))),
        };
        match outcome {
            Ok(holds) => {
                self.renewed = holds.then_some(began);
                self.leads.set(holds);
                Ok(())
            }
            Err(error) => {
                if until.is_some_and(|until| until <= Instant::now()) {
                    self.renewed = None;
                    self.leads.set(false);
                }
                Err(error)
            }
        }
    }

    /// Whether we hold the Lease now.
    async fn reach(&mut self, now: Instant) -> Result<bool, CertsError> {
        let name = self.election.lease.clone();
        let doing = format!("read the Lease {}/{name}", self.election.namespace);
        let Some(found) = call(&doing, DEADLINE, self.api.get_opt(&name)).await? else {
            return self.create().await;
        };
        self.see(found, now);
        let Some((lease, since)) = &self.seen else { return Ok(false) };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let ours = holder == self.election.identity;
        let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration =
            duration.filter(|seconds| *seconds > 0).map_or(self.election.times.duration, Duration::from_secs);
        if !ours && !holder.is_empty() && since.elapsed() < duration {
            return Ok(false);
        }
        let mut next = lease.clone();
        next.spec = Some(self.spec(ours, &spec));
        self.replace(next).await
    }

    async fn create(&mut self) -> Result<bool, CertsError> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(self.election.lease.clone());
        lease.spec = Some(LeaseSpec { lease_transitions: Some(0), ..self.spec(false, &LeaseSpec::default()) });
        let doing = format!("create the Lease {}/{}", self.election.namespace, self.election.lease);
        let created = call(&doing, DEADLINE, self.api.create(&PostParams::default(), &lease)).await;
        self.wrote(created)
    }

    async fn replace(&mut self, lease: Lease) -> Result<bool, CertsError> {
        let doing = format!("write the Lease {}/{}", self.election.namespace, self.election.lease);
        let params = PostParams::default();
        let request = self.api.replace(&self.election.lease, &params, &lease);
        let replaced = call(&doing, DEADLINE, request).await;
        self.wrote(replaced)
    }

    fn wrote(&mut self, written: Result<Lease, Failed>) -> Result<bool, CertsError> {
        match written {
            Ok(lease) => {
                self.see(lease, Instant::now());
                Ok(true)
            }
            // Somebody else was faster; who it is will be read the next time.
            Err(failed) if failed.is_conflict() => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Takes note of the Lease, and of when its content changed.
    fn see(&mut self, lease: Lease, now: Instant) {
        let since = match &self.seen {
            Some((before, since)) if before.spec == lease.spec => *since,
            _ => now,
        };
        self.seen = Some((lease, since));
    }

    fn spec(&self, ours: bool, before: &LeaseSpec) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let transitions = before.lease_transitions.unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.election.identity.clone()),
            lease_duration_seconds: i32::try_from(self.election.times.duration.as_secs().max(1)).ok(),
            acquire_time: if ours { before.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if ours { transitions } else { transitions.saturating_add(1) }),
            ..before.clone()
        }
    }

    /// Gives the Lease back, so that nobody has to wait for its end.
    async fn release(&mut self) -> Result<(), CertsError> {
        self.leads.set(false);
        if self.renewed.take().is_none() {
            return Ok(());
        }
        let Some((lease, _)) = self.seen.take() else { return Ok(()) };
        if self.replace(self.given_back(lease)).await? {
            return Ok(());
        }
        // A renewal that was broken off by the end may have been done, and what was seen is older than it.
        let doing = format!("read the Lease {}/{}", self.election.namespace, self.election.lease);
        let found = call(&doing, DEADLINE, self.api.get_opt(&self.election.lease)).await?;
        let holder = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
        let Some(lease) = found.filter(|lease| holder(lease).as_ref() == Some(&self.election.identity)) else {
            return Ok(());
        };
        self.replace(self.given_back(lease)).await.map(|_| ())
    }

    fn given_back(&self, mut lease: Lease) -> Lease {
        let before = lease.spec.unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            ..self.spec(true, &before)
        });
        lease
    }
}

/// Tells whether we lead, and that we do not when it is dropped.
struct Leads {
    leads: watch::Sender<bool>,
    events: Events,
}

impl Leads {
    fn set(&self, leads: bool) {
        if self.leads.send_if_modified(|now| std::mem::replace(now, leads) != leads) {
            self.events.happened(&Event::Leads(leads));
        }
    }
}

impl Drop for Leads {
    fn drop(&mut self) {
        self.set(false);
    }
}
