//! A Kubernetes object as the rules see it: who it is, and the pods it makes.

use serde_json::Value;

use crate::catalog::{Catalog, Kind};
use crate::node::{Node, text};
use crate::path::Path;
use crate::workload::{self, Pod};

/// Who an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version without the group, such as `v1`.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The name; empty where it is generated or absent.
    pub name: &'a str,
    /// The namespace, when the object names one.
    pub namespace: Option<&'a str>,
}

impl<'a> Identity<'a> {
    /// Reads it off an object; what is missing or of the wrong type is empty.
    pub fn of(object: &'a Value) -> Self {
        let api_version = text(object, "apiVersion").unwrap_or_default();
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        Self {
            group,
            version,
            kind: text(object, "kind").unwrap_or_default(),
            name: text(metadata, "name").unwrap_or_default(),
            namespace: text(metadata, "namespace").filter(|namespace| !namespace.is_empty()),
        }
    }

    /// Whether it is this built-in or custom kind, in whatever version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind == kind && self.group == group
    }
}

/// An object with the pods that it is or makes.
#[derive(Debug)]
pub struct Object<'a> {
    value: &'a Value,
    identity: Identity<'a>,
    definition: Option<&'a Kind>,
    pods: Vec<Pod<'a>>,
    flat: Vec<Pod<'a>>,
}

impl<'a> Object<'a> {
    /// Looks up the kind in `catalog` and finds the pods; any JSON value is an object without any.
    pub fn new(value: &'a Value, catalog: &'a Catalog) -> Self {
        let identity = Identity::of(value);
        let definition = catalog.kind(identity.group, identity.kind);
        let (flat, pods) = workload::pods(value, catalog).into_iter().partition(Pod::is_flat);
        Self { value, identity, definition, pods, flat }
    }

    /// The object as it is written.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The root, to walk from.
    pub fn root(&self) -> Node<'a> {
        Node::root(self.value)
    }

    /// Who it is.
    pub fn identity(&self) -> Identity<'a> {
        self.identity
    }

    /// What the catalog knows of its kind.
    pub fn definition(&self) -> Option<&'a Kind> {
        self.definition
    }

    /// The pod it is, or the templates of the pods it makes.
    pub fn pods(&self) -> &[Pod<'a>] {
        &self.pods
    }

    /// Pods of which only fields of an operator's own tell, without containers: to be shown, not to be judged.
    pub fn flat_pods(&self) -> &[Pod<'a>] {
        &self.flat
    }

    /// Whether it says of itself that it is a patch, by one of the directives of strategic merge patches: such an object
    /// names what it changes, and is none by itself. It looks at everything, so ask last.
    pub fn is_patch(&self) -> bool {
        is_patch(self.value)
    }

    /// The pod under which `at` lies, when there is one.
    pub fn pod_at(&self, at: &Path) -> Option<&Pod<'a>> {
        self.pods
            .iter()
            .find(|pod| pod.root().contains(at) || pod.metadata().is_some_and(|metadata| metadata.path().contains(at)))
    }
}
/// Whether a directive of strategic merge patches stands anywhere in a value.
pub fn is_patch(value: &Value) -> bool {
    let directive = |key: &str| {
        matches!(key, "$patch" | "$retainKeys")
            || key.starts_with("$setElementOrder/")
            || key.starts_with("$deleteFromPrimitiveList/")
    };
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| directive(key) || is_patch(value)),
        Value::Array(items) => items.iter().any(is_patch),
        _ => false,
    }
}
