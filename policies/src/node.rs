//! A place in an object: the value there and the way to it.
//!
//! A node may be absent. Its path is still good, so a finding can point at what is missing and a fix can put it there.

use serde_json::Value;

use crate::edit::Edit;
use crate::path::Path;

/// A value in an object together with its place.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    value: &'a Value,
    path: Path,
}

static ABSENT: Value = Value::Null;

impl<'a> Node<'a> {
    /// The whole object.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: Path::root() }
    }

    /// What lies at `path` in `object`, absent when there is nothing.
    pub fn at(object: &'a Value, path: Path) -> Self {
        let value = path.get(object).unwrap_or(&ABSENT);
        Self { value, path }
    }

    /// `value`, of which the caller knows that it lies at `path`.
    pub(crate) fn placed(value: &'a Value, path: Path) -> Self {
        Self { value, path }
    }

    /// What lies under `key`; absent when this is no mapping or has no such key.
    pub fn get(&self, key: &str) -> Node<'a> {
        Self { value: self.value.get(key).unwrap_or(&ABSENT), path: self.path.key(key) }
    }

    /// What lies under `keys`, one below the other.
    pub fn walk(&self, keys: &[&str]) -> Node<'a> {
        keys.iter().fold(self.clone(), |node, key| node.get(key))
    }

    /// The items of a list; none when this is no list.
    pub fn items(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let path = self.path.clone();
        let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().enumerate().map(move |(index, value)| Self { value, path: path.index(index) })
    }

    /// The entries of a mapping; none when this is no mapping.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + use<'a> {
        let path = self.path.clone();
        let map = self.value.as_object();
        map.into_iter().flatten().map(move |(key, value)| (key.as_str(), Self { value, path: path.key(key) }))
    }

    /// The value; `null` when absent.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The place, whether or not something is there.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing is there. The API server takes a `null` for nothing, and so do we.
    pub fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// The text there; `None` for anything else.
    pub fn as_str(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The edit that puts `value` here.
    pub fn set(&self, value: Value) -> Edit {
        Edit::Set { path: self.path.clone(), value }
    }

    /// The edit that puts `value` at the end of the list here.
    pub fn append(&self, value: Value) -> Edit {
        Edit::Append { path: self.path.clone(), value }
    }

    /// The edit that takes away what is here.
    pub fn remove(&self) -> Edit {
        Edit::Remove { path: self.path.clone() }
    }
}

/// Whether a text stands for another one that is filled in before Kubernetes sees it: by Helm, envsubst, Kustomize or hand.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    text.contains(['{', '$', '<', '%'])
        || ["replaced-by", "replace-me", "replace_me", "placeholder", "changeme", "change-me", "your-"]
            .iter()
            .any(|word| lower.contains(word))
}

/// The number at `value`, written as an integer.
pub(crate) fn integer(value: Option<&Value>) -> Option<i64> {
    value.and_then(Value::as_i64)
}

/// The text under `key`.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The items of the list under `key`; none when it is absent or no list.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_absent_node_still_has_its_place() {
        let object = json!({"spec": {"containers": [{"name": "a"}]}});
        let container = Node::root(&object).walk(&["spec", "containers"]).items().next().unwrap();
        let limits = container.walk(&["resources", "limits"]);
        assert!(limits.is_absent());
        assert_eq!(limits.path().as_str(), "/spec/containers/0/resources/limits");
    }

    #[test]
    fn a_value_of_the_wrong_type_has_no_children() {
        let object = json!({"containers": 5});
        let node = Node::root(&object).get("containers");
        assert_eq!(node.items().count(), 0);
        assert_eq!(node.entries().count(), 0);
        assert!(node.get("0").is_absent());
    }
}
