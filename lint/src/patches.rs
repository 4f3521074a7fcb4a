//! Kustomize patches: files that look like manifests and hold only what is to change. What they leave out stands in the
//! base, so that to judge or repair one by itself would be wrong.

use std::path::{Path, PathBuf};

use buttress_policies::inventory::patches_of;
use buttress_policies::object::is_patch;
use buttress_yaml::File;

use crate::files::clean;

/// Why a patch is not judged.
pub(crate) const REASON: &str = "a Kustomize patch; what it is laid over can be judged once it is rendered";

/// The files that the file at `path` tells to be patches: those that it lays over others, if it is a kustomization, and
/// itself, if it holds a directive of a strategic merge.
pub(crate) fn named_by(path: Option<&Path>, file: &File) -> Vec<PathBuf> {
    let Some(path) = path else { return Vec::new() };
    let values = || file.documents().iter().filter_map(|document| document.value().ok());
    if file.text().contains("$patch") && values().any(is_patch) {
        return vec![clean(path)];
    }
    // Kustomize knows them by their names; neither version nor kind need be said.
    let is_kustomization = |name: &str| matches!(name, "kustomization.yaml" | "kustomization.yml");
    if !path.file_name().and_then(|name| name.to_str()).is_some_and(is_kustomization) {
        return Vec::new();
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    values().flat_map(patches_of).map(|name| clean(&folder.join(name))).collect()
}
