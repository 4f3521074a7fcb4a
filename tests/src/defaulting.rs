//! Defaults an object as the API server does, as far as a rule could tell the difference.
//!
//! Source: kubernetes/kubernetes `pkg/apis/core/v1/defaults.go`, `pkg/apis/apps/v1/defaults.go`. It stands in for the
//! real API server where none runs.

use buttress_policies::catalog::Catalog;
use buttress_policies::object::Object;
use buttress_policies::path::Path;
use serde_json::{Value, json};

/// The object as the API server would give it back. Custom resources are given back as they are.
pub fn defaulted(object: &Value) -> Value {
    let mut result = object.clone();
    let seen = Object::new(object, Catalog::builtin());
    let identity = seen.identity();
    if !matches!(identity.group, "" | "apps" | "batch" | "autoscaling") {
        return result;
    }
    if identity.is("apps", "Deployment") || identity.is("apps", "StatefulSet") {
        set(&mut result, &["spec"], "replicas", json!(1));
        set(&mut result, &["spec"], "revisionHistoryLimit", json!(10));
    }
    if identity.is("apps", "Deployment") {
        set(&mut result, &["spec"], "progressDeadlineSeconds", json!(600));
        set(&mut result, &["spec", "strategy"], "type", json!("RollingUpdate"));
        if result.pointer("/spec/strategy/type") == Some(&json!("RollingUpdate")) {
            for field in ["maxSurge", "maxUnavailable"] {
                set(&mut result, &["spec", "strategy", "rollingUpdate"], field, json!("25%"));
            }
        }
    }
    if identity.is("apps", "DaemonSet") || identity.is("apps", "StatefulSet") {
        set(&mut result, &["spec", "updateStrategy"], "type", json!("RollingUpdate"));
    }
    if identity.is("autoscaling", "HorizontalPodAutoscaler") {
        default_autoscaler(&mut result, identity.version);
    }
    if identity.is("batch", "Job") {
        default_job(&mut result, &["spec"]);
    }
    if identity.is("batch", "CronJob") {
        set(&mut result, &["spec"], "concurrencyPolicy", json!("Allow"));
        set(&mut result, &["spec"], "suspend", json!(false));
        default_job(&mut result, &["spec", "jobTemplate", "spec"]);
    }
    for pod in seen.pods() {
        default_pod(&mut result, pod.spec().path());
    }
    result
}

/// Source: kubernetes/kubernetes `pkg/apis/autoscaling/v1/defaults.go` and `pkg/apis/autoscaling/v2/defaults.go`.
fn default_autoscaler(object: &mut Value, version: &str) {
    set(object, &["spec"], "minReplicas", json!(1));
    if version == "v1" {
        set(object, &["spec"], "targetCPUUtilizationPercentage", json!(80));
    } else {
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
        set(object, &["spec"], "metrics", json!([{"type": "Resource", "resource": cpu}]));
    }
}

/// Source: kubernetes/kubernetes `pkg/apis/batch/v1/defaults.go`.
fn default_job(object: &mut Value, spec: &[&str]) {
    let pointer = format!("/{}", spec.join("/"));
    let is_set = |object: &Value, field: &str| {
        object.pointer(&pointer).and_then(|spec| spec.get(field)).is_some_and(|value| !value.is_null())
    };
    // Completions without a number are a work queue, which only a parallelism of its own makes.
    if !is_set(object, "parallelism") && !is_set(object, "completions") {
        set(object, spec, "completions", json!(1));
    }
    let retries = if is_set(object, "backoffLimitPerIndex") { i32::MAX } else { 6 };
    let replaced = if is_set(object, "podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    for (field, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(retries)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!(replaced)),
    ] {
        set(object, spec, field, value);
    }
}

fn default_pod(object: &mut Value, spec: &Path) {
    let Some(spec) = object.pointer_mut(spec.as_str()).filter(|spec| spec.is_object()) else { return };
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
        ("enableServiceLinks", json!(true)),
    ] {
        set(spec, &[], field, value);
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            default_container(container);
        }
    }
}

fn default_container(container: &mut Value) {
    if !container.is_object() {
        return;
    }
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let floats = !image.contains('@') && (!name.contains(':') || name.ends_with(":latest"));
    let pull = if floats { "Always" } else { "IfNotPresent" };
    for (field, value) in [
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("imagePullPolicy", json!(pull)),
        ("resources", json!({})),
    ] {
        set(container, &[], field, value);
    }
    let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned().unwrap_or_default();
    for (resource, quantity) in limits {
        set(container, &["resources", "requests"], &resource, quantity);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) else { continue };
        for (field, value) in
            [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            set(probe, &[], field, json!(value));
        }
        if probe.get("httpGet").is_some_and(Value::is_object) {
            set(probe, &["httpGet"], "path", json!("/"));
            set(probe, &["httpGet"], "scheme", json!("HTTP"));
        }
    }
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        set(port, &[], "protocol", json!("TCP"));
    }
}

/// Puts `value` under `field` where nothing is, making mappings on the way; leaves alone what has the wrong type.
fn set(value: &mut Value, way: &[&str], field: &str, default: Value) {
    let mut here = value;
    for key in way {
        let Some(map) = here.as_object_mut() else { return };
        let next = map.entry(*key).or_insert(Value::Null);
        if next.is_null() {
            *next = json!({});
        }
        here = next;
    }
    if let Some(map) = here.as_object_mut() {
        let slot = map.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = default;
        }
    }
}
