//! NetworkPolicies: which pods they close, and on which ports those may still be reached.

use serde_json::Value;

use super::services::PortName;
use super::{Inventory, Sight, Source, may_meet, texts};
use crate::node::{integer, list, text};
use crate::selector::Selector;

/// A NetworkPolicy of Kubernetes' own kind; what network plugins add of theirs is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    selector: Option<Selector>,
    /// Whether its pods take only the connections that `ingress` of this or another such policy names.
    pub restricts_ingress: bool,
    /// Whether its pods make only the connections that it or another such policy names.
    pub restricts_egress: bool,
    /// The connections that its pods take.
    pub ingress: Vec<IngressRule>,
}

/// Connections that pods take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRule {
    /// On these ports; `None` is on all.
    pub ports: Option<Vec<PolicyPort>>,
    /// Whether from everywhere, and not from named peers only.
    pub from_anywhere: bool,
}

/// Ports of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyPort {
    /// Which of them.
    pub port: PortRange,
    /// Their protocol, `TCP` unless it says otherwise.
    pub protocol: String,
}

/// Which ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRange {
    /// All of them.
    All,
    /// One, by number or name.
    One(PortName),
    /// From the first to the last.
    Range(i64, i64),
    /// What cannot be read, and may be any.
    Unknown,
}

impl NetworkPolicy {
    pub(super) fn of(source: Source<'_>) -> Self {
        let spec = source.spec;
        let selector = match spec.get("podSelector") {
            None | Some(Value::Null) => Some(Selector::default()),
            Some(selector) => Selector::from_value(selector),
        };
        let types = texts(list(spec, "policyTypes"));
        let is_of = |kind: &str| types.iter().any(|of| of == kind);
        let ingress = list(spec, "ingress").iter().filter(|rule| rule.is_object());
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            selector,
            // The API server fills in Ingress, and Egress where there are rules for it.
            restricts_ingress: types.is_empty() || is_of("Ingress"),
            restricts_egress: is_of("Egress") || types.is_empty() && !list(spec, "egress").is_empty(),
            ingress: ingress.map(IngressRule::of).collect(),
        }
    }
}

impl IngressRule {
    fn of(rule: &Value) -> Self {
        let ports = list(rule, "ports");
        let peers = list(rule, "from");
        Self {
            ports: (!ports.is_empty()).then(|| ports.iter().map(PolicyPort::of).collect()),
            from_anywhere: peers.is_empty() || peers.iter().any(is_anywhere),
        }
    }

    /// Whether it lets in connections to this port of a pod, from wherever. A port that the policy names and the pod does
    /// not, or that cannot be read, counts as let in.
    pub fn lets_in(&self, number: Option<i64>, name: Option<&str>, protocol: &str) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.iter().any(|port| port.covers(number, name, protocol)))
    }
}

impl PolicyPort {
    fn of(value: &Value) -> Self {
        let last = value.get("endPort").filter(|last| !last.is_null());
        let port = match (value.get("port").filter(|port| !port.is_null()).map(PortName::of), last) {
            (None, _) => PortRange::All,
            (Some(Some(port)), None) => PortRange::One(port),
            (Some(Some(PortName::Number(first))), last) => {
                integer(last).map_or(PortRange::Unknown, |last| PortRange::Range(first, last))
            }
            _ => PortRange::Unknown,
        };
        Self { port, protocol: text(value, "protocol").unwrap_or("TCP").to_owned() }
    }

    fn covers(&self, number: Option<i64>, name: Option<&str>, protocol: &str) -> bool {
        self.protocol == protocol
            && match &self.port {
                PortRange::All | PortRange::Unknown => true,
                PortRange::One(PortName::Number(port)) => number.is_none_or(|number| number == *port),
                PortRange::One(PortName::Name(port)) => name.is_none_or(|name| name == port),
                PortRange::Range(first, last) => number.is_none_or(|number| (*first..=*last).contains(&number)),
            }
    }
}

/// Whether a peer is every address there is.
fn is_anywhere(peer: &Value) -> bool {
    peer.get("ipBlock").is_some_and(|block| {
        matches!(text(block, "cidr"), Some("0.0.0.0/0" | "::/0")) && list(block, "except").is_empty()
    })
}

