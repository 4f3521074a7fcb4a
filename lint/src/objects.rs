//! The Kubernetes objects of a document: itself, or the items of the list that it is.

use std::borrow::Cow;

use buttress_policies::path::Path;
use serde_json::{Value, json};

/// How deep lists are looked for in lists. `kubectl` nests none.
const MAX_NESTING: usize = 4;

/// An object and where it lies in its document.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// Empty for the document itself, `/items/N` for an item of a list.
    pub(crate) base: Path,
    /// The object.
    pub(crate) value: Cow<'a, Value>,
}

/// The objects of a document; none when it is something else than Kubernetes.
pub(crate) fn objects(document: &Value) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    collect(document, Path::root(), None, 0, &mut found);
    found
}

/// The API version and kind of an object; nothing when it has not both.
pub(crate) fn identity(value: &Value) -> Option<(&str, &str)> {
    let text = |key| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some((text("apiVersion")?, text("kind")?))
}

fn collect<'a>(value: &'a Value, base: Path, of: Option<(&str, &str)>, depth: usize, found: &mut Vec<Item<'a>>) {
    let Some((version, kind)) = identity(value) else {
        // The API server leaves the items of a typed list, such as a PodList, without version and kind.
        if let (Some((version, kind)), true) = (of, value.is_object()) {
            let mut value = value.clone();
            if let Value::Object(map) = &mut value {
                map.insert("apiVersion".to_owned(), json!(version));
                map.insert("kind".to_owned(), json!(kind));
            }
            found.push(Item { base, value: Cow::Owned(value) });
        }
        return;
    };
    let items = value.get("items").and_then(Value::as_array);
    match (kind.strip_suffix("List"), items) {
        (Some(element), Some(items)) if depth < MAX_NESTING && value.get("spec").is_none() => {
            let of = (!element.is_empty()).then_some((version, element));
            let below = base.key("items");
            for (index, item) in items.iter().enumerate() {
                collect(item, below.index(index), of, depth + 1, found);
            }
        }
        _ => found.push(Item { base, value: Cow::Borrowed(value) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gives_its_items_and_other_yaml_nothing() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod, 3, {"a": 1}, pod]});
        let bases: Vec<_> = objects(&list).into_iter().map(|item| item.base.to_string()).collect();
        assert_eq!(bases, ["/items/0", "/items/3"]);
        assert_eq!(objects(&pod).len(), 1);
        assert!(objects(&json!({"name": "x"})).is_empty());
        assert!(objects(&json!({"apiVersion": 1, "kind": "Pod"})).is_empty());
    }

    #[test]
    fn items_of_a_typed_list_take_the_kind_of_the_list() {
        let list = json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {}}]});
        let found = objects(&list);
        assert_eq!(identity(&found[0].value), Some(("apps/v1", "Deployment")));
    }
}
