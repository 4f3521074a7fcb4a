//! `open-authorization-policy`: an Istio policy whose rules, each enough by itself, let everyone in.

use serde_json::Value;

use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, list, text};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "open-authorization-policy",
    summary: "a rule of the authorization policy lets in every source",
    category: Category::Security,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The rules of an [AuthorizationPolicy](https://istio.io/latest/docs/reference/config/security/authorization-policy/) are joined by \
*or*: a request is let in when one of them matches. `from` in one rule and `to` in the next therefore does not mean *from there to \
here*, but *from there to anywhere, and from anywhere to here*. Put `from`, `to` and `when` that belong together into one rule. An \
empty rule beside others makes them pointless. Rules that open paths for health, metrics or login only, or the method `OPTIONS`, and \
conditions on who calls, are let be.",
    bad: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: llm
spec:
  action: ALLOW
  rules:
    - from:
        - source:
            namespaces: [gateway]
    - to:
        - operation:
            methods: [POST]
            paths: [/v1/*]
",
    good: "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: llm
spec:
  action: ALLOW
  rules:
    - from:
        - source:
            namespaces: [gateway]
      to:
        - operation:
            methods: [POST]
            paths: [/v1/*]
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    if !object.identity().is("security.istio.io", "AuthorizationPolicy") {
        return Vec::new();
    }
    let spec = object.root().get("spec");
    if text(spec.value(), "action").unwrap_or("ALLOW") != "ALLOW" {
        return Vec::new();
    }
    let rules: Vec<Node<'_>> = spec.get("rules").items().collect();
    if rules.len() < 2 {
        // A lone empty rule is how one says that all are welcome.
        return Vec::new();
    }
    let has = |rule: &Node<'_>, part: &str| !list(rule.value(), part).is_empty();
    // A rule of `from` and nothing else is half a sentence where another has no `from`.
    let half = rules.iter().position(|rule| has(rule, "from") && !has(rule, "to") && !has(rule, "when"));
    let mut findings = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if has(rule, "from") {
            continue;
        }
        let (to, when) = (has(rule, "to"), has(rule, "when"));
        let number = index + 1;
        if !to && !when && (rule.is_absent() || rule.value().is_object()) {
            let message =
                format!("rule {number} is empty and lets in everything, so that the other rules restrict nothing");
            findings.push(RULE.finding(rule.path().clone(), message));
        } else if let Some(half) = half
            && (to && !when && !is_public(rule) || when && !to && !tells_who(rule))
        {
            let what = if to { "to" } else { "when" };
            let message = format!(
                "rule {number} has `{what}` and no `from`, so any source passes, whatever rule {} says: rules are joined by or; \
                 make them one",
                half + 1
            );
            findings.push(RULE.finding(rule.path().clone(), message));
        }
    }
    findings
}

/// Whether a rule opens only what everybody may see: paths for probes, metrics, documents and logging in.
fn is_public(rule: &Node<'_>) -> bool {
    const SEGMENTS: &[&str] = &[
        "health",
        "healthz",
        "healthy",
        "healthcheck",
        "health-check",
        "health_check",
        "ready",
        "readyz",
        "readiness",
        "live",
        "livez",
        "liveness",
        "alive",
        "ping",
        "startup",
        "startupz",
        "metrics",
        "stats",
        "version",
        "public",
        "static",
        "docs",
        "openapi",
        "swagger",
        "redoc",
        "login",
        "logout",
        "auth",
        "oauth",
        "oauth2",
        "callback",
        "well-known",
        "favicon",
        "robots",
    ];
    let public = |path: &Value| {
        path.as_str().is_some_and(|path| {
            let path = path.to_ascii_lowercase();
            // The extension of a file and the wildcard at an end are no part of a name.
            let name = |segment: &str| {
                let segment = segment.trim_matches('*').trim_start_matches('.');
                SEGMENTS.contains(&segment.split('.').next().unwrap_or_default())
            };
            path == "/" || path.split('/').any(name)
        })
    };
    list(rule.value(), "to").iter().all(|to| {
        let paths = to.get("operation").map(|operation| list(operation, "paths")).unwrap_or_default();
        let methods = to.get("operation").map(|operation| list(operation, "methods")).unwrap_or_default();
        // What browsers ask before a request of another origin carries no credentials, and runs nothing.
        if !methods.is_empty() && methods.iter().all(|method| method.as_str() == Some("OPTIONS")) {
            return true;
        }
        let ports = to.get("operation").map(|operation| list(operation, "ports")).unwrap_or_default();
        // A port of its own, as that of metrics or webhooks, is opened on purpose.
        !paths.is_empty() && paths.iter().all(public) || paths.is_empty() && !ports.is_empty()
    })
}

/// Whether a rule's conditions are about who calls.
fn tells_who(rule: &Node<'_>) -> bool {
    let about_who = |key: &str| {
        key.starts_with("source.")
            || key.starts_with("request.auth.")
            || key.starts_with("remote.")
            || key.to_ascii_lowercase().contains("auth")
            || key.to_ascii_lowercase().contains("user")
    };
    list(rule.value(), "when").iter().any(|condition| text(condition, "key").is_some_and(about_who))
}
