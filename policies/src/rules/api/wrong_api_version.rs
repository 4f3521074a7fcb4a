//! `wrong-api-version`: a well-known kind under an API group that does not have it.

use super::{kubernetes, removed_api};
use crate::context::Context;
use crate::finding::Finding;
use crate::object::{Identity, Object};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "wrong-api-version",
    summary: "the API group does not have this kind",
    category: Category::Api,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The API server finds an object's kind by its \
[group and version](https://kubernetes.io/docs/reference/using-api/#api-groups). A ServiceMonitor in `v1` or a Deployment \
in `v1` is refused with *no matches for kind*, and everything that stands behind it in the file is left out by many tools. \
Custom resources such as ServiceMonitor also need their definitions installed first. There is no repair, as another version \
may have other fields.",
    bad: "\
apiVersion: v1
kind: ServiceMonitor
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  endpoints:
    - port: metrics
",
    good: "\
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: llm
spec:
  selector:
    matchLabels:
      app: llm
  endpoints:
    - port: metrics
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    if object.definition().is_some() || identity.version.is_empty() || !kubernetes::is_closed(identity.group) {
        return Vec::new();
    }
    // What was there once is told by the rule on removed versions, with the release.
    if removed_api::removal(identity).is_some() {
        return Vec::new();
    }
    let Some((group, version)) = home(identity, context) else { return Vec::new() };
    if group == identity.group {
        return Vec::new();
    }
    let right = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let at = object.root().get("apiVersion").path().clone();
    let written = object.root().get("apiVersion").as_str().unwrap_or_default();
    let message = format!("`{written}` has no {}, so it is refused: write `apiVersion: {right}`", identity.kind);
    vec![RULE.finding(at, message)]
}

/// Where the kind stands, if it stands in one place only. Kubernetes' own kinds come first: who writes a StatefulSet in a
/// group of Kubernetes means its own and not another project's.
fn home<'a>(identity: Identity<'_>, context: &Context<'a>) -> Option<(&'a str, &'a str)> {
    if kubernetes::is_built_in(identity.group)
        && let Some(home) = kubernetes::built_in(identity.kind)
    {
        return Some(home);
    }
    if let Some(home) = kubernetes::custom(identity.kind) {
        return Some(home);
    }
    // Young groups of Kubernetes get kinds of a name that others had before, such as Workload.
    if kubernetes::built_in(identity.kind).is_some() || !matches!(identity.group, "" | "apps" | "batch") {
        return None;
    }
    let mut known = context.catalog().kinds().iter().filter(|kind| kind.kind == identity.kind);
    match (known.next(), known.next()) {
        (Some(kind), None) if !kind.unsure => Some((&kind.group, kind.versions.first()?)),
        _ => None,
    }
}
