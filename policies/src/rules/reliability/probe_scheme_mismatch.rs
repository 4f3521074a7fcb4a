//! `probe-scheme-mismatch`: a probe that speaks HTTP to a server that speaks TLS, or the other way round.

use serde_json::json;

use super::written::{self, Get};
use crate::catalog::Probes;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "probe-scheme-mismatch",
    summary: "a probe speaks HTTP to a model server that speaks TLS, or the other way round",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
An [`httpGet` probe](https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe) speaks plain HTTP \
unless its `scheme` is `HTTPS`; the certificate is not checked then. A server that was given a key and a certificate answers no \
plain request, and one that was given none answers no TLS: the probe fails each time, and the container is restarted for ever or \
never ready.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --ssl-keyfile, /tls/tls.key, --ssl-certfile, /tls/tls.crt]
      readinessProbe:
        httpGet:
          path: /health
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
      args: [--model, Qwen/Qwen3-8B, --ssl-keyfile, /tls/tls.key, --ssl-certfile, /tls/tls.crt]
      readinessProbe:
        httpGet:
          path: /health
          port: 8000
          scheme: HTTPS
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known, facts) in written::servers(pod, context) {
        let mut gets = written::probes(container).filter_map(|probe| Some((probe.name(), probe.get()?))).peekable();
        if gets.peek().is_none() {
            continue;
        }
        let Some(speaks_tls) = speaks_tls(pod, container, known, facts) else { continue };
        findings.extend(gets.filter_map(|(what, get)| check_get(what, &get, speaks_tls, container, known)));
    }
    findings
}

/// Whether the server speaks TLS on its port, where that is certain.
fn speaks_tls(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile, facts: &Probes) -> Option<bool> {
    let start = written::in_sight(pod, container, known)?;
    let condition = &facts.https_when;
    let tls = start.holds(condition)?;
    // That it speaks none follows only where it is known what makes it, and no image or file sets a variable for it.
    let plain = !condition.flags.is_empty() && condition.env.is_empty() && written::is_alone(pod, known);
    // What changes its probes altogether may turn on TLS as well.
    (tls || plain && written::listens(&start, facts)).then_some(tls)
}

fn check_get(
    what: &str,
    get: &Get<'_>,
    speaks_tls: bool,
    container: &Container<'_>,
    known: &ContainerProfile,
) -> Option<Finding> {
    let port = written::number(container, get.node.get("port").value());
    if get.https == speaks_tls || get.elsewhere || port.is_none() || port != known.port {
        return None;
    }
    let title = written::title(container, known);
    let (scheme, message) = if speaks_tls {
        (
            "HTTPS",
            format!("{title} speaks TLS, and its {what} plain HTTP, which it does not answer: set `scheme: HTTPS`"),
        )
    } else {
        ("HTTP", format!("{title} has no certificate and speaks plain HTTP, and its {what} TLS: it always fails"))
    };
    let place = get.node.get("scheme");
    let fix = Fix::r#unsafe(format!("ask by {scheme}"), vec![place.set(json!(scheme))]);
    Some(RULE.finding(place.path().clone(), message).with_fix(fix))
}
