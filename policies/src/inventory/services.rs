//! Services: which pods they select, on which ports, and from where they can be reached.

use std::net::IpAddr;

use serde_json::Value;

use super::{Inventory, Sight, Source, entries, may_meet};
use crate::node::{integer, list, text};

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// The labels it selects pods by. Without any it selects none: others say what is behind it.
    pub selector: Vec<(String, String)>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its type.
    pub kind: ServiceKind,
    /// Whether it has no address of its own, and its name leads to the pods.
    pub headless: bool,
    /// Whether it can be reached from outside the cluster's network: by a load balancer that is not kept internal by one
    /// of the clouds' annotations, a class or a private address, by ports of the nodes, or by external addresses.
    pub external: bool,
    /// Whether it names the addresses that its load balancer lets in, and these are not all.
    pub limited: bool,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// An address in the cluster: what a Service is unless it says otherwise.
    ClusterIp,
    /// A port of every node.
    NodePort,
    /// A load balancer of the cloud.
    LoadBalancer,
    /// Another name for something outside. It selects no pods.
    ExternalName,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty when it has none.
    pub name: String,
    /// The port of the Service; `None` where it cannot be read.
    pub port: Option<i64>,
    /// The port of the pods: the same unless it says otherwise; `None` where it cannot be read.
    pub target: Option<PortName>,
    /// The protocol, `TCP` unless it says otherwise.
    pub protocol: String,
}

/// A port of a container, by one of two ways to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortName {
    /// By its number.
    Number(i64),
    /// By its name.
    Name(String),
}

impl PortName {
    /// Reads an `IntOrString`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => Some(Self::Name(name.clone())),
            value => integer(Some(value)).map(Self::Number),
        }
    }
}

/// How the clouds are told to keep a load balancer internal. No value stands for any.
const INTERNAL: &[(&str, &[&str])] = &[
    ("networking.gke.io/load-balancer-type", &["internal"]),
    ("cloud.google.com/load-balancer-type", &["internal"]),
    ("service.beta.kubernetes.io/aws-load-balancer-internal", &["true", "0.0.0.0/0"]),
    ("service.beta.kubernetes.io/aws-load-balancer-scheme", &["internal"]),
    ("service.beta.kubernetes.io/azure-load-balancer-internal", &["true"]),
    ("service.beta.kubernetes.io/openstack-internal-load-balancer", &["true"]),
    ("service.beta.kubernetes.io/oci-load-balancer-internal", &["true"]),
    ("oci-network-load-balancer.oraclecloud.com/internal", &["true"]),
    ("service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type", &["private"]),
    ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type", &["intranet"]),
    ("service.beta.kubernetes.io/cce-load-balancer-internal-vpc", &["true"]),
    ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", &[]),
];

/// How the annotations start that are for load balancers of one's own network, where addresses are seldom on the Internet.
const OWN_NETWORK: &[&str] = &[
    "metallb.universe.tf/",
    "metallb.io/",
    "lbipam.cilium.io/",
    "io.cilium/",
    "kube-vip.io/",
    "purelb.io/",
    "tailscale.com/",
];

/// The annotations that ask for an address.
const ADDRESSES: &[&str] = &[
    "service.beta.kubernetes.io/azure-load-balancer-ipv4",
    "service.beta.kubernetes.io/azure-load-balancer-ipv6",
    "service.beta.kubernetes.io/aws-load-balancer-private-ipv4-addresses",
];

/// The classes of load balancers that are on the Internet unless an annotation says otherwise; AWS' own are looked at apart.
const PUBLIC_CLASSES: &[&str] =
    &["service.k8s.aws/nlb", "eks.amazonaws.com/nlb", "networking.gke.io/l4-regional-external"];

const AWS_TYPE: &str = "service.beta.kubernetes.io/aws-load-balancer-type";
const AWS_SCHEME: &str = "service.beta.kubernetes.io/aws-load-balancer-scheme";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

impl Service {
    pub(super) fn of(source: Source<'_>) -> Self {
        let spec = source.spec;
        let kind = match text(spec, "type") {
            Some("NodePort") => ServiceKind::NodePort,
            Some("LoadBalancer") => ServiceKind::LoadBalancer,
            Some("ExternalName") => ServiceKind::ExternalName,
            _ => ServiceKind::ClusterIp,
        };
        let opened = match kind {
            ServiceKind::LoadBalancer => !is_internal(source),
            ServiceKind::NodePort => true,
            ServiceKind::ClusterIp | ServiceKind::ExternalName => false,
        };
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            selector: spec.get("selector").map(entries).unwrap_or_default(),
            ports: list(spec, "ports").iter().map(ServicePort::of).collect(),
            kind,
            headless: text(spec, "clusterIP") == Some("None"),
            external: opened || list(spec, "externalIPs").iter().filter_map(Value::as_str).any(is_public),
            limited: kind == ServiceKind::LoadBalancer && is_limited(source),
        }
    }

    /// Whether it selects a pod with these labels.
    pub fn selects<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.kind != ServiceKind::ExternalName
            && !self.selector.is_empty()
            && self.selector.iter().all(|(key, value)| label(key) == Some(value.as_str()))
    }
}

