//! PersistentVolumeClaims: how much storage of which class, and from how many nodes at once.

use super::{Inventory, Sight, Source, may_meet, texts};
use crate::node::{list, text};
use crate::quantity::Quantity;

/// A PersistentVolumeClaim. Those that a StatefulSet makes from its templates are not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// Its access modes, such as `ReadWriteOnce`.
    pub access_modes: Vec<String>,
    /// How much storage it asks for.
    pub request: Option<Quantity>,
    /// Its storage class: `None` is the default class of the cluster, an empty one none at all.
    pub storage_class: Option<String>,
}

impl Claim {
    pub(super) fn of(source: Source<'_>) -> Self {
        let request = source.spec.get("resources").and_then(|resources| resources.get("requests")?.get("storage"));
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            access_modes: texts(list(source.spec, "accessModes")),
            request: request.and_then(Quantity::from_value),
            storage_class: text(source.spec, "storageClassName").map(str::to_owned),
        }
    }
}

impl Inventory {
    /// The claims of this name that are, or may be, in `namespace`.
    pub fn claims_named(&self, name: &str, namespace: Option<&str>) -> Sight<Vec<&Claim>> {
        let claims = self.claims.iter().filter(|claim| claim.name == name);
        self.answer_named(name, claims.filter(|claim| may_meet(claim.namespace.as_deref(), namespace)).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::whole;
    use super::*;

    fn claim(namespace: Option<&str>, spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models", "namespace": namespace}, "spec": spec})
    }

    #[test]
    fn a_claim_says_how_much_from_where() {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "200Gi"}}});
        let inventory = whole(&[claim(Some("ml"), &spec)]);
        let found = inventory.claims_named("models", None).present().unwrap();
        assert_eq!(
            (&found[0].access_modes, found[0].storage_class.as_deref()),
            (&vec!["ReadWriteOnce".to_owned()], Some(""))
        );
        assert_eq!(found[0].request, "200Gi".parse().ok());
        assert_eq!(inventory.claims_named("models", Some("web")), Sight::Absent);
        assert_eq!(inventory.claims_named("data", None), Sight::Absent);
        assert_eq!(Inventory::unknown().claims_named("models", None), Sight::Unknown);
    }

    #[test]
    fn what_a_claim_does_not_say_is_not_known() {
        for spec in [
            json!(null),
            json!({"accessModes": 7, "resources": [], "storageClassName": 7}),
            json!({"resources": {"requests": {"storage": "{{ size }}"}}}),
        ] {
            let inventory = whole(&[claim(None, &spec)]);
            let found = inventory.claims_named("models", Some("ml")).present().unwrap();
            assert!(found[0].access_modes.is_empty() && found[0].request.is_none() && found[0].storage_class.is_none());
        }
    }
}
