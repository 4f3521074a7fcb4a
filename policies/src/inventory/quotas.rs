//! ResourceQuotas: what a namespace may use in all.

use serde_json::Value;

use super::{Inventory, Sight, Source};
use crate::node::{list, text};
use crate::quantity::Quantity;

/// A ResourceQuota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Where it was seen.
    pub origin: String,
    /// Its name.
    pub name: String,
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// The most of each resource, such as `requests.nvidia.com/gpu`; those left out that cannot be read.
    pub hard: Vec<(String, Quantity)>,
    /// Whether it is about some pods only.
    pub scoped: bool,
    /// The names of its scopes, such as `NotBestEffort`, as far as they can be read. A pod must be of all of them.
    pub scopes: Vec<String>,
}

impl Quota {
    pub(super) fn of(source: Source<'_>) -> Self {
        let hard = source.spec.get("hard").and_then(Value::as_object).into_iter().flatten();
        let plain = list(source.spec, "scopes").iter().filter_map(Value::as_str);
        let selector = source.spec.get("scopeSelector").unwrap_or(&Value::Null);
        let selected = list(selector, "matchExpressions").iter().filter_map(|scope| text(scope, "scopeName"));
        Self {
            origin: source.origin(),
            name: source.name(),
            namespace: source.namespace(),
            hard: hard.filter_map(|(name, most)| Some((name.clone(), Quantity::from_value(most)?))).collect(),
            scoped: !list(source.spec, "scopes").is_empty() || !selector.is_null(),
            scopes: plain.chain(selected).map(str::to_owned).collect(),
        }
    }

    /// The most of `resource`.
    pub fn most(&self, resource: &str) -> Option<Quantity> {
        self.hard.iter().find(|(name, _)| name == resource).map(|(_, most)| *most)
    }
}

impl Inventory {
    /// The quotas of exactly `namespace`, which may be unnamed on both sides: then they are of the same project, and
    /// [`nearest`](super::nearest) tells which may be meant.
    pub fn quotas_of(&self, namespace: Option<&str>) -> Sight<Vec<&Quota>> {
        self.answer(self.quotas.iter().filter(|quota| quota.namespace.as_deref() == namespace).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    fn quota(namespace: Option<&str>, spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus", "namespace": namespace}, "spec": spec})
    }

    #[test]
    fn a_quota_holds_in_its_own_namespace() {
        let spec =
            json!({"hard": {"requests.nvidia.com/gpu": "8", "limits.memory": "1Ti", "pods": 50, "bad": "{{ x }}"}});
        let inventory = whole(&[quota(Some("ml"), &spec), quota(None, &json!({"hard": {"pods": "5"}}))]);
        let found = inventory.quotas_of(Some("ml")).present().unwrap();
        assert_eq!((found.len(), found[0].hard.len(), found[0].scoped), (1, 3, false));
        assert_eq!(found[0].most("requests.nvidia.com/gpu"), Some(Quantity::units(8)));
        assert_eq!(inventory.quotas_of(None).present().unwrap()[0].most("pods"), Some(Quantity::units(5)));
        assert_eq!(inventory.quotas_of(Some("web")), Sight::Absent);
        assert_eq!(Inventory::unknown().quotas_of(None), Sight::Unknown);
    }

    #[test]
    fn scopes_make_it_be_about_some_pods() {
        for (spec, scoped, scopes) in [
            (json!({"scopes": ["BestEffort", "Terminating"]}), true, &["BestEffort", "Terminating"][..]),
            (
                json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}),
                true,
                &["PriorityClass"],
            ),
            (json!({"scopes": [], "scopeSelector": null}), false, &[]),
            (json!({"scopes": [7], "scopeSelector": {"matchExpressions": 7}}), true, &[]),
            (json!({"scopes": 7, "hard": 7}), false, &[]),
        ] {
            let inventory = whole(&[quota(None, &spec)]);
            let found = inventory.quotas_of(None).present().unwrap();
            assert_eq!(
                (found[0].scoped, &found[0].scopes[..]),
                (scoped, &scopes.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{spec}"
            );
        }
    }
}