impl ServicePort {
    fn of(value: &Value) -> Self {
        let port = integer(value.get("port"));
        let target = match value.get("targetPort") {
            // The API server fills in the port of the Service.
            None | Some(Value::Null) => port.map(PortName::Number),
            Some(target) => PortName::of(target),
        };
        Self {
            name: text(value, "name").unwrap_or_default().to_owned(),
            port,
            target,
            protocol: text(value, "protocol").unwrap_or("TCP").to_owned(),
        }
    }
}

fn is_internal(source: Source<'_>) -> bool {
    let annotated = INTERNAL.iter().any(|(key, values)| {
        source.annotation(key).is_some_and(|given| {
            values.is_empty() && !given.is_empty() || values.iter().any(|value| given.eq_ignore_ascii_case(value))
        })
    });
    // AWS' own controller, which these choose, makes internal ones unless it is told otherwise.
    let own_controller = matches!(source.annotation(AWS_TYPE), Some("external" | "nlb-ip"))
        || matches!(text(source.spec, "loadBalancerClass"), Some("service.k8s.aws/nlb" | "eks.amazonaws.com/nlb"));
    let class = text(source.spec, "loadBalancerClass").is_some_and(|class| !PUBLIC_CLASSES.contains(&class));
    let annotations = source.object.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let own_network = annotations.and_then(Value::as_object).is_some_and(|annotations| {
        annotations.keys().any(|key| OWN_NETWORK.iter().any(|prefix| key.starts_with(prefix)))
    });
    let address = text(source.spec, "loadBalancerIP");
    let addresses = address.into_iter().chain(ADDRESSES.iter().filter_map(|key| source.annotation(key)));
    let private = addresses.filter(|address| !address.is_empty()).any(|address| !is_public(address));
    annotated || own_controller && source.annotation(AWS_SCHEME).is_none() || class || own_network || private
}

/// Whether an address is one of the Internet; what cannot be read is not known to be.
fn is_public(address: &str) -> bool {
    match address.trim().parse() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(address.is_private() || address.is_loopback() || address.is_link_local() || shared)
        }
        Ok(IpAddr::V6(address)) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local())
        }
        Err(_) => false,
    }
}

fn is_limited(source: Source<'_>) -> bool {
    let all = |range: &str| matches!(range.trim(), "0.0.0.0/0" | "::/0");
    let ranges = list(source.spec, "loadBalancerSourceRanges");
    if ranges.is_empty() {
        return source
            .annotation(RANGES)
            .is_some_and(|ranges| !ranges.trim().is_empty() && !ranges.split(',').any(all));
    }
    !ranges.iter().filter_map(Value::as_str).any(all)
}

impl Inventory {
    /// The Services that select, or could select, a pod with these labels in `namespace`.
    pub fn services_selecting<'a, 'l>(
        &'a self,
        namespace: Option<&str>,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> Sight<Vec<&'a Service>> {
        let found = self.services_near(namespace).filter(|service| service.selects(&label)).collect();
        self.answer(found)
    }

    /// The Services of this name that are, or may be, in `namespace`.
    pub fn services_named(&self, name: &str, namespace: Option<&str>) -> Sight<Vec<&Service>> {
        self.answer_named(name, self.services_near(namespace).filter(|service| service.name == name).collect())
    }

    /// The Services that are, or may be, in `namespace`.
    pub fn services_in(&self, namespace: Option<&str>) -> Sight<Vec<&Service>> {
        self.answer(self.services_near(namespace).collect())
    }

