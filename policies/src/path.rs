//! Where in an object: a [`Path`] is a JSON Pointer (RFC 6901), good whether or not something is there.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON Pointer into an object, such as `/spec/containers/0/image`; empty for the object itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Path(String);

impl Path {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes a JSON Pointer as it is written.
    ///
    /// Text that does not start with `/` names a key of the root, so that every text is a path.
    pub fn parse(pointer: &str) -> Self {
        if pointer.is_empty() || pointer.starts_with('/') {
            Self(pointer.to_owned())
        } else {
            Self(format!("/{pointer}"))
        }
    }

    /// This path and one key more; `/` and `~` in the key are escaped.
    pub fn key(&self, key: &str) -> Self {
        let mut pointer = String::with_capacity(self.0.len() + key.len() + 1);
        pointer.push_str(&self.0);
        pointer.push('/');
        for character in key.chars() {
            match character {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
        Self(pointer)
    }

    /// This path and one list position more.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// This path with `below` hung under it.
    pub fn join(&self, below: &Path) -> Self {
        Self(format!("{}{}", self.0, below.0))
    }

    /// The keys and list positions from the root down, unescaped.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(unescape)
    }

    /// The path one step up; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind('/').map(|slash| Self(self.0[..slash].to_owned()))
    }

    /// The last key or position, unescaped; `None` at the root.
    pub fn last(&self) -> Option<Cow<'_, str>> {
        self.0.rfind('/').map(|slash| unescape(&self.0[slash + 1..]))
    }

    /// Whether `other` is this place or lies below it.
    pub fn contains(&self, other: &Path) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The value there; `None` when there is none. A `null` is a value here.
    pub fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.pointer(&self.0)
    }

    /// The pointer as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_with_slashes_and_tildes_come_back() {
        let path = Path::root().key("limits").key("nvidia.com/gpu").key("a~b").index(3);
        assert_eq!(path.as_str(), "/limits/nvidia.com~1gpu/a~0b/3");
        assert_eq!(path.segments().collect::<Vec<_>>(), ["limits", "nvidia.com/gpu", "a~b", "3"]);
        let value = json!({"limits": {"nvidia.com/gpu": {"a~b": [0, 1, 2, 9]}}});
        assert_eq!(path.get(&value), Some(&json!(9)));
    }

    #[test]
    fn a_path_contains_what_lies_below_it_and_no_sibling() {
        let path = Path::parse("/spec/volumes");
        assert!(path.contains(&Path::parse("/spec/volumes/0")));
        assert!(path.contains(&path));
        assert!(!path.contains(&Path::parse("/spec/volumesOther")));
        assert!(Path::root().contains(&path));
    }
}
