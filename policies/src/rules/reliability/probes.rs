//! What the rules on probes share: which containers they are about, and which probes fit.

use serde_json::Value;

use super::written::{self, Malformed, Way, Written};
use crate::catalog::ProbeKind;
use crate::container::Container;
use crate::context::Context;
use crate::node::Node;
use crate::profile::{ContainerProfile, Probe, ProbeSet};
use crate::workload::{Controller, Pod};

/// The bytes of a model whose size is not known, as far as a judgement on the author's own probes goes: 9 billion parameters
/// of 16 bits, which is what most servers are started with.
const TYPICAL_MODEL: u64 = 18_000_000_000;

/// The bytes below which a model is loaded in no time worth speaking of: a billion parameters of 16 bits.
const SMALL_MODEL: u64 = 2_000_000_000;

/// A container that serves a model and is to be probed, with what is known of it.
pub(super) struct Server<'p, 'a> {
    pub(super) container: &'p Container<'a>,
    known: &'p ContainerProfile,
    /// Why the author's own probes speak against those that would be put in.
    contradicted: Option<String>,
    /// Seconds that its start may take before the kubelet restarts it.
    pub(super) budget: u64,
    /// Seconds that its start will probably take: what a liveness probe must wait for at the least.
    pub(super) expected: u64,
    /// Seconds of these that do not depend on the size of the model.
    fixed: u64,
    repairable: bool,
}

/// The containers of `pod` that serve a model and are to be probed: not those of gangs, trainers and Jobs, nor those whose
/// operator adds probes, all of which the profile tells.
pub(super) fn servers<'p, 'a>(pod: &'p Pod<'a>, context: &Context<'_>) -> Vec<Server<'p, 'a>> {
    if !pod.has_spec() || pod.restart_policy() != "Always" {
        return Vec::new();
    }
    // The probes of a pod under a StatefulSet, a DaemonSet or an operator are decided at their source.
    let repairable = !pod.is_pod() || matches!(pod.controller(), Controller::None | Controller::ReplicaSet);
    let budget = context.policy.injection().startup_budget;
    let containers = pod.containers().iter().zip(&pod.profile().containers);
    containers
        .filter(|(_, known)| known.wants_probes)
        .map(|(container, known)| {
            let bytes = known.model_bytes();
            // The budget is longer than that by its factor, which is there for slow days and not for judging.
            let expected = budget.fixed_seconds + bytes.unwrap_or(TYPICAL_MODEL) / budget.bytes_per_second.max(1);
            // An author who waits longer for the server to be ready knows it better than we do.
            let waits = patience(&container.get("readinessProbe"));
            let seconds = budget.seconds(bytes).max(waits.min(budget.maximum_seconds));
            Server {
                container,
                known,
                contradicted: known.probes.as_ref().ok().and_then(|fitting| contradiction(container, fitting)),
                budget: seconds,
                expected,
                fixed: budget.fixed_seconds,
                repairable,
            }
        })
        .collect()
}

/// Seconds from the start of a container until a probe of the author's has failed often enough to count; 0 without one.
/// Kubernetes' defaults stand in for what is left out.
pub(super) fn patience(probe: &Node<'_>) -> u64 {
    if probe.is_absent() {
        return 0;
    }
    Written { kind: ProbeKind::Liveness, node: probe.clone() }.patience()
}

/// What the probes that the author wrote have against those that fit as far as Buttress can tell: where one asks another port
/// or speaks otherwise, one of the two is wrong, and it need not be the author's.
fn contradiction(container: &Container<'_>, fitting: &ProbeSet) -> Option<String> {
    let fitting: Vec<&Probe> =
        [&fitting.startup, &fitting.readiness, &fitting.liveness].into_iter().flatten().collect();
    written::probes(container).find_map(|probe| {
        let asked = match probe.asks(container)? {
            Ok(asked) => asked,
            Err(Malformed) => return Some(format!("its own {} asks no port that can be told", probe.name())),
        };
        let port = asked.port;
        let elsewhere = fitting.iter().all(|fit| fit.port != port);
        // A server may speak gRPC on a port of its own beside the one that is asked by HTTP.
        let beside = elsewhere && asked.way == Way::Grpc;
        if beside || fitting.iter().any(|fit| asked.agrees_with(fit)) {
            return None;
        }
        Some(if elsewhere {
            format!("its own {} asks port {port}, which Buttress does not expect", probe.name())
        } else {
            format!("its own {} asks port {port} by {}, which Buttress does not expect", probe.name(), asked.way.name())
        })
    })
}