impl Inventory {
    /// The policies that select, or could select, a pod with these labels in `namespace`.
    pub fn network_policies_of<'a, 'l>(
        &'a self,
        namespace: Option<&str>,
        label: impl Fn(&str) -> Option<&'l str>,
    ) -> Sight<Vec<&'a NetworkPolicy>> {
        let found = self
            .network_policies
            .iter()
            .filter(|policy| may_meet(policy.namespace.as_deref(), namespace))
            .filter(|policy| policy.selector.as_ref().is_some_and(|selector| selector.matches(&label)))
            .collect();
        self.answer(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn policy(spec: &Value) -> Inventory {
        whole(&[
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "ml"}, "spec": spec}),
        ])
    }

    fn label(key: &str) -> Option<&'static str> {
        (key == "app").then_some("llm")
    }

    fn first(spec: &Value) -> NetworkPolicy {
        policy(spec).network_policies_of(None, label).present().unwrap()[0].clone()
    }

    #[test]
    fn policies_are_found_by_labels_and_namespace() {
        let inventory = policy(&json!({"podSelector": {"matchLabels": {"app": "llm"}}}));
        assert!(inventory.network_policies_of(Some("ml"), label).present().is_some());
        assert_eq!(inventory.network_policies_of(Some("web"), label), Sight::Absent);
        assert_eq!(inventory.network_policies_of(Some("ml"), |_| None), Sight::Absent);
        assert_eq!(Inventory::unknown().network_policies_of(None, label), Sight::Unknown);
        assert_eq!(policy(&json!({"podSelector": 7})).network_policies_of(None, label), Sight::Absent);
        assert!(policy(&json!({})).network_policies_of(None, label).present().is_some());
    }

    #[test]
    fn a_policy_restricts_ingress_unless_it_is_of_another_type() {
        for (spec, expected) in [
            (json!({}), (true, false)),
            (json!({"policyTypes": []}), (true, false)),
            (json!({"policyTypes": ["Egress"]}), (false, true)),
            (json!({"policyTypes": ["Ingress", "Egress"]}), (true, true)),
            (json!({"egress": [{}]}), (true, true)),
            (json!({"policyTypes": ["Ingress"], "egress": [{}]}), (true, false)),
        ] {
            let found = first(&spec);
            assert_eq!((found.restricts_ingress, found.restricts_egress), expected, "{spec}");
        }
    }

    #[test]
    fn a_rule_names_ports_and_peers() {
        let found = first(&json!({"ingress": [
            {},
            {"ports": [{"port": 8000}, {"port": "http", "protocol": "TCP"}, {"port": 9000, "endPort": 9100}, {"protocol": "UDP"}],
             "from": [{"podSelector": {}}]},
            {"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": []},
            {"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]},
            7,
        ]}));
        let one = |port| PolicyPort { port, protocol: "TCP".to_owned() };
        let ports = vec![
            one(PortRange::One(PortName::Number(8000))),
            one(PortRange::One(PortName::Name("http".to_owned()))),
            one(PortRange::Range(9000, 9100)),
            PolicyPort { port: PortRange::All, protocol: "UDP".to_owned() },
        ];
        assert_eq!(
            found.ingress,
            [
                IngressRule { ports: None, from_anywhere: true },
                IngressRule { ports: Some(ports), from_anywhere: false },
                IngressRule { ports: None, from_anywhere: true },
                IngressRule { ports: None, from_anywhere: false },
            ]
        );
        let rule = &found.ingress[1];
        assert!(rule.lets_in(Some(8000), Some("api"), "TCP") && rule.lets_in(Some(80), Some("http"), "TCP"));
        assert!(rule.lets_in(Some(9050), Some("api"), "TCP") && rule.lets_in(Some(1), Some("dns"), "UDP"));
        assert!(!rule.lets_in(Some(8001), Some("api"), "TCP") && !rule.lets_in(Some(8000), None, "SCTP"));
        assert!(found.ingress[0].lets_in(Some(8001), None, "TCP"));
    }

    #[test]
    fn ports_that_cannot_be_read_may_be_any() {
        let found = first(
            &json!({"ingress": [{"ports": [{"port": [], "endPort": 7}]}, {"ports": [{"port": 1, "endPort": "x"}]}]}),
        );
        assert!(found.ingress.iter().all(|rule| rule.lets_in(Some(8000), None, "TCP")));
    }
}
