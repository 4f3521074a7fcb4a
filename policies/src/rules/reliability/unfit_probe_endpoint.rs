//! `unfit-probe-endpoint`: a probe that asks what tells nothing, costs money or is refused.

use serde_json::json;

use super::written::{self, Get, Written};
use crate::catalog::{ProbeKind, Probes, Unfit};
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::{Call, ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unfit-probe-endpoint",
    summary: "a probe asks a path that is refused, costs money or tells nothing of the model",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Not every path that answers 200 on a quiet afternoon is fit for a probe. A model server with an API key answers 401 on its \
OpenAI routes, `/v1/models` for one, to a kubelet that sends none, so that the pod is never ready; LiteLLM's \
[`/health`](https://docs.litellm.ai/docs/proxy/health) makes a paid call to every model; a path that is true before the model is \
loaded lets requests in too early when readiness asks it. Each server has a path that is meant for probes, and the message or the \
repair names it.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --api-key, $(API_KEY)]
      env:
        - name: API_KEY
          valueFrom:
            secretKeyRef:
              name: llm
              key: api-key
      readinessProbe:
        httpGet:
          path: /v1/models
          port: 8000
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --api-key, $(API_KEY)]
      env:
        - name: API_KEY
          valueFrom:
            secretKeyRef:
              name: llm
              key: api-key
      readinessProbe:
        httpGet:
          path: /health
          port: 8000
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known, facts) in written::servers(pod, context) {
        let mut gets = written::probes(container).filter_map(|probe| probe.get().map(|get| (probe, get))).peekable();
        if gets.peek().is_none() {
            continue;
        }
        let Some(start) = pod.start(known) else { continue };
        let server = Server { container, known, facts, start: &start };
        findings.extend(gets.filter_map(|(probe, get)| {
            let (severity, why) = server.unfit(&probe, &get)?;
            let message = format!("the {} of {} asks {why}", probe.name(), written::title(container, known));
            let finding = RULE.finding(get.node.get("path").path().clone(), message).at_most(severity);
            Some(match server.repair(&probe, &get) {
                Some(fix) => finding.with_fix(fix),
                None => finding,
            })
        }));
    }
    findings
}

struct Server<'s, 'a> {
    container: &'s Container<'a>,
    known: &'s ContainerProfile,
    facts: &'s Probes,
    start: &'s Start<'s, 'a>,
}

impl Server<'_, '_> {
    /// How bad the path is for the probe, and why, as the end of a sentence that names the path.
    fn unfit(&self, probe: &Written<'_>, get: &Get<'_>) -> Option<(Severity, String)> {
        // What another server answers is not known, nor what a port of its own is for.
        let port = written::number(self.container, get.node.get("port").value());
        if get.elsewhere || port.is_some() && self.known.port.is_some() && port != self.known.port {
            return None;
        }
        let avoided = self.facts.avoid.iter().find(|(pattern, unfit)| {
            is_asked(pattern, get) && (unfit.probes.is_empty() || unfit.probes.contains(&probe.kind))
        });
        if let Some((pattern, unfit)) = avoided {
            let path = pattern.replace("**", "…");
            return self.severity(unfit, get).map(|severity| (severity, format!("{path}, which {}", unfit.why)));
        }
        self.early(probe, get)
    }

    fn severity(&self, unfit: &Unfit, get: &Get<'_>) -> Option<Severity> {
        if !unfit.guarded {
            return Some(if unfit.mild { Severity::Advice } else { Severity::Warning });
        }
        if get.credentials {
            return None;
        }
        let auth = &self.known.runtime.as_ref()?.auth_when;
        let certain = self.known.sure && !self.facts.unsure;
        match self.start.holds(auth) {
            Some(true) => Some(if certain { Severity::Error } else { Severity::Warning }),
            // A key that comes from a Secret is there, or the pod would not start, unless it is optional.
            None => Some(Severity::Warning),
            Some(false) => None,
        }
    }

    /// Whether a readiness probe asks what is true before the model is loaded, where there is something better to ask.
    fn early(&self, probe: &Written<'_>, get: &Get<'_>) -> Option<(Severity, String)> {
        let early = self.facts.liveness.as_ref().filter(|fact| fact.before_load && !fact.unsure)?;
        let fit = self.facts.readiness.as_ref().filter(|fact| !fact.before_load && !fact.unsure)?;
        let (path, better) = (early.http.as_deref()?, fit.http.as_deref()?);
        let asked = probe.kind == ProbeKind::Readiness && get.asks(path) && !get.asks(better);
        (asked && self.known.role.serves_a_model())
            .then(|| (Severity::Warning, format!("{path}, which is true before the model can be used: ask {better}")))
    }

    /// The path that fits in the place of the other, where all is known that tells it.
    fn repair(&self, probe: &Written<'_>, get: &Get<'_>) -> Option<Fix> {
        let fitting = self.known.probes.as_ref().ok()?;
        let fit = match probe.kind {
            ProbeKind::Startup => &fitting.startup,
            ProbeKind::Readiness => &fitting.readiness,
            ProbeKind::Liveness => &fitting.liveness,
        };
        let fit = fit.as_ref()?;
        let Call::Http { path, https } = &fit.call else { return None };
        let same = written::number(self.container, get.node.get("port").value()) == Some(fit.port);
        (same && *https == get.https)
            .then(|| Fix::r#unsafe(format!("ask {path}"), vec![get.node.get("path").set(json!(path))]))
    }
}

/// Whether the probe asks what `pattern` says. A pattern with a query is about this query, any other about any.
fn is_asked(pattern: &str, get: &Get<'_>) -> bool {
    match pattern.contains('?') {
        true => get.path == pattern,
        false => get.plain() == pattern || pattern.contains('*') && fast_glob::glob_match(pattern, get.plain()),
    }
}
