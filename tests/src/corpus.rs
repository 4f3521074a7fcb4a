//! The corpus: real manifests in the folder that `BUTTRESS_CORPUS` names. Without it such a test says that it is skipped.

use std::path::PathBuf;

use crate::manifests;

/// The files of the corpus; `None`, said aloud, when there is no corpus.
pub fn files() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("BUTTRESS_CORPUS") else {
        eprintln!("skipped: BUTTRESS_CORPUS names no folder of real manifests");
        return None;
    };
    // A relative folder is one of whoever started the tests, who stood at the root; tests stand in their package.
    let folder = PathBuf::from(folder);
    let folder = if folder.is_absolute() { folder } else { manifests::repository().join(folder) };
    let found = manifests::files(&folder, &["yaml", "yml", "json"]);
    assert!(!found.is_empty(), "BUTTRESS_CORPUS is {} and holds no manifests", folder.display());
    Some(found)
}

/// The texts of the corpus that are UTF-8, with their names.
pub fn texts() -> Option<Vec<(String, String)>> {
    let read = |path: &PathBuf| Some((path.display().to_string(), std::fs::read_to_string(path).ok()?));
    Some(files()?.iter().filter_map(read).collect())
}
