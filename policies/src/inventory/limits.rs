//! LimitRanges: what a container of a namespace is limited to that sets no limit itself.

use serde_json::Value;

use super::{Inventory, Sight, Source};
use crate::node::{list, text};

/// A LimitRange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRange {
    /// Its namespace, when it names one.
    pub namespace: Option<String>,
    /// Whether it gives each container a limit on memory; a maximum is the default where no other is set.
    pub limits_memory: bool,
}

impl LimitRange {
    pub(super) fn of(source: Source<'_>) -> Self {
        let limits_memory = list(source.spec, "limits").iter().any(|limit| {
            let memory = |field: &str| limit.get(field).and_then(|most| most.get("memory"));
            text(limit, "type") == Some("Container")
                && ["default", "max"].into_iter().filter_map(memory).any(|most| *most != Value::Null)
        });
        Self { namespace: source.namespace(), limits_memory }
    }
}

impl Inventory {
    /// Those that give the containers of `namespace` a limit on memory, and those that may: where either names no namespace,
    /// they can be of the same.
    pub fn memory_limits_of(&self, namespace: Option<&str>) -> Sight<Vec<&LimitRange>> {
        let here = |range: &&LimitRange| {
            let own = range.namespace.as_deref();
            range.limits_memory && (own.is_none() || namespace.is_none() || own == namespace)
        };
        self.answer(self.limit_ranges.iter().filter(here).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::whole;
    use super::*;

    #[test]
    fn a_default_limit_holds_in_its_namespace() {
        for (limit, limits) in [
            (json!({"type": "Container", "default": {"memory": "8Gi"}}), true),
            (json!({"type": "Container", "max": {"memory": "8Gi"}}), true),
            (json!({"type": "Container", "default": {"cpu": 1}, "defaultRequest": {"memory": "8Gi"}}), false),
            (json!({"type": "Pod", "max": {"memory": "8Gi"}}), false),
            (json!({"type": "Container", "default": {"memory": null}}), false),
            (json!(7), false),
        ] {
            let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "defaults", "namespace": "ml"},
                               "spec": {"limits": [limit]}});
            let inventory = whole(&[range]);
            for (namespace, same) in [(Some("ml"), true), (None, true), (Some("web"), false)] {
                let found = inventory.memory_limits_of(namespace).present().is_some();
                assert_eq!(found, limits && same, "{limit} {namespace:?}");
            }
        }
        assert_eq!(Inventory::unknown().memory_limits_of(None), Sight::Unknown);
    }
}