impl<'a> Server<'_, 'a> {
    /// The place of one of its probes.
    pub(super) fn probe(&self, field: &str) -> Node<'a> {
        self.container.get(field)
    }

    /// Whether it has no such probe.
    pub(super) fn lacks(&self, field: &str) -> bool {
        self.probe(field).is_absent()
    }

    /// The probes that fit, if any may be put in.
    fn fitting(&self) -> Option<&ProbeSet> {
        self.known.probes.as_ref().ok().filter(|_| self.repairable && self.contradicted.is_none())
    }

    /// The startup probe to put in, if one may be.
    pub(super) fn startup(&self) -> Option<Value> {
        self.fitting()?.startup(self.budget)
    }

    /// The readiness probe to put in, if one may be.
    pub(super) fn readiness(&self) -> Option<Value> {
        self.fitting()?.readiness()
    }

    /// The liveness probe to put in, if one may be.
    pub(super) fn liveness(&self) -> Option<Value> {
        self.fitting()?.liveness()
    }

    /// Whether it loads a model, and not just its own data.
    pub(super) fn loads_a_model(&self) -> bool {
        self.known.role.serves_a_model()
    }

    /// Seconds that its load takes at the least, as far as that can be said, and of what; `None` for a server that loads small
    /// models, none, or each with the first request for it. It is never more than a repair may give.
    pub(super) fn least_load(&self) -> Option<(u64, &'static str)> {
        let facts = self.known.probe_facts()?;
        let lazy = facts.startup.as_ref().is_none_or(|startup| startup.before_load);
        if lazy || !self.loads_a_model() {
            return None;
        }
        let local = self.known.model.as_ref().is_some_and(|model| model.name.starts_with(['/', '.']));
        match self.known.model_bytes() {
            Some(bytes) if bytes < SMALL_MODEL => None,
            Some(_) if !local => Some((self.expected.min(self.budget), "a model of this size")),
            // What can split a model over several devices is there for large ones.
            _ => self
                .known
                .runtime
                .as_ref()
                .filter(|runtime| !runtime.parallelism.tensor.is_empty())
                .map(|_| (self.fixed.min(self.budget), "a model")),
        }
    }

    /// Whether a liveness probe `liveness` of the author's is true while the model still loads: the server opens its port at
    /// once and says that it lives.
    pub(super) fn lives_before_it_loads(&self, liveness: &Value) -> bool {
        let facts = self.known.runtime.as_ref().and_then(|runtime| runtime.probes.liveness.as_ref());
        let Some(facts) = facts.filter(|facts| facts.before_load) else { return false };
        let path = liveness.get("httpGet").and_then(|get| get.get("path")).and_then(Value::as_str);
        path.is_none() || path == facts.http.as_deref()
    }

    /// What the liveness probe of the author's asks may be asked at the start too: it is a sound probe of the port on which the
    /// server listens, as far as that is known, and the kubelet reaches it there.
    pub(super) fn may_ask(&self, probe: &Written<'_>, pod: &Pod<'_>) -> bool {
        let asked = match probe.asks(self.container) {
            None => return true,
            Some(Err(Malformed)) => return false,
            Some(Ok(asked)) => asked,
        };
        let facts = self.known.probe_facts();
        let port = facts.and_then(|facts| written::main_port(self.known, facts));
        let loopback =
            self.known.bind().zip(pod.start(self.known)).and_then(|(bind, start)| start.is_on_loopback(bind, port));
        self.contradicted.is_none()
            && loopback != Some(true)
            && (asked.way == Way::Grpc || self.known.port.is_none_or(|port| port == asked.port))
    }

    /// Whether a probe put in may come to stand beside what the author wrote of the same kind.
    pub(super) fn may_repair(&self) -> bool {
        self.repairable
    }

    /// Why no probes can be put in, as the end of a message; empty where they can.
    pub(super) fn why_not(&self) -> String {
        let reason = match &self.known.probes {
            Err(reasons) => reasons.first(),
            Ok(_) => self.contradicted.as_ref(),
        };
        reason.map(|reason| format!(" (none is put in: {reason})")).unwrap_or_default()
    }

    /// Why the author's own probes speak against those that fit, if they do.
    pub(super) fn contradicted(&self) -> Option<&str> {
        self.contradicted.as_deref().filter(|_| self.repairable)
    }

    /// How the server is called in messages.
    pub(super) fn name(&self) -> String {
        let program = self.known.runtime.as_ref().map(|runtime| runtime.name.as_str()).unwrap_or_default();
        format!("{} ({program})", self.container.title())
    }
}
