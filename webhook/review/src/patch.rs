//! Edits as a JSON Patch on the raw object: `add` operations only, no missing parent, nothing of the author's replaced.
//!
//! The patch is built from the edits and never by comparing objects. A patch that does not apply makes the API server
//! reject the request even where the webhook's failure policy is to ignore, so [`extends`] and the caller's comparison
//! hold each one against what the engine meant before it is sent.

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Map, Value};

/// One `add`: at `at`, or at the end of the list of which `at` will be an item.
struct Addition {
    at: Path,
    appends: bool,
    value: Value,
}

/// The patch that does to `object` what `edits` do one after another; `None` when `add` operations cannot do it.
pub(crate) fn build(object: &Value, edits: &[Edit]) -> Option<Patch> {
    let mut state = object.clone();
    let mut additions: Vec<Addition> = Vec::new();
    for edit in edits {
        if !edit.is_additive(&state) {
            return None;
        }
        // What lies below something that is added anyway becomes part of it, so that a parent is added once and whole.
        match additions.iter_mut().find(|addition| addition.at.contains(edit.path())) {
            Some(addition) => below(edit, &addition.at)?.apply(&mut addition.value).ok()?,
            None => additions.push(addition(&state, edit)?),
        }
        edit.apply(&mut state).ok()?;
    }
    additions.into_iter().map(Addition::into_operation).collect::<Option<Vec<_>>>().map(Patch)
}

/// `edit` as seen from `base`.
fn below(edit: &Edit, base: &Path) -> Option<Edit> {
    let path = Path::parse(edit.path().as_str().strip_prefix(base.as_str())?);
    Some(match edit {
        Edit::Set { value, .. } => Edit::Set { path, value: value.clone() },
        Edit::Append { value, .. } => Edit::Append { path, value: value.clone() },
        Edit::Remove { .. } => return None,
    })
}

/// The addition that makes `edit` on `state`: at the first step of its path that is absent, holding the rest.
fn addition(state: &Value, edit: &Edit) -> Option<Addition> {
    let (path, value) = match edit {
        Edit::Set { path, value } => (path, value.clone()),
        Edit::Append { path, value } => match path.get(state) {
            Some(Value::Array(items)) => {
                return Some(Addition { at: path.index(items.len()), appends: true, value: value.clone() });
            }
            None | Some(Value::Null) => (path, Value::Array(vec![value.clone()])),
            Some(_) => return None,
        },
        Edit::Remove { .. } => return None,
    };
    let (mut here, mut at) = (state, Path::root());
    let segments: Vec<_> = path.segments().collect();
    for (depth, segment) in segments.iter().enumerate() {
        let child = at.key(segment);
        match here {
            Value::Object(map) => match map.get(segment.as_ref()) {
                Some(next) if !next.is_null() => here = next,
                // A `null` counts as absent, and `add` puts the new value in its place.
                _ => return Some(Addition { at: child, appends: false, value: nest(&segments[depth + 1..], value) }),
            },
            // An `add` at a position would move the items behind it, so a list can only be walked through.
            Value::Array(items) => here = items.get(segment.parse::<usize>().ok()?)?,
            _ => return None,
        }
        at = child;
    }
    None
}

fn nest<S: AsRef<str>>(segments: &[S], value: Value) -> Value {
    segments
        .iter()
        .rev()
        .fold(value, |value, segment| Value::Object(Map::from_iter([(segment.as_ref().to_owned(), value)])))
}

impl Addition {
    fn into_operation(self) -> Option<PatchOperation> {
        let path = if self.appends { self.at.parent()?.key("-") } else { self.at };
        let path = PointerBuf::parse(path.as_str().to_owned()).ok()?;
        Some(PatchOperation::Add(AddOperation { path, value: self.value }))
    }
}

/// Whether `new` keeps all that `old` says: what is there stays as it is, lists only grow at their end. A `null` says
/// nothing. What lies at `free` may change.
pub(crate) fn extends(old: &Value, new: &Value, free: &Path) -> bool {
    extends_at(old, new, &Path::root(), free)
}

fn extends_at(old: &Value, new: &Value, at: &Path, free: &Path) -> bool {
    if old.is_null() {
        return true;
    }
    // Paths are made only where `free` may lie below: nearly everything is compared without one.
    if !at.contains(free) {
        return keeps(old, new);
    }
    if at == free {
        return true;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().all(|(key, value)| {
            value.is_null() || new.get(key).is_some_and(|other| extends_at(value, other, &at.key(key), free))
        }),
        _ => keeps(old, new),
    }
}

