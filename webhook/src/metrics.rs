//! What is counted. Labels are from closed lists, so that nobody can fill the memory with made-up names, and none of them
//! tells of an object.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use buttress_review::{Hook, Summary};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a tenth of a millisecond, where most requests are, to the longest that the API server waits.
const BUCKETS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The resources that have a name of their own in metrics; any other is `other`.
const RESOURCES: &[&str] = &[
    "pods",
    "pods/ephemeralcontainers",
    "pods/resize",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "replicationcontrollers",
    "jobs",
    "cronjobs",
    "poddisruptionbudgets",
    "horizontalpodautoscalers",
];

/// The metrics of a process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Family<HookLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    overload: Counter,
    rules: Family<RuleLabels, Counter>,
    injections: Family<InjectionLabels, Counter>,
    selfcheck_failures: Counter,
    panics: Counter,
    reload_successful: Gauge,
    policies: Gauge,
    certificate_not_after: Gauge<f64, AtomicU64>,
    certificate_failing: Family<CertificateLabels, Gauge>,
    leader: Gauge,
    bundle_writes: Counter,
    cache_synced: Family<CacheLabels, Gauge>,
    watch_failures: Family<CacheLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    webhook: &'static str,
    operation: &'static str,
    resource: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabels {
    webhook: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    rule: &'static str,
    result: &'static str,
    mode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InjectionLabels {
    kind: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    subject: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    resource: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("buttress"),
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            overload: Counter::default(),
            rules: Family::default(),
            injections: Family::default(),
            selfcheck_failures: Counter::default(),
            panics: Counter::default(),
            reload_successful: Gauge::default(),
            policies: Gauge::default(),
            certificate_not_after: Gauge::default(),
            certificate_failing: Family::default(),
            leader: Gauge::default(),
            bundle_writes: Counter::default(),
            cache_synced: Family::default(),
            watch_failures: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// Metrics of a process that has just read its Policies.
    pub(crate) fn new() -> Arc<Self> {
        let metrics = Self::default();
        metrics.reloaded(true);
        Arc::new(metrics)
    }

    // The library adds the prefix, the full stop and, to counters, `_total`.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("admission_requests", "Requests by what became of them", self.requests.clone());
        registry.register("admission_duration_seconds", "Time from request to answer", self.duration.clone());
        registry.register("admission_in_flight", "Requests being answered", self.in_flight.clone());
        registry.register(
            "admission_rejected_overload",
            "Requests turned away because too many were being answered",
            self.overload.clone(),
        );
        registry.register("rule_results", "Findings by rule and by what was made of them", self.rules.clone());
        registry.register("injections", "Repairs of pods by rule and by what became of them", self.injections.clone());
        registry.register(
            "patch_selfcheck_failures",
            "Patches not sent because they did not pass their own check; each is a defect of Buttress",
            self.selfcheck_failures.clone(),
        );
        registry.register(
            "panics",
            "Panics that cost a request, and ends of what should last as long as the process",
            self.panics.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the Policies last read were free of errors",
            self.reload_successful.clone(),
        );
        registry.register(
            "tls_cert_not_after_seconds",
            "When the serving certificate ends, as seconds since 1970",
            self.certificate_not_after.clone(),
        );
        registry.register("policies", "Policies in force", self.policies.clone());
        registry.register(
            "tls_failing",
            "Whether what keeps the serving certificate in order fails, by what does",
            self.certificate_failing.clone(),
        );
        registry.register("leader", "Whether this replica keeps the authority and the caBundle", self.leader.clone());
        registry.register(
            "ca_bundle_writes",
            "How often the caBundle of a webhook configuration was written",
            self.bundle_writes.clone(),
        );
        registry.register(
            "cache_synced",
            "Whether the objects of a resource were listed whole since the start",
            self.cache_synced.clone(),
        );
        registry.register("watch_failures", "How often the watch of a resource broke off", self.watch_failures.clone());
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, summary: &Summary, took: Duration) {
        let labels = RequestLabels {
            webhook: summary.hook.as_str(),
            operation: summary.operation.as_str(),
            resource: resource(&summary.resource),
            decision: summary.decision.as_str(),
        };
        self.requests.get_or_create(&labels).inc();
        self.took(summary.hook, took);
        let mode = summary.enforcement.map_or("none", |enforcement| enforcement.as_str());
        for finding in &summary.findings {
            let labels = RuleLabels { rule: finding.rule, result: finding.outcome.as_str(), mode };
            self.rules.get_or_create(&labels).inc();
        }
        let (outcome, reason) = match (summary.doubt, summary.decision) {
            (Some(doubt), _) => ("withheld", doubt.as_str()),
            (None, buttress_review::Decision::Patched) => ("injected", "none"),
            (None, _) => ("observed", "none"),
        };
        for kind in summary.repairs.iter().copied() {
            self.injections.get_or_create(&InjectionLabels { kind, outcome, reason }).inc();
        }
        for kind in summary.withheld.iter().copied() {
            let labels = InjectionLabels { kind, outcome: "withheld", reason: "law" };
            self.injections.get_or_create(&labels).inc();
        }
        let failures = usize::from(summary.doubt.is_some_and(|doubt| doubt.is_defect())) + summary.withheld.len();
        self.selfcheck_failures.inc_by(failures as u64);
    }

    /// Counts a request that got an HTTP error for an answer.
    pub(crate) fn failed(&self, hook: Hook, decision: &'static str, took: Duration) {
        let labels = RequestLabels { webhook: hook.as_str(), operation: "unknown", resource: "unknown", decision };
        self.requests.get_or_create(&labels).inc();
        self.took(hook, took);
    }

    fn took(&self, hook: Hook, took: Duration) {
        self.duration.get_or_create(&HookLabels { webhook: hook.as_str() }).observe(took.as_secs_f64());
    }

    /// Counts a request that was turned away.
    pub(crate) fn overloaded(&self) {
        self.overload.inc();
    }

    /// Counts a panic, or the end of what should not end.
    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Tells whether the Policies last read were free of errors.
    pub(crate) fn reloaded(&self, successful: bool) {
        self.reload_successful.set(i64::from(successful));
    }

    /// Tells when the serving certificate ends.
    pub(crate) fn certificate_ends(&self, seconds: i64) {
        self.certificate_not_after.set(seconds as f64);
    }

    /// Tells how many Policies are in force.
    pub(crate) fn policies(&self, number: usize) {
        self.policies.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Tells whether something about the serving certificate fails.
    pub(crate) fn certificate_fails(&self, subject: &'static str, fails: bool) {
        self.certificate_failing.get_or_create(&CertificateLabels { subject }).set(i64::from(fails));
    }

    /// Tells whether this replica is the leader.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts a caBundle that was written.
    pub(crate) fn bundle_written(&self) {
        self.bundle_writes.inc();
    }

    /// Tells that the objects of `resource` are to be listed, unless they are already.
    pub(crate) fn awaits(&self, resource: &'static str) {
        let _ = self.cache_synced.get_or_create(&CacheLabels { resource });
    }

    /// Tells whether the objects of `resource` were listed whole.
    pub(crate) fn synced(&self, resource: &'static str, synced: bool) {
        self.cache_synced.get_or_create(&CacheLabels { resource }).set(i64::from(synced));
    }

    /// Counts a watch of `resource` that broke off.
    pub(crate) fn watch_failed(&self, resource: &'static str) {
        self.watch_failures.get_or_create(&CacheLabels { resource }).inc();
    }

    /// The metrics as Prometheus reads them.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Counts a request as under way for as long as it lives, be it answered, given up or lost to a panic.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Metrics>);

impl InFlight {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.in_flight.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

fn resource(name: &str) -> &'static str {
    RESOURCES.iter().find(|known| **known == name).copied().unwrap_or("other")
}
