//! Kustomize patches: files that look like manifests and hold only what is to change. What they leave out stands in the
//! base, so that to judge or repair one by itself would be wrong.

use std::path::{Path, PathBuf};

use buttress_yaml::File;
use serde_json::Value;

use crate::files::clean;

/// Why a patch is not judged.
pub(crate) const REASON: &str = "a Kustomize patch; what it is laid over can be judged once it is rendered";

/// The files that the file at `path` tells to be patches: those that it lays over others, if it is a kustomization, and
/// itself, if it holds a directive of a strategic merge.
///
/// Source: <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/>.
pub(crate) fn named_by(path: Option<&Path>, file: &File) -> Vec<PathBuf> {
    let Some(path) = path else { return Vec::new() };
    let values = || file.documents().iter().filter_map(|document| document.value().ok());
    if file.text().contains("$patch") && values().any(holds_directive) {
        return vec![clean(path)];
    }
    let is_kustomization = |name: &str| matches!(name, "kustomization.yaml" | "kustomization.yml");
    if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_kustomization) {
        return Vec::new();
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut named = Vec::new();
    for value in values() {
        let list = |field: &str| value.get(field).and_then(Value::as_array).into_iter().flatten();
        let patches = list("patches").chain(list("patchesJson6902"));
        let paths = patches.filter_map(|patch| patch.get("path")?.as_str());
        // A strategic merge may stand in the list as text, which no file name holds.
        let merges = list("patchesStrategicMerge").filter_map(Value::as_str).filter(|name| !name.contains('\n'));
        named.extend(paths.chain(merges).map(|name| clean(&folder.join(name))));
    }
    named
}

/// Whether a value holds a directive of a strategic merge, which no object has.
fn holds_directive(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.contains_key("$patch") || map.values().any(holds_directive),
        Value::Array(items) => items.iter().any(holds_directive),
        _ => false,
    }
}
