//! What happens to caches and certificates, as metrics and in the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use buttress_certs::Event;
use buttress_cluster::Observer;
use buttress_policies::policy::Policy;
use tracing::{info, warn};

use crate::app::State;
use crate::metrics::Metrics;

/// How long a watch that breaks off again and again for one reason is not logged again.
const QUIET: Duration = Duration::from_secs(60);

/// Counts and logs what happens to the caches, and judges by the Policies that they bring.
#[derive(Debug)]
pub(crate) struct Caches {
    state: State,
    /// By resource, why its watch broke off when that was last logged, and when that was.
    logged: Mutex<HashMap<&'static str, (String, Instant)>>,
}

impl Caches {
    pub(crate) fn new(state: State) -> Self {
        Self { state, logged: Mutex::default() }
    }
}

impl Observer for Caches {
    fn synced(&self, plural: &'static str) {
        self.state.metrics().synced(plural, true);
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).remove(plural);
        info!(resource = plural, "listed");
    }

    fn failed(&self, plural: &'static str, reason: &str) {
        self.state.metrics().watch_failed(plural);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.get(plural).is_some_and(|(before, at)| before == reason && at.elapsed() < QUIET) {
            return;
        }
        logged.insert(plural, (reason.to_owned(), Instant::now()));
        warn!(resource = plural, reason, "the watch broke off; what was known still counts, and it is tried again");
    }

    fn in_force(&self, policies: Vec<Policy>, valid: bool) {
        let names: Vec<&str> = policies.iter().map(|policy| policy.metadata.name.as_str()).collect();
        info!(policies = names.join(","), "these Policies are in force now");
        if !valid {
            warn!("a Policy has mistakes; its last good version stays in force, and its status tells more");
        }
        self.state.metrics().reloaded(valid);
        self.state.metrics().policies(policies.len());
        self.state.replace_policies(policies);
    }
}

/// Counts what happens to certificates; the log is written where it happens.
pub(crate) fn certificates(metrics: Arc<Metrics>) -> impl Fn(&Event) + Send + Sync {
    move |event| match event {
        Event::Served { not_after } => metrics.certificate_ends(not_after.as_second()),
        Event::Works(subject) => metrics.certificate_fails(subject.as_str(), false),
        Event::Fails { subject, .. } => metrics.certificate_fails(subject.as_str(), true),
        Event::Leads(leads) => metrics.leads(*leads),
        Event::BundleWritten { .. } => metrics.bundle_written(),
        _ => {}
    }
}
