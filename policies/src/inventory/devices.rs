//! ResourceClaims and their templates: which devices a pod asks for by dynamic resource allocation.

use serde_json::Value;

use super::{Inventory, Sight, Source, may_meet};
use crate::node::{integer, list, text};
use crate::workload::Pod;

/// A ResourceClaim, or a ResourceClaimTemplate that makes one for each pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClaim {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// Whether it is a template.
    pub template: bool,
    /// The devices it asks for.
    pub requests: Vec<DeviceRequest>,
}

/// Devices that a claim asks for. Of several choices it is the first, which is the one that is wanted most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The DeviceClass; empty where it cannot be read.
    pub class: String,
    /// How many; `None` where that is all there are on a node, or cannot be read.
    pub count: Option<i64>,
}

impl DeviceClaim {
    pub(super) fn of(source: Source<'_>) -> Self {
        let template = source.identity.kind == "ResourceClaimTemplate";
        let nested = if template { source.spec.get("spec") } else { Some(source.spec) };
        let devices = nested.and_then(|spec| spec.get("devices")).unwrap_or(&Value::Null);
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            template,
            requests: list(devices, "requests").iter().map(DeviceRequest::of).collect(),
        }
    }
}

impl DeviceRequest {
    fn of(request: &Value) -> Self {
        // v1beta2 and v1 nest what v1beta1 and before have in the request itself.
        let exactly = request.get("exactly").filter(|exactly| exactly.is_object());
        let wanted = exactly.or_else(|| list(request, "firstAvailable").first()).unwrap_or(request);
        let count = match wanted.get("count") {
            _ if !matches!(text(wanted, "allocationMode"), None | Some("ExactCount")) => None,
            None | Some(Value::Null) => Some(1),
            count => integer(count),
        };
        Self { class: text(wanted, "deviceClassName").unwrap_or_default().to_owned(), count }
    }
}

impl Inventory {
    /// The ResourceClaimTemplates of this name that are, or may be, in `namespace`.
    pub fn claim_template(&self, name: &str, namespace: Option<&str>) -> Sight<Vec<&DeviceClaim>> {
        self.device_claims_named(true, name, namespace)
    }

    /// The ResourceClaims of this name that are, or may be, in `namespace`.
    pub fn device_claim(&self, name: &str, namespace: Option<&str>) -> Sight<Vec<&DeviceClaim>> {
        self.device_claims_named(false, name, namespace)
    }

    fn device_claims_named(&self, template: bool, name: &str, namespace: Option<&str>) -> Sight<Vec<&DeviceClaim>> {
        let found = self
            .device_claims
            .iter()
            .filter(|claim| claim.template == template && claim.name == name)
            .filter(|claim| may_meet(claim.namespace.as_deref(), namespace))
            .collect();
        self.answer_named(name, found)
    }

    /// The devices that `pod` asks for through claims that some container uses, as DeviceClass and number; none where it
    /// uses no claim. It is absent where one of the claims is, and unknown where one is, or does not say how many, or is in
    /// sight in several variants that differ.
    pub fn devices_of(&self, pod: &Pod<'_>, namespace: Option<&str>) -> Sight<Vec<(String, i64)>> {
        let mut devices: Vec<(String, i64)> = Vec::new();
        let mut absent = false;
        for reference in list(pod.spec().value(), "resourceClaims") {
            if !text(reference, "name").is_some_and(|name| is_used(pod, name)) {
                continue;
            }
            // v1alpha2 had the two names one level deeper.
            let places = [Some(reference), reference.get("source")].into_iter().flatten();
            let named = |key: &str| places.clone().find_map(|place| text(place, key));
            let claims = match (named("resourceClaimTemplateName"), named("resourceClaimName")) {
                (Some(template), None) => self.claim_template(template, namespace),
                (None, Some(claim)) => self.device_claim(claim, namespace),
                _ => return Sight::Unknown,
            };
            let claims = match claims {
                Sight::Present(claims) => claims,
                Sight::Absent => {
                    absent = true;
                    continue;
                }
                Sight::Unknown => return Sight::Unknown,
            };
            if claims.windows(2).any(|two| two[0].requests != two[1].requests) {
                return Sight::Unknown;
            }
            for request in claims.first().map(|claim| claim.requests.as_slice()).unwrap_or_default() {
                let Some(count) = request.count.filter(|_| !request.class.is_empty()) else { return Sight::Unknown };
                match devices.iter_mut().find(|(class, _)| *class == request.class) {
                    Some((_, known)) => *known = known.saturating_add(count),
                    None => devices.push((request.class.clone(), count)),
                }
            }
        }
        if absent { Sight::Absent } else { Sight::Present(devices) }
    }
}

