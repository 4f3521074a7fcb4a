//! One change to an object, said in terms of the object: neither JSON Patch nor YAML text.

use serde_json::{Map, Value};

use crate::path::Path;

/// One change to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Puts `value` at `path`, making the mappings on the way. A `null` on the way counts as absent, as it does to
    /// the API server. What was at `path` is replaced.
    Set {
        /// Where to put it.
        path: Path,
        /// What to put there.
        value: Value,
    },
    /// Puts `value` at the end of the list at `path`, making the list where there is none.
    Append {
        /// The list.
        path: Path,
        /// The new last item.
        value: Value,
    },
    /// Takes away the key or item at `path`.
    Remove {
        /// What to take away.
        path: Path,
    },
}

/// Why an edit does not fit an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// There is something at this path, but it is not a mapping.
    NotAMapping(Path),
    /// There is something at this path, but it is not a list.
    NotAList(Path),
    /// There is nothing at this path.
    Absent(Path),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAMapping(path) => write!(f, "{path} is not a mapping"),
            Self::NotAList(path) => write!(f, "{path} is not a list"),
            Self::Absent(path) => write!(f, "there is nothing at {path}"),
        }
    }
}

impl std::error::Error for EditError {}

impl Edit {
    /// The place that changes.
    pub fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. } | Self::Append { path, .. } | Self::Remove { path } => path,
        }
    }

    /// Changes `object`.
    ///
    /// # Errors
    /// When the object does not have the shape that the edit needs; the object is then as it was.
    pub fn apply(&self, object: &mut Value) -> Result<(), EditError> {
        match self {
            Self::Set { path, value } => {
                let Some(parent) = path.parent() else {
                    *object = value.clone();
                    return Ok(());
                };
                let last = path.last().unwrap_or_default();
                check_way(object, &parent)?;
                match make_way(object, &parent)? {
                    Value::Array(items) => {
                        let item = last.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                        *item.ok_or_else(|| EditError::Absent(path.clone()))? = value.clone();
                    }
                    Value::Object(map) => {
                        map.insert(last.into_owned(), value.clone());
                    }
                    _ => return Err(EditError::NotAMapping(parent)),
                }
                Ok(())
            }
            Self::Append { path, value } => {
                check_way(object, path)?;
                match path.get(object) {
                    None | Some(Value::Null | Value::Array(_)) => {}
                    Some(_) => return Err(EditError::NotAList(path.clone())),
                }
                let list = make_way(object, path)?;
                if !list.is_array() {
                    *list = Value::Array(Vec::new());
                }
                if let Value::Array(items) = list {
                    items.push(value.clone());
                }
                Ok(())
            }
            Self::Remove { path } => {
                let absent = || EditError::Absent(path.clone());
                let (parent, last) = (path.parent().ok_or_else(absent)?, path.last().unwrap_or_default());
                match object.pointer_mut(parent.as_str()).ok_or_else(absent)? {
                    Value::Object(map) => map.remove(last.as_ref()).map(|_| ()).ok_or_else(absent),
                    Value::Array(items) => {
                        let index = last.parse::<usize>().ok().filter(|index| *index < items.len());
                        items.remove(index.ok_or_else(absent)?);
                        Ok(())
                    }
                    _ => Err(absent()),
                }
            }
        }
    }

    /// Whether the edit keeps everything the author wrote in `object`: it sets what is absent, or appends.
    pub fn is_additive(&self, object: &Value) -> bool {
        match self {
            Self::Set { path, .. } => path.get(object).is_none_or(Value::is_null),
            Self::Append { .. } => true,
            Self::Remove { .. } => false,
        }
    }

    /// The same edit on an object in which this one's object lies at `base`.
    pub fn below(&self, base: &Path) -> Self {
        let mut edit = self.clone();
        match &mut edit {
            Self::Set { path, .. } | Self::Append { path, .. } | Self::Remove { path } => *path = base.join(path),
        }
        edit
    }
}

/// Looks whether every step to `path` that exists can be walked, so that nothing is changed when one can not.
fn check_way(object: &Value, path: &Path) -> Result<(), EditError> {
    let (mut here, mut at) = (object, Path::root());
    for segment in path.segments() {
        let next = match here {
            Value::Object(map) => map.get(segment.as_ref()),
            Value::Array(items) => {
                let item = segment.parse::<usize>().ok().and_then(|index| items.get(index));
                Some(item.ok_or_else(|| EditError::Absent(at.key(&segment)))?)
            }
            Value::Null => None,
            _ => return Err(EditError::NotAMapping(at)),
        };
        at = at.key(&segment);
        match next {
            Some(value) => here = value,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Walks to `path`, making a mapping of each absent or null step on the way, the last one included.
fn make_way<'a>(object: &'a mut Value, path: &Path) -> Result<&'a mut Value, EditError> {
    let mut here = object;
    if here.is_null() {
        *here = Value::Object(Map::new());
    }
    for segment in path.segments() {
        let next = match here {
            Value::Object(map) => map.entry(segment.into_owned()).or_insert(Value::Null),
            Value::Array(items) => segment
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get_mut(index))
                .ok_or_else(|| EditError::Absent(path.clone()))?,
            _ => return Err(EditError::NotAMapping(path.clone())),
        };
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        here = next;
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(path: &str, value: Value) -> Edit {
        Edit::Set { path: Path::parse(path), value }
    }

    #[test]
    fn set_makes_the_mappings_on_the_way_and_takes_null_for_absent() {
        let mut object = json!({"spec": null});
        set("/spec/resources/limits/cpu", json!("1")).apply(&mut object).unwrap();
        assert_eq!(object, json!({"spec": {"resources": {"limits": {"cpu": "1"}}}}));
    }

    #[test]
    fn an_edit_that_does_not_fit_changes_nothing() {
        let before = json!({"spec": {"containers": 5, "list": []}});
        for edit in [
            set("/spec/containers/0/image", json!("x")),
            set("/spec/list/0/image", json!("x")),
            Edit::Append { path: Path::parse("/spec/containers"), value: json!(1) },
            Edit::Remove { path: Path::parse("/spec/none") },
            Edit::Remove { path: Path::root() },
        ] {
            let mut object = before.clone();
            assert!(edit.apply(&mut object).is_err(), "{edit:?}");
            assert_eq!(object, before);
        }
    }

    #[test]
    fn append_makes_the_list() {
        let mut object = json!({"spec": {}});
        let edit = Edit::Append { path: Path::parse("/spec/volumes"), value: json!({"name": "a"}) };
        assert!(edit.is_additive(&object));
        edit.apply(&mut object).unwrap();
        edit.apply(&mut object).unwrap();
        assert_eq!(object, json!({"spec": {"volumes": [{"name": "a"}, {"name": "a"}]}}));
    }

    #[test]
    fn what_the_author_wrote_is_not_additive_to_set() {
        assert!(!set("/a", json!(2)).is_additive(&json!({"a": 1})));
        assert!(set("/a", json!(2)).is_additive(&json!({"a": null})));
    }
}
