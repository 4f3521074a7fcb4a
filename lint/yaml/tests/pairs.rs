//! Edits byte for byte: each folder of `pairs/` holds a text before and after, and the edits between. `UPDATE=1` writes
//! what comes out, to be looked at before it is committed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking and tells its figures")]

use std::path::PathBuf;

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use buttress_yaml::{File, edit};
use serde_json::Value;

/// Reads the edits of a case: a JSON list of `{"set": path, "value": …}`, `{"append": path, "value": …}`,
/// `{"remove": path}`, and optionally `{"document": number}` first.
fn edits(json: &Value) -> (usize, Vec<Edit>) {
    let mut document = 0;
    let mut edits = Vec::new();
    for one in json.as_array().unwrap() {
        let path = |key: &str| one.get(key).and_then(Value::as_str).map(Path::parse);
        let value = one.get("value").cloned().unwrap_or_default();
        if let Some(number) = one.get("document") {
            document = usize::try_from(number.as_u64().unwrap()).unwrap();
        } else if let Some(path) = path("set") {
            edits.push(Edit::Set { path, value });
        } else if let Some(path) = path("append") {
            edits.push(Edit::Append { path, value });
        } else {
            edits.push(Edit::Remove { path: path("remove").unwrap() });
        }
    }
    (document, edits)
}

#[test]
fn every_pair_comes_out_byte_for_byte() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let load = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_else(|_| panic!("{case:?} {name}"));
        let (document, edits) = edits(&serde_json::from_str(&load("edits.json")).unwrap());
        let outcome = edit(&File::parse(load("before.yaml")), document, &edits);
        if std::env::var_os("UPDATE").is_some() {
            let (name, text) = match &outcome {
                Ok(text) => ("after.yaml", text.clone()),
                Err(refusal) => ("refusal.txt", format!("{refusal}\n")),
            };
            std::fs::write(case.join(name), text).unwrap();
        }
        match outcome {
            Ok(text) => {
                if !case.join("after.yaml").exists() || text != load("after.yaml") {
                    failures.push(format!("{case:?}\n{text}"));
                }
            }
            Err(refusal) => {
                let expected = std::fs::read_to_string(case.join("refusal.txt")).unwrap_or_default();
                if refusal.to_string() != expected.trim_end() {
                    failures.push(format!("{case:?}: {refusal}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
