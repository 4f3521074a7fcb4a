//! Operators that complete the pods they own: how such a pod is recognised, so that nothing is missed or injected there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Completion, is_default};

/// What is known of operators and of the containers that platforms add to pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operators {
    /// The operators.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// Names of containers that platforms add or complete: no rule on AI containers is about them.
    #[serde(default)]
    pub helper_containers: Vec<String>,
    /// Names of mesh proxies. A probe added after the proxy's own webhook ran is not rewritten and fails under mTLS.
    #[serde(default)]
    pub mesh_proxies: Vec<String>,
}

/// One operator that owns pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// What it is called.
    pub name: String,
    /// Labels of a pod or its controller; any of them tells. Without a value the key is enough.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: Vec<Marker>,
    /// Kinds of owners; any of them tells.
    #[serde(default, skip_serializing_if = "is_default")]
    pub owners: Vec<OwnerKind>,
    /// What the operator fills in itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub completes: Vec<Completion>,
    /// Whether the markers are not confirmed. As they only withhold repairs, they are heeded all the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// A label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Marker {
    /// Its key.
    pub key: String,
    /// Its value; any when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub value: Option<String>,
}

/// A kind that stands in `ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnerKind {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl Operators {
    /// The operator that a label of the pod or of its controller tells of.
    pub fn by_label<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> Option<&Operator> {
        self.operators.iter().find(|operator| {
            operator.labels.iter().any(|marker| {
                label(&marker.key).is_some_and(|value| marker.value.as_deref().is_none_or(|expected| expected == value))
            })
        })
    }

    /// The operator whose objects of this group and kind own pods or workloads.
    pub fn by_owner(&self, group: &str, kind: &str) -> Option<&Operator> {
        self.operators
            .iter()
            .find(|operator| operator.owners.iter().any(|owner| owner.group == group && owner.kind == kind))
    }

    /// Whether a container of this name is one that a platform adds.
    pub fn is_helper(&self, container: &str) -> bool {
        self.helper_containers.iter().any(|name| name == container) || self.is_mesh_proxy(container)
    }

    /// Whether a container of this name is a mesh proxy.
    pub fn is_mesh_proxy(&self, container: &str) -> bool {
        self.mesh_proxies.iter().any(|name| name == container)
    }
}