/// Whether a container of `pod` uses the claim that the pod calls `name`.
fn is_used(pod: &Pod<'_>, name: &str) -> bool {
    pod.containers().iter().any(|container| {
        let resources = container.value().get("resources");
        resources.is_some_and(|resources| list(resources, "claims").iter().any(|used| text(used, "name") == Some(name)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;
    use crate::catalog::Catalog;
    use crate::object::Object;

    fn claim(version: &str, requests: &Value) -> Value {
        json!({"apiVersion": format!("resource.k8s.io/{version}"), "kind": "ResourceClaim", "metadata": {"name": "c", "namespace": "ml"},
               "spec": {"devices": {"requests": requests}}})
    }

    fn template(name: &str, requests: &Value) -> Value {
        json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": {"name": name},
               "spec": {"spec": {"devices": {"requests": requests}}}})
    }

    fn devices(inventory: &Inventory, claims: &Value, used: &Value) -> Sight<Vec<(String, i64)>> {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"resourceClaims": claims,
            "containers": [{"name": "server", "resources": {"claims": used}}]}});
        let object = Object::new(&object, Catalog::builtin());
        inventory.devices_of(&object.pods()[0], Some("ml"))
    }

    #[test]
    fn every_version_says_which_devices_and_how_many() {
        let gpu = |count| DeviceRequest { class: "gpu.nvidia.com".to_owned(), count };
        for (version, request, expected) in [
            ("v1beta1", json!({"name": "g", "deviceClassName": "gpu.nvidia.com", "count": 2}), gpu(Some(2))),
            ("v1alpha3", json!({"name": "g", "deviceClassName": "gpu.nvidia.com"}), gpu(Some(1))),
            ("v1", json!({"exactly": {"deviceClassName": "gpu.nvidia.com", "count": 8}}), gpu(Some(8))),
            ("v1", json!({"exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "All"}}), gpu(None)),
            (
                "v1beta2",
                json!({"exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "ExactCount"}}),
                gpu(Some(1)),
            ),
            (
                "v1",
                json!({"firstAvailable": [{"deviceClassName": "gpu.nvidia.com", "count": 1}, {"deviceClassName": "other", "count": 4}]}),
                gpu(Some(1)),
            ),
            ("v1", json!({"exactly": {"deviceClassName": "gpu.nvidia.com", "count": "2"}}), gpu(None)),
            ("v1", json!(7), DeviceRequest { class: String::new(), count: Some(1) }),
        ] {
            let inventory = whole(&[claim(version, &json!([request]))]);
            let found = inventory.device_claim("c", Some("ml")).present().unwrap();
            assert_eq!(found[0].requests, [expected], "{request}");
        }
    }

    #[test]
    fn claims_and_templates_are_told_apart() {
        let inventory = whole(&[claim("v1", &json!([]))]);
        assert!(inventory.device_claim("c", None).present().is_some());
        assert_eq!(inventory.device_claim("c", Some("web")), Sight::Absent);
        assert_eq!(inventory.claim_template("c", None), Sight::Absent);
        assert_eq!(Inventory::unknown().claim_template("c", None), Sight::Unknown);
        let inventory = whole(&[template("c", &json!([]))]);
        assert!(inventory.claim_template("c", Some("ml")).present().is_some_and(|found| found[0].template));
    }

    #[test]
    fn the_devices_of_a_pod_are_those_of_the_claims_its_containers_use() {
        let two = json!([{"exactly": {"deviceClassName": "gpu.nvidia.com", "count": 2}}, {"exactly": {"deviceClassName": "dra.net"}}]);
        let inventory =
            whole(&[claim("v1", &json!([{"exactly": {"deviceClassName": "gpu.nvidia.com"}}])), template("t", &two)]);
        let claims = json!([
            {"name": "one", "resourceClaimName": "c"},
            {"name": "two", "source": {"resourceClaimTemplateName": "t"}},
            {"name": "unused", "resourceClaimName": "nowhere"},
        ]);
        let gpus = |count| ("gpu.nvidia.com".to_owned(), count);
        let of = |used| devices(&inventory, &claims, &used);
        assert_eq!(of(json!([{"name": "one"}])), Sight::Present(vec![gpus(1)]));
        assert_eq!(
            of(json!([{"name": "one"}, {"name": "two", "request": "g"}])),
            Sight::Present(vec![gpus(3), ("dra.net".to_owned(), 1)])
        );
        assert_eq!(of(json!([{"name": "unused"}])), Sight::Absent);
        assert_eq!(of(json!(7)), Sight::Present(Vec::new()));
    }

    #[test]
    fn devices_that_cannot_be_counted_are_not_known() {
        let all = json!([{"exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "All"}}]);
        let one = json!([{"exactly": {"deviceClassName": "gpu.nvidia.com"}}]);
        let claims = json!([{"name": "a", "resourceClaimTemplateName": "t"}]);
        let used = json!([{"name": "a"}]);
        assert_eq!(devices(&Inventory::unknown(), &claims, &used), Sight::Unknown);
        assert_eq!(devices(&whole(&[template("t", &all)]), &claims, &used), Sight::Unknown);
        assert_eq!(devices(&whole(&[template("t", &one), template("t", &json!([]))]), &claims, &used), Sight::Unknown);
        assert_eq!(devices(&whole(&[]), &json!([{"name": "a"}]), &used), Sight::Unknown);
        assert!(devices(&whole(&[template("t", &one), template("t", &one)]), &claims, &used).present().is_some());
    }
}
