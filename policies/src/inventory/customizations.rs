//! Kustomizations: which files they only patch, and to which objects they give labels and selectors.

use serde_json::Value;

use super::{Inventory, Source, folder, texts};
use crate::node::{list, text};

/// A Kustomization, as far as one must know it to judge what it makes an object of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Customization {
    /// The folder that it is in.
    folder: String,
    /// The files and folders whose objects it takes.
    resources: Vec<String>,
    /// The files that hold patches and no objects.
    patches: Vec<String>,
    /// Whether it adds labels to pods or selectors.
    labels: bool,
}

impl Customization {
    pub(super) fn of(source: Source<'_>) -> Self {
        let folder = join("", folder(source.origin));
        let paths = |field: &str| texts(list(source.object, field));
        let below = |paths: Vec<String>| paths.iter().map(|path| join(&folder, path)).collect();
        let common = source.object.get("commonLabels").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
        let labels = list(source.object, "labels").iter().any(|labels| {
            ["includeSelectors", "includeTemplates"].iter().any(|field| labels.get(field) == Some(&Value::Bool(true)))
        });
        Self {
            resources: below([paths("resources"), paths("bases")].concat()),
            patches: below(patches_of(source.object).map(str::to_owned).collect()),
            labels: common || labels,
            folder,
        }
    }
}

/// The files that a Kustomization lays over others, as it names them.
///
/// Source: <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/>.
pub fn patches_of(kustomization: &Value) -> impl Iterator<Item = &str> {
    let named = ["patches", "patchesJson6902"].into_iter().flat_map(move |field| list(kustomization, field));
    let merged = list(kustomization, "patchesStrategicMerge").iter().filter_map(Value::as_str);
    // A patch may stand in the list itself, as text that no file is called.
    named.filter_map(|patch| text(patch, "path")).chain(merged.filter(|text| !text.contains('\n')))
}

impl Inventory {
    /// Whether a Kustomization in sight names the file `origin` as a patch.
    pub fn is_patch(&self, origin: &str) -> bool {
        self.note_question();
        let file = join("", origin);
        self.customizations.iter().any(|customization| customization.patches.contains(&file))
    }

    /// Whether a Kustomization in sight lies in the folder of the file `origin` or in one above it, and may say of its
    /// objects what they leave out.
    pub fn is_customized(&self, origin: &str) -> bool {
        self.note_question();
        let file = join("", origin);
        self.customizations.iter().any(|customization| is_above(&customization.folder, &file))
    }

    /// Whether a Kustomization in sight gives labels or selectors to the objects of the file `origin`, be it by way of
    /// others that take them.
    pub fn is_labelled_by_kustomization(&self, origin: &str) -> bool {
        self.note_question();
        if !self.customizations.iter().any(|customization| customization.labels) {
            return false;
        }
        let file = join("", origin);
        let mut taken: Vec<&Customization> = Vec::new();
        loop {
            // Each that takes the file, lies above it, or takes the folder of one that does.
            let next = self.customizations.iter().find(|one| {
                !taken.contains(one)
                    && (is_above(&one.folder, &file)
                        || one.resources.contains(&file)
                        || taken.iter().any(|other| one.resources.contains(&other.folder)))
            });
            match next {
                Some(one) if one.labels => return true,
                Some(one) => taken.push(one),
                None => return false,
            }
        }
    }
}

/// Whether a file lies in a folder or in one below it.
fn is_above(folder: &str, file: &str) -> bool {
    folder.is_empty() || file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The path of `path` as seen from `folder`, without `.` and, where they can be walked, `..`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let folder = (!folder.is_empty()).then(|| folder.split('/'));
    for part in folder.into_iter().flatten().chain(path.split('/')) {
        match part {
            "." => {}
            "" if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, "" | "..")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;

    fn seen(kustomizations: &[(&str, Value)]) -> Inventory {
        let mut inventory = Inventory::whole();
        for (origin, fields) in kustomizations {
            let mut object = fields.clone();
            object["apiVersion"] = json!("kustomize.config.k8s.io/v1beta1");
            object["kind"] = json!("Kustomization");
            inventory.add(&object, origin, Catalog::builtin());
        }
        inventory
    }

    #[test]
    fn files_are_patches_where_a_kustomization_says_so() {
        let inventory = seen(&[(
            "./app/overlays/gpu/kustomization.yaml",
            json!({"patches": [{"path": "image.yaml"}, {"patch": "inline"}], "patchesStrategicMerge": ["../shared/./tier.yaml"]}),
        )]);
        for file in ["app/overlays/gpu/image.yaml", "./app/overlays/shared/tier.yaml"] {
            assert!(inventory.is_patch(file), "{file}");
        }
        assert!(!inventory.is_patch("app/overlays/gpu/other.yaml") && !inventory.is_patch("image.yaml"));
        assert!(inventory.is_customized("app/overlays/gpu/deep/a.yaml"));
        assert!(!inventory.is_customized("app/overlays/gpus/a.yaml") && !inventory.is_customized("app/a.yaml"));
    }

    #[test]
    fn labels_reach_what_is_taken_by_way_of_others() {
        let inventory = seen(&[
            ("base/kustomization.yaml", json!({"resources": ["deployment.yaml", "../lone.yaml"]})),
            ("mid/kustomization.yaml", json!({"bases": ["../base/"]})),
            ("top/kustomization.yaml", json!({"resources": ["../mid"], "commonLabels": {"app": "llm"}})),
        ]);
        for (file, expected) in [
            ("base/deployment.yaml", true),
            ("mid/a.yaml", true),
            ("lone.yaml", true),
            ("other/deployment.yaml", false),
        ] {
            assert_eq!(inventory.is_labelled_by_kustomization(file), expected, "{file}");
        }
    }

    #[test]
    fn labels_count_where_pods_or_selectors_get_them() {
        let labelled = |fields: Value| seen(&[("kustomization.yaml", fields)]).is_labelled_by_kustomization("a.yaml");
        assert!(labelled(json!({"labels": [{"pairs": {"app": "llm"}, "includeSelectors": true}]})));
        assert!(labelled(json!({"labels": [7, {"pairs": {"app": "llm"}, "includeTemplates": true}]})));
        for fields in [json!({}), json!({"commonLabels": {}}), json!({"labels": [{"pairs": {"app": "llm"}}]})] {
            assert!(!labelled(fields));
        }
    }
}
