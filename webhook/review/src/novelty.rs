//! What is new in a pod that is too large to be judged whole, as a pod that can be judged.

use std::collections::{BTreeMap, BTreeSet};

use buttress_policies::finding::Finding;
use buttress_policies::path::Path;
use serde_json::{Map, Value};

use crate::bulk::is_oversized;

/// The lists of containers of a PodSpec.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// What the annotations begin with by which rules are told to let the pod off.
const OWN_PREFIX: &str = "buttress.dev/";
/// The most values in a field of a pod that is kept as it is.
const LARGE: usize = 500;

/// The change of a pod: two pods that hold what differs and the fields of the whole pod, one as it is to be and one as it
/// was.
#[derive(Debug)]
pub(crate) struct Novelty {
    /// The containers that are new or changed, in the pod that is to be.
    pub(crate) new: Value,
    /// What the changed containers were, each at the place of its successor, in the pod that is there.
    pub(crate) old: Value,
    /// For each of the lists in [`CONTAINERS`], where its containers in `new` are in the whole pod.
    places: [Vec<usize>; 3],
}

impl Novelty {
    /// What `new` changes in `old`; `None` when that alone is too large to be judged.
    pub(crate) fn of(new: &Value, old: &Value) -> Option<Self> {
        let (mut narrow_new, mut narrow_old) = (without_containers(new), without_containers(old));
        // Fields of the pod matter to what its containers may do, so they go only when nothing else helps.
        if is_oversized(&narrow_new, true) || is_oversized(&narrow_old, true) {
            for part in ["metadata", "spec"] {
                if let (Some(new), Some(old)) = (narrow_new.get_mut(part), narrow_old.get_mut(part)) {
                    leave_changes(new, old);
                }
            }
        }
        let mut places = [const { Vec::new() }; 3];
        for (key, places) in CONTAINERS.into_iter().zip(&mut places) {
            let mut lists = changed(list(new, key), list(old, key), places);
            for (new, old) in lists.0.iter_mut().zip(&mut lists.1) {
                leave_changes(new, old);
            }
            // A pod without containers is none to the rules. One that is the same in both is judged in neither.
            if key == "containers"
                && places.is_empty()
                && let Some(first) = list(new, key).first()
            {
                lists = (vec![outline(first)], vec![outline(first)]);
                places.push(0);
            }
            for (pod, list) in [(&mut narrow_new, lists.0), (&mut narrow_old, lists.1)] {
                if let Some(Value::Object(spec)) = pod.get_mut("spec")
                    && !list.is_empty()
                {
                    spec.insert(key.to_owned(), Value::Array(list));
                }
            }
        }
        let novelty = Self { new: narrow_new, old: narrow_old, places };
        (!is_oversized(&novelty.new, true) && !is_oversized(&novelty.old, true)).then_some(novelty)
    }

    /// Names the places of findings in `new` as they are in the whole pod.
    pub(crate) fn relocate(&self, findings: &mut [Finding]) {
        for finding in findings {
            if let Some(at) = self.place(&finding.at) {
                finding.at = at;
            }
        }
    }

    fn place(&self, at: &Path) -> Option<Path> {
        let mut segments = at.segments();
        let (spec, key, index) = (segments.next()?, segments.next()?, segments.next()?);
        let list = CONTAINERS.iter().position(|known| spec == "spec" && *known == key)?;
        let index = self.places[list].get(index.parse::<usize>().ok()?)?;
        let container = Path::root().key(&spec).key(&key).index(*index);
        Some(segments.fold(container, |path, segment| path.key(&segment)))
    }
}

fn list<'v>(pod: &'v Value, key: &str) -> &'v [Value] {
    pod.get("spec").and_then(|spec| spec.get(key)).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A copy without containers, which may be too many to copy for nothing.