    fn services_near<'a>(&'a self, namespace: Option<&str>) -> impl Iterator<Item = &'a Service> {
        self.services.iter().filter(move |service| may_meet(service.namespace.as_deref(), namespace))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn service(annotations: &Value, spec: &Value) -> Service {
        let object = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "llm", "namespace": "ml", "annotations": annotations}, "spec": spec});
        whole(&[object]).services_in(Some("ml")).present().unwrap()[0].clone()
    }

    fn label(key: &str) -> Option<&'static str> {
        match key {
            "app" => Some("llm"),
            "tier" => Some("gpu"),
            _ => None,
        }
    }

    #[test]
    fn ports_lead_to_the_same_port_unless_they_say_otherwise() {
        let found = service(
            &json!(null),
            &json!({"selector": {"app": "llm"}, "ports": [
                {"port": 80, "name": "http", "targetPort": "api"}, {"port": 8000}, {"port": 53, "protocol": "UDP", "targetPort": 5353},
                {"port": "{{ port }}"}, 7]}),
        );
        let ports: Vec<_> =
            found.ports.iter().map(|port| (port.port, port.target.clone(), port.protocol.as_str())).collect();
        let number = |number| Some(PortName::Number(number));
        assert_eq!(
            ports,
            [
                (Some(80), Some(PortName::Name("api".to_owned())), "TCP"),
                (Some(8000), number(8000), "TCP"),
                (Some(53), number(5353), "UDP"),
                (None, None, "TCP"),
                (None, None, "TCP"),
            ]
        );
        assert_eq!((found.ports[0].name.as_str(), found.kind, found.headless), ("http", ServiceKind::ClusterIp, false));
        assert!(service(&json!(null), &json!({"clusterIP": "None"})).headless);
    }

    #[test]
    fn what_can_be_reached_from_outside_is_external() {
        let balancer = json!({"type": "LoadBalancer"});
        let external = |annotations: Value, spec: &Value| service(&annotations, spec).external;
        assert!(external(json!({}), &balancer));
        assert!(external(json!(null), &json!({"type": "NodePort"})));
        assert!(external(json!(null), &json!({"externalIPs": ["192.0.2.1"]})));
        for spec in [json!({}), json!({"type": "ExternalName"}), json!({"type": 7}), json!({"externalIPs": []})] {
            assert!(!external(json!(null), &spec), "{spec}");
        }
        for (key, value) in [
            ("networking.gke.io/load-balancer-type", "Internal"),
            ("cloud.google.com/load-balancer-type", "internal"),
            ("service.beta.kubernetes.io/aws-load-balancer-internal", "0.0.0.0/0"),
            ("service.beta.kubernetes.io/aws-load-balancer-scheme", "internal"),
            ("service.beta.kubernetes.io/azure-load-balancer-internal", "true"),
            ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid", "subnet-1"),
            ("service.beta.kubernetes.io/aws-load-balancer-type", "external"),
        ] {
            assert!(!external(json!({key: value}), &balancer), "{key}");
        }
        assert!(external(json!({"service.beta.kubernetes.io/azure-load-balancer-internal": "false"}), &balancer));
        let aws = json!({"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"});
        assert!(!external(json!({}), &aws));
        assert!(external(json!({AWS_SCHEME: "internet-facing"}), &aws));
        for class in ["tailscale", "example.com/own"] {
            assert!(!external(json!({}), &json!({"type": "LoadBalancer", "loadBalancerClass": class})), "{class}");
        }
        for key in ["metallb.universe.tf/loadBalancerIPs", "lbipam.cilium.io/ips", "kube-vip.io/loadbalancerIPs"] {
            assert!(!external(json!({key: "198.51.100.7"}), &balancer), "{key}");
        }
        for (address, expected) in
            [("10.0.0.9", false), ("100.64.1.1", false), ("fd00::1", false), ("${IP}", false), ("203.0.113.4", true)]
        {
            let asked = json!({"type": "LoadBalancer", "loadBalancerIP": address});
            assert_eq!(external(json!({}), &asked), expected, "{address}");
            assert_eq!(external(json!({}), &json!({"externalIPs": [address]})), expected, "{address}");
        }
    }

    #[test]
    fn a_load_balancer_that_lets_in_some_addresses_is_limited() {
        let limited = |ranges: Value, annotations: Value| {
            service(&annotations, &json!({"type": "LoadBalancer", "loadBalancerSourceRanges": ranges})).limited
        };
        assert!(limited(json!(["10.0.0.0/8"]), json!({})));
        assert!(limited(json!(null), json!({RANGES: "10.0.0.0/8, 192.0.2.0/24"})));
        assert!(!limited(json!(["10.0.0.0/8", "0.0.0.0/0"]), json!({})));
        assert!(!limited(json!(null), json!({})) && !limited(json!([]), json!({RANGES: "0.0.0.0/0"})));
    }

    #[test]
    fn a_service_selects_by_all_of_its_labels() {
        for (spec, expected) in [
            (json!({"selector": {"app": "llm"}}), true),
            (json!({"selector": {"app": "llm", "tier": "gpu"}}), true),
            (json!({"selector": {"app": "llm", "tier": "cpu"}}), false),
            (json!({"selector": {}}), false),
            (json!({"selector": 7}), false),
            (json!({}), false),
            (json!({"type": "ExternalName", "selector": {"app": "llm"}}), false),
        ] {
            assert_eq!(service(&json!(null), &spec).selects(label), expected, "{spec}");
        }
    }

    #[test]
    fn services_are_found_by_labels_name_and_namespace() {
        let object = |namespace: Option<&str>| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "llm", "namespace": namespace}, "spec": {"selector": {"app": "llm"}}});
        let inventory = whole(&[object(Some("ml")), object(None)]);
        let count = |sight: Sight<Vec<&Service>>| sight.present().map_or(0, |found| found.len());
        for (namespace, expected) in [(Some("ml"), 2), (Some("web"), 1), (None, 2)] {
            assert_eq!(count(inventory.services_selecting(namespace, label)), expected);
            assert_eq!(count(inventory.services_named("llm", namespace)), expected);
            assert_eq!(count(inventory.services_in(namespace)), expected);
        }
        assert_eq!(inventory.services_named("other", None), Sight::Absent);
        assert_eq!(inventory.services_selecting(None, |_| None), Sight::Absent);
        assert_eq!(Inventory::unknown().services_selecting(None, label), Sight::Unknown);
        let knative = json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "llm"}, "spec": {"selector": {"app": "llm"}}});
        assert_eq!(whole(&[knative]).services_in(None), Sight::Absent);
    }
}
