//! How much there is to judge. Rules may look at every pair of things in an object, so the time can grow with the square
//! of their number; and no object that anybody runs comes near these bounds.

use serde_json::Value;

/// The most containers of a pod that is judged.
const MAX_CONTAINERS: usize = 100;
/// The most containers in all templates of an object that makes pods.
const MAX_CONTAINERS_OF_WORKLOAD: usize = 1000;
/// The most items in all lists of an object together, and entries in its large maps.
const MAX_ITEMS: usize = 10_000;
/// The most entries of a map that are not counted: no structure of the API has more fields. What has more holds keys that
/// somebody made up, such as annotations, labels and limits, of which there can be as many as of items.
const MAX_FIELDS: usize = 64;

/// What is more than is judged, in words.
pub(crate) fn bounds(is_pod: bool) -> String {
    let containers = if is_pod { MAX_CONTAINERS } else { MAX_CONTAINERS_OF_WORKLOAD };
    format!("more than {containers} containers or {MAX_ITEMS} items in lists and maps")
}

/// Whether `object` is too large to be judged in the time that a request has.
pub(crate) fn is_oversized(object: &Value, is_pod: bool) -> bool {
    let mut count = Count { containers: 0, items: 0 };
    count.add(object);
    let containers = if is_pod { MAX_CONTAINERS } else { MAX_CONTAINERS_OF_WORKLOAD };
    count.containers > containers || count.items > MAX_ITEMS
}

struct Count {
    containers: usize,
    items: usize,
}

impl Count {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.items += items.len();
                items.iter().for_each(|item| self.add(item));
            }
            Value::Object(map) => {
                if map.len() > MAX_FIELDS {
                    self.items += map.len();
                }
                for (key, value) in map {
                    if matches!(key.as_str(), "initContainers" | "containers" | "ephemeralContainers") {
                        self.containers += value.as_array().map_or(0, Vec::len);
                    }
                    self.add(value);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_and_workloads_have_bounds() {
        let pod = |containers: usize| json!({"spec": {"containers": vec![json!({}); containers - 1], "initContainers": [{}]}});
        assert!(!is_oversized(&pod(100), true) && is_oversized(&pod(101), true));
        assert!(!is_oversized(&pod(1000), false) && is_oversized(&pod(1001), false));
        let lists = |items: usize| json!({"a": {"b": vec![1; items - 1]}, "c": [[]]});
        assert!(!is_oversized(&lists(10_000), true) && is_oversized(&lists(10_001), true));
    }

    #[test]
    fn entries_of_large_maps_are_items_and_fields_are_not() {
        let map = |entries: usize| (0..entries).map(|n| (format!("k{n}"), json!(""))).collect::<Value>();
        for path in ["annotations", "labels", "limits"] {
            let object = |items: usize, entries: usize| json!({path: map(entries), "list": vec![1; items]});
            assert!(!is_oversized(&object(9000, 1000), true) && is_oversized(&object(9000, 1001), true), "{path}");
            assert!(is_oversized(&object(9000, 60_000), true) && is_oversized(&object(0, 60_000), false), "{path}");
        }
        assert!(!is_oversized(&json!(vec![map(64); 10_000]), true));
    }
}
