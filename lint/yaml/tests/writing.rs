//! Values as text, and documents added to files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking and tells its figures")]

mod support;

use buttress_yaml::{File, append_document, to_string};
use serde_json::{Value, json};
use support::{Random, same};

fn appended(text: &str, value: &Value) -> String {
    append_document(&File::parse(text), value).unwrap()
}

#[test]
fn a_document_is_added_in_the_style_of_the_file() {
    let budget = json!({"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "spec": {"list": ["a"]}});
    let flush = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nspec:\n  list:\n  - a\n";
    assert_eq!(appended("a: 1\n", &budget), format!("a: 1\n---\n{flush}"));
    assert_eq!(appended("a: 1", &budget), format!("a: 1\n---\n{flush}"));
    assert_eq!(appended("a: 1\n---\n", &budget), format!("a: 1\n---\n{flush}"));
    assert_eq!(appended("", &budget), flush);
    assert_eq!(appended("# c\n", &budget), format!("# c\n{flush}"));
    let crlf = format!("a: 1\r\n---\r\n{}", flush.replace('\n', "\r\n"));
    assert_eq!(appended("a: 1\r\n", &budget), crlf);
    let indented = "a:\n    b:\n        - c\n";
    assert_eq!(
        appended(indented, &budget),
        format!("{indented}---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nspec:\n    list:\n        - a\n")
    );
    assert_eq!(appended("a: |+\n  b\n\n", &json!({"c": 1})), "a: |+\n  b\n\n---\nc: 1\n");
}

#[test]
fn no_document_is_added_where_it_would_not_be_read() {
    let refused = |text: &str| append_document(&File::parse(text), &json!({"a": 1})).unwrap_err();
    assert_eq!(refused("{\"a\": 1}\n").to_string(), "a JSON file holds no further document");
    assert_eq!(refused("a: [\n").to_string(), "the last document of the file cannot be read");
    assert!(!refused("a: [\n").defect);
}

#[test]
fn what_is_written_is_read_back() {
    let pieces = [
        "a", "y", "1", "\n", " ", "  ", "#", ": ", ":", "- ", "'", "\"", "\\", "\t", "é", "😀", "{", "]", ",", "&",
        "*", "!", "|", ">", "%", "@", "`", "?", "~", "null", "0x", "_", ".", "e", "+", "-", "\r", "\u{85}", "\u{2028}",
        "\u{feff}", "\u{7f}", "---", "<<", "=",
    ];
    let mut random = Random(9);
    for _ in 0..20_000 {
        let mut text = || (0..random.below(6)).map(|_| *random.pick(&pieces)).collect::<String>();
        let value = json!({text(): text(), "list": [text(), {"k": text(), text(): [text()]}], "x": {"y": text()}});
        let written = to_string(&value);
        let file = File::parse(written.as_str());
        let read = file.documents()[0].value();
        assert!(read.is_ok_and(|read| same(read, &value)), "{value}\n{written}\n{read:?}");
    }
}
