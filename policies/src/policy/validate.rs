//! Reads a Policy from a value: what the schema says, what it cannot say, and then the types. All mistakes at once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document::Policy;
use super::injection::{Amount, Injection, StartupBudget};
use super::schema::schema;
use super::walk::walk;
use crate::catalog::{Accelerator, Kind, Runtime};
use crate::node::Node;
use crate::path::Path;
use crate::rule::Rule;

/// One mistake in a Policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where, be it at a key that is missing.
    pub path: Path,
    /// What is wrong there, in a few words that go on from the path; without values, which may be nobody's business.
    pub message: String,
}

impl PolicyError {
    pub(super) fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, message: message.into() }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            write!(f, "the document {}", self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for PolicyError {}

impl Policy {
    /// Reads a Policy. A key without a value counts as left out, as it does to Kubernetes.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the schema's check and then of the document.
    pub fn from_value(value: &Value, rules: &[&Rule]) -> Result<Self, Vec<PolicyError>> {
        let value = without_nulls(value);
        let mut errors = walk(&schema(rules), &value);
        let spec = Node::root(&value).get("spec");
        budget(&spec.walk(&["injection", "startupBudget"]), &mut errors);
        tolerations(&spec.walk(&["injection", "tolerations"]), &mut errors);
        reasons(&spec.get("exemptions"), &mut errors);
        additions(&spec, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        // The schema is made from the types, so that little is left to go wrong here; what does has no better place.
        read::<Injection>(&spec.get("injection"), &mut errors);
        for node in spec.get("runtimes").items() {
            read::<Runtime>(&node, &mut errors);
        }
        for node in spec.get("accelerators").items() {
            read::<Accelerator>(&node, &mut errors);
        }
        for node in spec.get("workloads").items() {
            read::<Kind>(&node, &mut errors);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        serde_json::from_value(value)
            .map_err(|error| vec![PolicyError::new(Path::root(), format!("cannot be read: {error}"))])
    }
}

fn read<T: DeserializeOwned>(node: &Node<'_>, errors: &mut Vec<PolicyError>) {
    if node.is_absent() {
        return;
    }
    if let Err(error) = serde_json::from_value::<T>(node.value().clone()) {
        errors.push(PolicyError::new(node.path().clone(), format!("cannot be read: {error}")));
    }
}

/// The same value without the keys that have none.
pub(super) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let present = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn budget(node: &Node<'_>, errors: &mut Vec<PolicyError>) {
    let defaults = StartupBudget::default();
    let (minimum, maximum) = (node.get("minimumSeconds"), node.get("maximumSeconds"));
    let least = minimum.value().as_u64().unwrap_or(defaults.minimum_seconds);
    let most = maximum.value().as_u64().unwrap_or(defaults.maximum_seconds);
    if least > most {
        let (place, message) = if minimum.is_absent() {
            (maximum, format!("must be at least minimumSeconds, which is {least}"))
        } else {
            (minimum, format!("must be at most maximumSeconds, which is {most}"))
        };
        errors.push(PolicyError::new(place.path().clone(), message));
    }
}

/// What the API server would refuse in a pod.
/// Source: <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>
fn tolerations(node: &Node<'_>, errors: &mut Vec<PolicyError>) {
    for toleration in node.items() {
        let value = toleration.get("value");
        if toleration.get("operator").as_str() == Some("Exists")
            && value.as_str().is_some_and(|value| !value.is_empty())
        {
            let message = "must be left out with `operator: Exists`, which takes any value";
            errors.push(PolicyError::new(value.path().clone(), message));
        }
        let seconds = toleration.get("tolerationSeconds");
        if !seconds.is_absent() && toleration.get("effect").as_str() != Some("NoExecute") {
            errors.push(PolicyError::new(seconds.path().clone(), "must be left out without `effect: NoExecute`"));
        }
    }
}

fn reasons(node: &Node<'_>, errors: &mut Vec<PolicyError>) {
    for exemption in node.items() {
        let reason = exemption.get("reason");
        if reason.as_str().is_some_and(|reason| !reason.is_empty() && reason.trim().is_empty()) {
            errors.push(PolicyError::new(reason.path().clone(), "must not be empty"));
        }
    }
}

/// What the schema cannot say of entries for the catalog.
fn additions(spec: &Node<'_>, errors: &mut Vec<PolicyError>) {
    let only = |node: &Node<'_>, keys: &[&str]| -> Option<Vec<String>> {
        keys.iter().map(|key| node.get(key).as_str().map(str::to_owned)).collect()
    };
    for (list, keys) in [("runtimes", &["id"][..]), ("accelerators", &["resource"]), ("workloads", &["group", "kind"])]
    {
        let mut seen = BTreeMap::new();
        for (index, node) in spec.get(list).items().enumerate() {
            let Some(identity) = only(&node, keys) else { continue };
            if let Some(first) = seen.insert(identity, index) {
                let message = format!("is there already: item {first} has the same {}", keys.join(" and "));
                errors.push(PolicyError::new(node.path().clone(), message));
            }
        }
    }
    for node in spec.get("accelerators").items() {
        let resource = node.get("resource");
        if let Some(Err(error)) = resource.as_str().map(fast_glob::validate) {
            errors.push(PolicyError::new(resource.path().clone(), format!("is no glob: {error}")));
        }
    }
    for runtime in spec.get("runtimes").items() {
        runtime_facts(&runtime, errors);
    }
    for kind in spec.get("workloads").items() {
        pointer(&kind.get("replicas"), errors);
        for refused in kind.get("refuses").items() {
            pointer(&refused, errors);
        }
        for template in kind.get("templates").items() {
            for key in ["path", "metadata", "replicas", "groupSize"] {
                pointer(&template.get(key), errors);
            }
        }
    }
}

/// A probe of a port that is not there, or a size that is none, would be passed over in silence later.
fn runtime_facts(runtime: &Node<'_>, errors: &mut Vec<PolicyError>) {
    for probe in ["startup", "readiness", "liveness"].map(|probe| runtime.walk(&["probes", probe])) {
        let port = probe.get("port");
        if probe.value().is_object() && runtime.get("ports").get(port.as_str().unwrap_or("http")).is_absent() {
            errors.push(PolicyError::new(
                port.path().clone(),
                "names none of this runtime's ports (`http` when left out)",
            ));
        }
    }
    let size = runtime.walk(&["sharedMemory", "size"]);
    if let Some(Err(message)) = size.as_str().map(Amount::parse) {
        errors.push(PolicyError::new(size.path().clone(), message));
    }
}

fn pointer(node: &Node<'_>, errors: &mut Vec<PolicyError>) {
    if node.as_str().is_some_and(|text| !text.is_empty() && !text.starts_with('/')) {
        let message = "is no JSON Pointer: it starts with `/`, such as `/spec/template`";
        errors.push(PolicyError::new(node.path().clone(), message));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{RULES, document, mistakes};
    use super::super::{Allow, AllowWord, Enforcement, OnExpiry, Preset, SeveritySetting};
    use super::*;
    use crate::rule::Severity;

    #[test]
    fn the_document_of_the_design_is_read() {
        let value = document(json!({
            "priority": 0,
            "namespaces": ["ml-*"],
            "enforcement": "warn",
            "edition": "0.1",
            "preset": "recommended",
            "podSecurity": {"level": "baseline", "version": "v1.36"},
            "rules": {"missing-startup-probe": {"severity": "warning", "repair": true}, "images": {"severity": false}},
            "locked": ["privileged-container", "security"],
            "injection": {
                "sizes": {"default": {"cpu": 1}, "vector-db": {"memory": "8Gi", "perAccelerator": {"cpu": 4, "memory": "16Gi"}}},
                "memoryLimit": {"factor": 2},
                "cpuLimit": {"factor": 1.5},
                "requests": {"insist": true},
                "startupBudget": {"maximumSeconds": 7200},
                "tolerations": [{"key": "dedicated", "value": "ml", "effect": "NoSchedule"}],
                "tolerationValues": {"nvidia.com/gpu": "present"},
                "securityContext": true,
            },
            "runtimes": [],
            "accelerators": [{"resource": "example.com/npu*"}],
            "workloads": [{
                "group": "ai.example.com", "kind": "AIService", "replicas": "/spec/size",
                "templates": [{"path": "/spec/template", "type": "PodTemplateSpec"}],
            }],
            "exemptions": [{
                "rules": ["host-path-volume"], "namespaces": ["gpu-operator"], "names": ["*-driver-*"],
                "reason": "installs drivers", "until": "2027-06-30", "onExpiry": "deny",
            }],
            "annotations": {"allow": "below-error"},
        }));
        let policy = Policy::from_value(&value, RULES).unwrap();
        let spec = &policy.spec;
        assert_eq!(policy.metadata.name, "default");
        assert_eq!(spec.enforcement, Some(Enforcement::Warn));
        assert_eq!(spec.preset, Some(Preset::Recommended));
        let settings = spec.rules["missing-startup-probe"];
        assert_eq!(settings.severity, Some(SeveritySetting::On(Severity::Warning)));
        assert_eq!(spec.rules["images"].severity, Some(SeveritySetting::Off));
        assert_eq!(spec.exemptions[0].on_expiry, OnExpiry::Deny);
        assert_eq!(spec.exemptions[0].until, "2027-06-30".parse().ok());
        assert_eq!(spec.annotations.allow, Some(Allow::Word(AllowWord::BelowError)));
        assert_eq!(spec.workloads[0].kind, "AIService");
    }

    #[test]
    fn a_policy_that_says_nothing_is_one() {
        let policy = Policy::from_value(&document(json!({})), RULES).unwrap();
        assert_eq!(policy.spec, super::super::Spec::default());
    }

    #[test]
    fn what_a_cluster_adds_is_let_pass() {
        let mut value = document(json!({}));
        value["metadata"]["generation"] = json!(7);
        value["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
        value["status"] = json!({"conditions": []});
        assert_eq!(Policy::from_value(&value, RULES).unwrap().metadata.generation, Some(7));
    }

    #[test]
    fn a_key_without_a_value_is_left_out() {
        let value = document(json!({
            "rules": null, "locked": null, "namespaces": null, "edition": null, "injection": {"sizes": null},
            "annotations": {"allow": null},
        }));
        assert_eq!(Policy::from_value(&value, RULES).unwrap().spec, super::super::Spec::default());
        assert_eq!(
            mistakes(json!({"exemptions": [{"rules": ["images"], "reason": null}]})),
            ["/spec/exemptions/0/reason: is missing",]
        );
    }

    #[test]
    fn the_frame_of_the_document_is_checked() {
        let told = |value: &Value| -> Vec<String> {
            Policy::from_value(value, RULES).unwrap_err().iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&json!(null)), ["the document must be a mapping, not nothing"]);
        assert_eq!(told(&json!(["x"])), ["the document must be a mapping, not a list"]);
        let mut missing = told(&json!({}));
        missing.sort();
        let expected = ["/apiVersion: is missing", "/kind: is missing", "/metadata: is missing", "/spec: is missing"];
        assert_eq!(missing, expected);
        let wrong =
            json!({"apiVersion": "buttress.dev/v1", "kind": "Polisy", "metadata": {"name": ""}, "sepc": {}, "spec": 5});
        let mut told = told(&wrong);
        told.sort();
        assert_eq!(
            told,
            [
                "/apiVersion: unknown value `buttress.dev/v1`; did you mean `buttress.dev/v1alpha1`?",
                "/kind: unknown value `Polisy`; did you mean `Policy`?",
                "/metadata/name: must not be empty",
                "/sepc: unknown key `sepc`; did you mean `spec`?",
                "/spec: must be a mapping, not a number",
            ]
        );
    }

    /// Each row is one mistake, told in one message.
    #[test]
    fn every_mistake_is_told_with_its_place() {
        let exemption = |more: Value| {
            let mut exemption = json!({"rules": ["images"], "reason": "r"});
            exemption.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"exemptions": [exemption]})
        };
        let injection = |more: Value| json!({"injection": more});
        for (spec, message) in [
            (json!({"prioritty": 1}), "/spec/prioritty: unknown key `prioritty`; did you mean `priority`?"),
            (json!({"priority": "1"}), "/spec/priority: must be a whole number, not text"),
            (json!({"priority": 1.5}), "/spec/priority: must be a whole number, not a fraction"),
            (json!({"priority": 3_000_000_000_u64}), "/spec/priority: must be at most 2147483647"),
            (json!({"namespaces": "ml-*"}), "/spec/namespaces: must be a list, not text"),
            (json!({"namespaces": []}), "/spec/namespaces: must not be empty, as an empty list covers nothing"),
            (json!({"namespaces": [7]}), "/spec/namespaces/0: must be text, not a number; put it in quotes"),
            (json!({"namespaces": ["a", ""]}), "/spec/namespaces/1: must not be empty"),
            (
                json!({"namespaces": ["ml-{a"]}),
                "/spec/namespaces/0: is no glob: unclosed brace expansion at byte 3; missing '}' (to match a literal '{', escape it as '\\{' or '[{]')",
            ),
            (
                json!({"namespaces": ["!kube-*"]}),
                "/spec/namespaces/0: a glob here cannot exclude names; give them a Policy of higher priority instead",
            ),
            (
                json!({"enforcement": "enforce"}),
                "/spec/enforcement: unknown value `enforce`; it must be `observe`, `warn` or `deny`",
            ),
            (json!({"enforcement": "warm"}), "/spec/enforcement: unknown value `warm`; did you mean `warn`?"),
            (json!({"enforcement": true}), "/spec/enforcement: must be `observe`, `warn` or `deny`, not true or false"),
            (json!({"edition": 0.1}), "/spec/edition: must be text, not a fraction; put it in quotes"),
            (
                json!({"edition": "v0.1"}),
                "/spec/edition: is no edition; write the first two numbers of a release, such as \"0.1\"",
            ),
            (json!({"preset": "recomended"}), "/spec/preset: unknown value `recomended`; did you mean `recommended`?"),
            (
                json!({"podSecurity": {"level": "base-line"}}),
                "/spec/podSecurity/level: unknown value `base-line`; did you mean `baseline`?",
            ),
            (
                json!({"podSecurity": {"version": "1.36"}}),
                "/spec/podSecurity/version: is no version of Kubernetes; write `latest` or `v1.` and a number",
            ),
            (
                json!({"rules": {"privilged-container": {}}}),
                "/spec/rules/privilged-container: unknown rule or category `privilged-container`; did you mean `privileged-container`?",
            ),
            (json!({"rules": {"qqqqqqqqqqq": {}}}), "/spec/rules/qqqqqqqqqqq: unknown rule or category `qqqqqqqqqqq`"),
            (json!({"rules": {"images": "off"}}), "/spec/rules/images: must be a mapping, not text"),
            (
                json!({"rules": {"images": {"severity": "warn"}}}),
                "/spec/rules/images/severity: unknown severity `warn`; did you mean `warning`?",
            ),
            (
                json!({"rules": {"images": {"severity": true}}}),
                "/spec/rules/images/severity: must be `error`, `warning`, `advice` or `off`, not true or false",
            ),
            (
                json!({"rules": {"images": {"repairs": true}}}),
                "/spec/rules/images/repairs: unknown key `repairs`; did you mean `repair`?",
            ),
            (
                json!({"rules": {"images": {"repair": "no"}}}),
                "/spec/rules/images/repair: must be true or false, not text",
            ),
            (
                json!({"locked": ["sekurity"]}),
                "/spec/locked/0: unknown rule or category `sekurity`; did you mean `security`?",
            ),
            (
                injection(json!({"sizes": {"inferense": {}}})),
                "/spec/injection/sizes/inferense: unknown key `inferense`; did you mean `inference`?",
            ),
            (
                injection(json!({"sizes": {"inference": {"memory": "4GB"}}})),
                "/spec/injection/sizes/inference/memory: is no quantity above zero; write a number with or without a unit, such as `500m`, `2` or `4Gi`",
            ),
            (
                injection(json!({"sizes": {"inference": {"perAccelerator": {"cpu": 0}}}})),
                "/spec/injection/sizes/inference/perAccelerator/cpu: is no quantity above zero; write a number with or without a unit, such as `500m`, `2` or `4Gi`",
            ),
            (
                injection(json!({"sizes": {"inference": {"cpu": [1]}}})),
                "/spec/injection/sizes/inference/cpu: must be text or a number, not a list",
            ),
            (
                injection(json!({"memoryLimit": {"factor": 0.5}})),
                "/spec/injection/memoryLimit/factor: must be at least 1",
            ),
            (
                injection(json!({"cpuLimit": {"factor": "2"}})),
                "/spec/injection/cpuLimit/factor: must be a number, not text",
            ),
            (injection(json!({"cpuLimit": {}})), "/spec/injection/cpuLimit/factor: is missing"),
            (injection(json!({"memoryLimit": 2})), "/spec/injection/memoryLimit: must be a mapping, not a number"),
            (
                injection(json!({"startupBudget": {"factor": 0.9}})),
                "/spec/injection/startupBudget/factor: must be at least 1",
            ),
            (
                injection(json!({"startupBudget": {"bytesPerSecond": 0}})),
                "/spec/injection/startupBudget/bytesPerSecond: must be at least 1",
            ),
            (
                injection(json!({"startupBudget": {"minimumSeconds": 20_000}})),
                "/spec/injection/startupBudget/minimumSeconds: must be at most maximumSeconds, which is 10800",
            ),
            (
                injection(json!({"startupBudget": {"maximumSeconds": 600}})),
                "/spec/injection/startupBudget/maximumSeconds: must be at least minimumSeconds, which is 1800",
            ),
            (
                injection(json!({"tolerations": [{"operator": "Exists"}]})),
                "/spec/injection/tolerations/0/key: is missing",
            ),
            (injection(json!({"tolerations": [{"key": ""}]})), "/spec/injection/tolerations/0/key: must not be empty"),
            (
                injection(json!({"tolerations": [{"key": "a", "operator": "exists"}]})),
                "/spec/injection/tolerations/0/operator: unknown value `exists`; did you mean `Exists`?",
            ),
            (
                injection(json!({"tolerations": [{"key": "a", "operator": "Exists", "value": "x"}]})),
                "/spec/injection/tolerations/0/value: must be left out with `operator: Exists`, which takes any value",
            ),
            (
                injection(json!({"tolerations": [{"key": "a", "tolerationSeconds": 5, "effect": "NoSchedule"}]})),
                "/spec/injection/tolerations/0/tolerationSeconds: must be left out without `effect: NoExecute`",
            ),
            (
                injection(json!({"tolerationValues": {"nvidia.com/gpu": true}})),
                "/spec/injection/tolerationValues/nvidia.com~1gpu: must be text, not true or false; put it in quotes",
            ),
            (exemption(json!({"until": "2027-02-30"})), "/spec/exemptions/0/until: is no date; write YYYY-MM-DD"),
            (exemption(json!({"until": "30.6.2027"})), "/spec/exemptions/0/until: is no date; write YYYY-MM-DD"),
            (
                exemption(json!({"until": "2027-06-30T00:00:00"})),
                "/spec/exemptions/0/until: is no date; write YYYY-MM-DD",
            ),
            (
                exemption(json!({"until": 20270630})),
                "/spec/exemptions/0/until: must be text, not a number; put it in quotes",
            ),
            (
                exemption(json!({"onExpiry": "den"})),
                "/spec/exemptions/0/onExpiry: unknown value `den`; did you mean `deny`?",
            ),
            (exemption(json!({"reason": ""})), "/spec/exemptions/0/reason: must not be empty"),
            (exemption(json!({"reason": "  "})), "/spec/exemptions/0/reason: must not be empty"),
            (
                exemption(json!({"rules": []})),
                "/spec/exemptions/0/rules: must not be empty, as an empty list covers nothing",
            ),
            (
                exemption(json!({"rules": ["floating-tags"]})),
                "/spec/exemptions/0/rules/0: unknown rule or category `floating-tags`; did you mean `floating-tag`?",
            ),
            (
                exemption(json!({"names": ["[a"]})),
                "/spec/exemptions/0/names/0: is no glob: unclosed character class at byte 0; missing ']' (to match a literal '[', escape it as '\\[' or '[[]')",
            ),
            (
                exemption(json!({"namespace": ["a"]})),
                "/spec/exemptions/0/namespace: unknown key `namespace`; did you mean `namespaces`?",
            ),
            (
                json!({"annotations": {"allow": "below-errors"}}),
                "/spec/annotations/allow: unknown value `below-errors`; did you mean `below-error`?",
            ),
            (json!({"annotations": {"allow": ["none"]}}), "/spec/annotations/allow/0: unknown rule or category `none`"),
            (
                json!({"annotations": {"allow": 5}}),
                "/spec/annotations/allow: must be text or a list, not a number; put it in quotes",
            ),
            (
                json!({"accelerators": [{"resource": "example.com/npu[", "counts": "device"}]}),
                "/spec/accelerators/0/resource: is no glob: unclosed character class at byte 15; missing ']' (to match a literal '[', escape it as '\\[' or '[[]')",
            ),
            (
                json!({"accelerators": [{"resource": "a.b/c", "counts": "devices"}]}),
                "/spec/accelerators/0/counts: unknown value `devices`; did you mean `device`?",
            ),
            (
                json!({"runtimes": [{"id": "a"}, {"id": "b"}, {"id": "a"}]}),
                "/spec/runtimes/2: is there already: item 0 has the same id",
            ),
            (
                json!({"runtimes": [{"id": "a", "ports": {"http": {}}, "probes": {"liveness": {"port": "htpp"}}}]}),
                "/spec/runtimes/0/probes/liveness/port: names none of this runtime's ports (`http` when left out)",
            ),
            (
                json!({"runtimes": [{"id": "a", "probes": {"readiness": {"http": "/health"}}}]}),
                "/spec/runtimes/0/probes/readiness/port: names none of this runtime's ports (`http` when left out)",
            ),
            (
                json!({"runtimes": [{"id": "a", "ports": {"http": {"default": 65_536}}}]}),
                "/spec/runtimes/0/ports/http/default: must be at most 65535",
            ),
            (
                json!({"runtimes": [{"id": "a", "sharedMemory": {"size": "2GB"}}]}),
                "/spec/runtimes/0/sharedMemory/size: is no quantity above zero; write a number with or without a unit, such as `500m`, `2` or `4Gi`",
            ),
            (
                json!({"runtimes": [{"id": "a", "role": "inferences"}]}),
                "/spec/runtimes/0/role: unknown value `inferences`; did you mean `inference`?",
            ),
            (
                json!({"workloads": [{"group": "a", "kind": "A", "replicas": "spec.size"}]}),
                "/spec/workloads/0/replicas: is no JSON Pointer: it starts with `/`, such as `/spec/template`",
            ),
            (
                json!({"workloads": [{"group": "a", "kind": "A", "templates": [{"path": "spec", "type": "PodSpec"}]}]}),
                "/spec/workloads/0/templates/0/path: is no JSON Pointer: it starts with `/`, such as `/spec/template`",
            ),
            (
                json!({"workloads": [{"group": "a", "kind": "A"}, {"group": "a", "kind": "A"}]}),
                "/spec/workloads/1: is there already: item 0 has the same group and kind",
            ),
        ] {
            assert_eq!(mistakes(spec.clone()), [message], "{spec}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let told = mistakes(json!({
            "preset": "lax",
            "rules": {"imagess": {}, "images": {"severity": "fatal", "repair": 1}},
            "injection": {"memoryLimit": {"factor": 0}, "startupBudget": {"minimumSeconds": 99_999}},
            "exemptions": [{"rules": ["x"], "until": "soon"}],
        }));
        assert_eq!(told.len(), 9, "{told:#?}");
    }

    #[test]
    fn no_value_of_another_place_is_told() {
        let secret = "hunter2hunter2";
        let told = mistakes(json!({
            "priority": secret, "edition": secret, "namespaces": [format!("{{{secret}")],
            "injection": {"sizes": {"inference": {"cpu": secret}}, "requests": {"insist": secret}},
            "exemptions": [{"rules": secret, "reason": [secret], "until": secret}],
            "workloads": [{"group": [secret], "kind": "A", "replicas": secret}],
        }));
        assert!(told.len() >= 9 && told.iter().all(|message| !message.contains(secret)), "{told:#?}");
    }

    /// Reads the document and, when it is wrong, sees that the mistake was found where it is and not by the types.
    fn read_odd(document: &Value) {
        for error in Policy::from_value(document, RULES).err().into_iter().flatten() {
            assert!(!error.message.starts_with("cannot be read"), "{error}\n{document}");
        }
    }

    #[test]
    fn odd_values_are_told_and_never_panic() {
        let odd = [json!(null), json!(true), json!(-1), json!(1e300), json!(""), json!([[]]), json!({"": {"": null}})];
        for key in ["spec", "metadata", "kind", "apiVersion", "status"] {
            for value in &odd {
                let mut document = document(json!({}));
                document[key] = value.clone();
                read_odd(&document);
            }
        }
        let keys = [
            "priority",
            "namespaces",
            "rules",
            "locked",
            "injection",
            "runtimes",
            "accelerators",
            "workloads",
            "exemptions",
            "annotations",
            "podSecurity",
        ];
        for key in keys {
            for value in &odd {
                for value in [value.clone(), json!([value]), json!({"sizes": value, "allow": value, "images": value})] {
                    read_odd(&document(json!({key: value})));
                }
            }
        }
    }
}
