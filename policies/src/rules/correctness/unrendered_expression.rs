//! `unrendered-expression`: a Helm expression left in a manifest that Helm does not render.

use serde_json::Value;

use crate::context::Context;
use crate::finding::Finding;
use crate::node::Node;
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::api;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unrendered-expression",
    summary: "a template expression stands where Kubernetes takes it literally",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
`{{ … }}` in quotes is valid YAML, so a manifest that was copied out of a chart reaches the API server as it is: names are \
refused, images cannot be pulled, and a `checksum/config` annotation never changes. Render the chart \
([`helm template`](https://helm.sh/docs/helm/helm_template/)) or write the value. Looked at are fields of Kubernetes' own \
kinds that no program expands: names, images, replicas, quantities and checksum annotations, and everywhere in a pod's labels, \
annotations and environment what only Helm knows, such as `.Values`. Files below a folder of templates are let be.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    checksum/config: '{{ include (print $.Template.BasePath \"/config.yaml\") . | sha256sum }}'
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example.com/team/web:2.3.1
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !api::is_built_in(object.identity().group) || is_template_file(context.origin) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let root = object.root();
    let metadata = object.value().get("metadata");
    if metadata
        .is_some_and(|metadata| ["name", "namespace", "generateName"].iter().any(|key| is_text(metadata.get(key))))
    {
        for field in ["name", "namespace", "generateName"] {
            literal(&root.get("metadata").get(field), &mut findings);
        }
    }
    helm_in_metadata(&root.get("metadata"), &mut findings);
    if is_text(object.value().get("spec").and_then(|spec| spec.get("replicas"))) {
        literal(&root.get("spec").get("replicas"), &mut findings);
    }
    for pod in object.pods() {
        in_pod(pod, &mut findings);
    }
    findings
}

/// Whether the file is a template by its place or name: something renders it before Kubernetes sees it.
fn is_template_file(origin: &str) -> bool {
    ["template", ".j2", ".tpl", ".tmpl", ".jinja", ".gotmpl"].iter().any(|word| origin.contains(word))
}

fn is_text(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value.as_str().is_some_and(has_braces))
}

/// Most texts have not even one brace, which is quick to see.
fn has_braces(text: &str) -> bool {
    text.contains('{') && text.contains("{{")
}

fn in_pod(pod: &Pod<'_>, findings: &mut Vec<Finding>) {
    if !pod.is_pod()
        && let Some(metadata) = pod.metadata()
    {
        helm_in_metadata(metadata, findings);
    }
    for container in pod.containers() {
        if is_text(container.value().get("image")) {
            literal(&container.get("image"), findings);
        }
        if let Some(resources) = container.value().get("resources") {
            for field in ["requests", "limits"] {
                let quantities = resources.get(field).and_then(Value::as_object);
                if !quantities.is_some_and(|quantities| quantities.values().any(|value| is_text(Some(value)))) {
                    continue;
                }
                for (resource, quantity) in container.get("resources").get(field).entries() {
                    // The API server copies a limit to where the request is left out.
                    let limit = resources.get("limits").and_then(|limits| limits.get(resource));
                    if field == "limits" || limit != Some(quantity.value()) {
                        literal(&quantity, findings);
                    }
                }
            }
        }
        let variables = container.value().get("env").and_then(Value::as_array);
        if variables.is_some_and(|variables| variables.iter().any(|variable| is_text(variable.get("value")))) {
            for variable in container.get("env").items() {
                helm(&variable.get("value"), findings);
            }
        }
    }
}

/// What only Helm knows, in labels and annotations: other tools keep templates of their own there.
fn helm_in_metadata(metadata: &Node<'_>, findings: &mut Vec<Finding>) {
    for field in ["labels", "annotations"] {
        let pairs = metadata.value().get(field).and_then(Value::as_object);
        if pairs.is_some_and(|pairs| pairs.values().any(|value| is_text(Some(value)))) {
            for (_, value) in metadata.get(field).entries() {
                helm(&value, findings);
            }
        }
    }
}

/// A finding on a field that nothing expands.
fn literal(node: &Node<'_>, findings: &mut Vec<Finding>) {
    if node.as_str().is_some_and(has_braces) {
        let field = node.path().last().unwrap_or_default().into_owned();
        let message =
            format!("`{field}` holds a template expression, which Kubernetes takes literally: render it first");
        findings.push(RULE.finding(node.path().clone(), message));
    }
}

/// A finding on a field that other tools expand too, where the expression is Helm's alone.
fn helm(node: &Node<'_>, findings: &mut Vec<Finding>) {
    const ONLY_HELM: &[&str] = &[".Values.", ".Release.", ".Chart.", ".Template.", "include \"", "include (print"];
    let Some((_, expression)) = node.as_str().and_then(|text| text.split_once("{{")) else { return };
    if ONLY_HELM.iter().any(|word| expression.contains(word)) {
        let message =
            "a Helm expression stands here, and nothing renders it: write the value, or render the chart first";
        findings.push(RULE.finding(node.path().clone(), message));
    }
}