fn without_containers(pod: &Value) -> Value {
    let Value::Object(pod) = pod else { return pod.clone() };
    let narrow = pod.iter().map(|(key, value)| {
        let value = match value {
            Value::Object(spec) if key == "spec" => {
                let kept = spec.iter().filter(|(key, value)| !CONTAINERS.contains(&key.as_str()) || !value.is_array());
                Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            value => value.clone(),
        };
        (key.clone(), value)
    });
    Value::Object(narrow.collect())
}

/// A container that stands for one that is the same as before and may be large.
fn outline(container: &Value) -> Value {
    let known = ["name", "image"].into_iter().filter_map(|key| Some((key.to_owned(), container.get(key)?.clone())));
    Value::Object(known.collect())
}

/// The containers of `new` that `old` has not, first those that replace one of the same name, so that both lists go
/// together; and the replaced ones. Where the containers of `new` are is put into `places`.
fn changed(new: &[Value], old: &[Value], places: &mut Vec<usize>) -> (Vec<Value>, Vec<Value>) {
    let name = |container: &Value| container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let same: BTreeSet<String> = old.iter().map(Value::to_string).collect();
    // Each stands for one: of two containers of a name, which the API server does not let pass, one is new.
    let mut named: BTreeMap<String, &Value> = old.iter().map(|old| (name(old), old)).collect();
    let (mut replacing, mut replaced, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for (index, container) in new.iter().enumerate() {
        if same.contains(&container.to_string()) {
            continue;
        }
        match named.remove(&name(container)) {
            Some(old) => {
                replacing.push(index);
                replaced.push(old.clone());
            }
            None => added.push(index),
        }
    }
    replacing.append(&mut added);
    *places = replacing;
    (places.iter().filter_map(|index| new.get(*index).cloned()).collect(), replaced)
}

/// Leaves of the large lists and maps in a part of the pod, or in a container, only what differs, and what tells rules to let the pod off.
fn leave_changes(new: &mut Value, old: &mut Value) {
    let (Value::Object(new), Value::Object(old)) = (new, old) else { return };
    for (key, new) in new.iter_mut() {
        let Some(old) = old.get_mut(key) else { continue };
        if !is_large(new) && !is_large(old) {
            continue;
        }
        match (new, old) {
            (Value::Array(new), Value::Array(old)) => {
                let text = |items: &[Value]| items.iter().map(Value::to_string).collect::<BTreeSet<_>>();
                let (in_new, in_old) = (text(new), text(old));
                new.retain(|item| !in_old.contains(&item.to_string()));
                old.retain(|item| !in_new.contains(&item.to_string()));
            }
            (Value::Object(new), Value::Object(old)) => {
                let keep = |key: &str, value: &Value, other: &Map<String, Value>| {
                    key.starts_with(OWN_PREFIX) || other.get(key) != Some(value)
                };
                let before = old.clone();
                old.retain(|key, value| keep(key, value, new));
                new.retain(|key, value| keep(key, value, &before));
            }
            _ => {}
        }
    }
}

/// Whether there is more in a value than in what people write for a pod.
fn is_large(value: &Value) -> bool {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(|item| 1 + count(item)).sum(),
            Value::Object(map) => map.values().map(|value| 1 + count(value)).sum(),
            _ => 0,
        }
    }
    count(value) > LARGE
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changed_containers_stand_at_the_same_place_in_both_and_are_told_where_they_are() {
        let pod = |containers: Value| json!({"spec": {"hostNetwork": true, "containers": containers}});
        let old = pod(json!([{"name": "a"}, {"name": "b", "image": "1"}]));
        let new = pod(json!([{"name": "new"}, {"name": "a"}, {"name": "b", "image": "2"}]));
        let novelty = Novelty::of(&new, &old).unwrap();
        assert_eq!(novelty.new, pod(json!([{"name": "b", "image": "2"}, {"name": "new"}])));
        assert_eq!(novelty.old, pod(json!([{"name": "b", "image": "1"}])));
        let place = |at: &str| novelty.place(&Path::parse(at)).map(|at| at.as_str().to_owned());
        assert_eq!(place("/spec/containers/0/image").as_deref(), Some("/spec/containers/2/image"));
        assert_eq!(place("/spec/containers/1").as_deref(), Some("/spec/containers/0"));
        assert_eq!(place("/spec/hostNetwork"), None);
    }

    #[test]
    fn of_what_is_large_beside_the_containers_only_the_change_is_left() {
        let old = json!({"metadata": {"annotations": (0..20_000).map(|n| (format!("k{n}"), json!(""))).collect::<Value>()},
            "spec": {"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "a"}, {"name": "b"}], "volumes": vec![json!({"name": "v"}); 20_000]}});
        let mut new = old.clone();
        new["metadata"]["annotations"]["k7"] = json!("changed");
        let novelty = Novelty::of(&new, &old).unwrap();
        assert_eq!(novelty.new["metadata"]["annotations"], json!({"k7": "changed"}));
        let spec = json!({"securityContext": {"runAsNonRoot": true}, "containers": [{"name": "a"}], "volumes": []});
        assert!(novelty.new["spec"] == spec && novelty.old["spec"] == spec);
        // A change that is too large by itself is not told apart from a pod that is.
        new["metadata"]["labels"] = (0..20_000).map(|n| (format!("k{n}"), json!(""))).collect::<Value>();
        assert!(Novelty::of(&new, &old).is_none());
    }
}
