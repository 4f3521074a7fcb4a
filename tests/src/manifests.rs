//! The manifests in this repository: the examples of the rules, the fixtures and the deployable examples.

use std::path::{Path, PathBuf};

use buttress_policies::catalog::Catalog;
use buttress_policies::context::Context;
use buttress_policies::finding::Safety;
use buttress_policies::inventory::Inventory;
use buttress_policies::repair;
use buttress_yaml::File;
use serde_json::Value;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `folder` with one of `extensions`, in order.
pub fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&next) else { continue };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| extensions.iter().any(|wanted| own == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The objects of a text: each document's value, and the items of a `List` one by one.
pub fn objects(text: &str) -> Vec<Value> {
    let file = File::parse(text);
    let mut objects = Vec::new();
    for value in file.documents().iter().filter_map(|document| document.value().ok()) {
        match value.get("items").and_then(Value::as_array) {
            Some(items) if value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List")) => {
                objects.extend(items.iter().cloned());
            }
            _ => objects.push(value.clone()),
        }
    }
    objects
}

/// What a linter sees of a project that holds this text and nothing else.
pub fn inventory(text: &str, catalog: &Catalog) -> Inventory {
    let mut inventory = Inventory::whole();
    for object in objects(text) {
        inventory.add(&object, "", catalog);
    }
    inventory
}

/// The text with every repair up to `limit` made, companions at its end.
///
/// # Panics
/// When a document is no YAML, or a repair does not fit into the text.
pub fn repaired(text: &str, context: &Context<'_>, limit: Safety) -> String {
    let mut text = text.to_owned();
    let documents = File::parse(text.as_str()).documents().len();
    let mut companions = Vec::new();
    for index in 0..documents {
        let file = File::parse(text.as_str());
        let result = repair(file.documents()[index].value().expect("the text is YAML"), context, limit);
        companions.extend(result.companions);
        text = buttress_yaml::edit(&file, index, &result.edits).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    for companion in companions {
        text = buttress_yaml::append_document(&File::parse(text), &companion)
            .unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    text
}

/// The texts that every law is tried on: both examples of every rule, the fixtures, the stack, and the deployable
/// examples.
pub fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for rule in buttress_policies::rules::RULES {
        texts.push((format!("{} (bad)", rule.name), rule.bad.to_owned()));
        texts.push((format!("{} (good)", rule.name), rule.good.to_owned()));
    }
    for folder in ["tests/fixtures", "tests/stack", "deploy/examples"] {
        for path in files(&repository().join(folder), &["yaml", "yml", "json"]) {
            if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push((path.display().to_string(), text));
            }
        }
    }
    texts
}