fn keeps(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Null, _) => true,
        (Value::Object(old), Value::Object(new)) => {
            old.iter().all(|(key, value)| value.is_null() || new.get(key).is_some_and(|other| keeps(value, other)))
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() <= new.len() && old.iter().zip(new).all(|(old, new)| keeps(old, new))
        }
        _ => old == new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(path: &str, value: Value) -> Edit {
        Edit::Set { path: Path::parse(path), value }
    }

    fn append(path: &str, value: Value) -> Edit {
        Edit::Append { path: Path::parse(path), value }
    }

    fn patched(object: &Value, edits: &[Edit]) -> (Value, Value) {
        let patch = build(object, edits).expect("a patch");
        let mut by_patch = object.clone();
        json_patch::patch(&mut by_patch, &patch).expect("applies");
        let mut by_edits = object.clone();
        edits.iter().for_each(|edit| edit.apply(&mut by_edits).unwrap());
        assert_eq!(by_patch, by_edits);
        assert!(extends(object, &by_patch, &Path::parse("/none")));
        (serde_json::to_value(&patch).unwrap(), by_patch)
    }

    #[test]
    fn a_missing_parent_is_added_once_and_whole() {
        let edits = [
            set("/spec/containers/0/resources/limits/nvidia.com~1gpu", json!("1")),
            set("/spec/containers/0/resources/requests/a~0b", json!("2")),
        ];
        for object in [
            json!({"spec": {"containers": [{"name": "a"}]}}),
            json!({"spec": {"containers": [{"name": "a", "resources": null}]}}),
        ] {
            let (patch, _) = patched(&object, &edits);
            assert_eq!(
                patch,
                json!([{"op": "add", "path": "/spec/containers/0/resources",
                    "value": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"a~b": "2"}}}])
            );
        }
        let object = json!({"spec": {"containers": [{"name": "a", "resources": {"limits": {}}}]}});
        let (patch, _) = patched(&object, &edits);
        assert_eq!(patch[0]["path"], "/spec/containers/0/resources/limits/nvidia.com~1gpu");
        assert_eq!(
            patch[1],
            json!({"op": "add", "path": "/spec/containers/0/resources/requests", "value": {"a~b": "2"}})
        );
    }

    #[test]
    fn lists_are_made_and_appended_to() {
        let edits = [append("/spec/volumes", json!({"name": "a"})), append("/spec/volumes", json!({"name": "b"}))];
        for object in [json!({"spec": {}}), json!({"spec": {"volumes": null}}), json!({})] {
            let (patch, _) = patched(&object, &edits);
            assert_eq!(patch.as_array().unwrap().len(), 1);
        }
        let (patch, _) = patched(&json!({"spec": {"volumes": [{"name": "x"}]}}), &edits);
        assert_eq!(
            patch,
            json!([{"op": "add", "path": "/spec/volumes/-", "value": {"name": "a"}},
                {"op": "add", "path": "/spec/volumes/-", "value": {"name": "b"}}])
        );
        let into = [edits[0].clone(), set("/spec/volumes/1/emptyDir/medium", json!("Memory"))];
        let (patch, _) = patched(&json!({"spec": {"volumes": [{"name": "x"}]}}), &into);
        assert_eq!(patch[0]["value"], json!({"name": "a", "emptyDir": {"medium": "Memory"}}));
    }

    #[test]
    fn what_add_cannot_do_makes_no_patch() {
        let object = json!({"spec": {"image": "a", "list": [null], "number": 5}});
        for edit in [
            set("/spec/image", json!("b")),
            set("/spec/list/0/name", json!("b")),
            set("/spec/list/3/name", json!("b")),
            set("/spec/number/below", json!("b")),
            append("/spec/image", json!("b")),
            Edit::Remove { path: Path::parse("/spec/image") },
            set("", json!({})),
        ] {
            assert!(build(&object, std::slice::from_ref(&edit)).is_none(), "{edit:?}");
        }
    }

    #[test]
    fn extending_keeps_what_was_said() {
        let old = json!({"a": 1, "b": [1, {"c": 2}], "n": null, "m": {"free": "x", "kept": "y"}});
        let free = Path::parse("/m/free");
        let extends = |new: Value| extends(&old, &new, &free);
        assert!(extends(json!({"a": 1, "b": [1, {"c": 2, "d": 3}, 4], "n": 5, "m": {"free": "z", "kept": "y"}})));
        assert!(extends(json!({"a": 1, "b": [1, {"c": 2}], "m": {"free": "x", "kept": "y"}})));
        for changed in [
            json!({"a": 2, "b": [1, {"c": 2}], "m": {"free": "x", "kept": "y"}}),
            json!({"a": 1, "b": [{"c": 2}, 1], "m": {"free": "x", "kept": "y"}}),
            json!({"a": 1, "b": [1], "m": {"free": "x", "kept": "y"}}),
            json!({"a": 1, "b": [1, {"c": 2}], "m": {"free": "x", "kept": "z"}}),
            json!({"a": 1, "b": [1, {"c": 2}], "m": "x"}),
        ] {
            assert!(!extends(changed));
        }
    }
}
