//! What `deploy/` says of the webhook is true of the webhook: the CustomResourceDefinition is the one that the binary prints
//! (`UPDATE=1` writes it), and alerts and dashboard ask for metrics that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/chart")
}

#[test]
fn the_definition_of_the_policy_is_that_of_the_code() {
    let path = chart().join("crds/policies.buttress.dev.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_buttress-webhook")).arg("crd").output().unwrap();
    assert!(output.status.success());
    let wanted = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        let stale = "is stale: run `UPDATE=1 cargo test -p buttress-webhook --test deploy`";
        assert!(fs::read_to_string(&path).unwrap() == wanted, "{} {stale}", path.display());
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    // The families that have no sample yet are not in the answer of the plain port, so the names are read where they are given.
    let given = include_str!("../src/metrics.rs");
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = fs::read_to_string(chart().join("files").join(file)).unwrap();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: BTreeSet<&str> = text
            .split(|c| !is_part(c))
            .filter_map(|word| word.strip_prefix("buttress_"))
            .filter(|word| !word.is_empty())
            .collect();
        assert!(words.len() >= 5, "{file}: {words:?}");
        for word in words {
            let suffix = ["_bucket", "_count", "_sum", "_total"].iter().find_map(|suffix| word.strip_suffix(suffix));
            let name = suffix.unwrap_or(word);
            assert!(given.contains(&format!("\"{name}\"")), "{file}: there is no buttress_{word}");
        }
    }
}
