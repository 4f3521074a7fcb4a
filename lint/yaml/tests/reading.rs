//! What the reader makes of single documents, splits and spans.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking and tells its figures")]

use buttress_policies::path::Path;
use buttress_yaml::{File, Limits, Position};
use serde_json::{Value, json};

fn read(text: &str) -> Value {
    let file = File::parse(text);
    file.documents()[0].value().unwrap().clone()
}

fn slice<'a>(file: &'a File, range: &std::ops::Range<usize>) -> &'a str {
    &file.text()[range.clone()]
}

#[test]
fn scalars_and_keys_are_those_of_kubernetes() {
    assert_eq!(
        read("on: off\n0x10: 08\ny: 0777\na: 1_000\nb: 1e3\nc: '1'\nd: ! 12\n1.5: ~\ne: 1:30\n"),
        json!({"true": 0o777, "16": 8, "a": 1000, "b": 1000, "c": "1", "d": "12", "1.5": null, "e": "1:30"})
    );
}

#[test]
fn merges_and_aliases_are_followed() {
    assert_eq!(
        read("x: &x {a: 1, b: 2}\nw:\n  <<: *x\n  b: 3\nz: *x\n"),
        json!({"x": {"a": 1, "b": 2}, "w": {"a": 1, "b": 3}, "z": {"a": 1, "b": 2}})
    );
}

#[test]
fn documents_are_counted_without_the_empty_ones() {
    let file = File::parse("# only a comment\n---\na: 1\n---\n---\nb: [\n---\nc: 3\n");
    assert_eq!(file.documents().len(), 3);
    assert_eq!(file.documents()[0].value().unwrap(), &json!({"a": 1}));
    assert!(file.documents()[1].value().is_err());
    assert_eq!(slice(&file, &file.documents()[2].range()), "c: 3\n");
}

#[test]
fn json_is_read_as_json() {
    let file = File::parse("{\"a\": \"\\/\\ud83d\\ude00\", \"a\": 1}\n{\"b\": []}\n");
    assert_eq!(file.documents().len(), 2);
    assert_eq!(file.documents()[0].value().unwrap(), &json!({"a": 1}));
    assert!(file.documents()[0].is_json());
    assert_eq!(file.documents()[0].duplicate_keys().len(), 1);
    assert_eq!(file.documents()[1].value().unwrap(), &json!({"b": []}));
}

#[test]
fn keys_and_values_are_located() {
    let text = "\u{feff}# é\nspec:\n  on: yes\n  list:\n  - name: \"a b\"\n    text: |  # c\n      one\n\n      two  \n\n  # end\n  empty:\n";
    let file = File::parse(text);
    let document = &file.documents()[0];
    let at = |path: &str| document.locate(&Path::parse(path));
    let shown = |path: &str| slice(&file, &at(path).value).to_owned();
    assert_eq!(shown("/spec/true"), "yes");
    assert_eq!(slice(&file, &at("/spec/true").key.unwrap()), "on");
    assert_eq!(shown("/spec/list/0/name"), "\"a b\"");
    assert_eq!(shown("/spec/list/0/text"), "|  # c\n      one\n\n      two  ");
    assert_eq!(shown("/spec/list"), "- name: \"a b\"\n    text: |  # c\n      one\n\n      two  ");
    assert_eq!(at("/spec/list/0").key, None);
    assert!(at("/spec/list/0").found);
    let absent = at("/spec/list/0/none/deeper");
    assert!(!absent.found);
    assert!(slice(&file, &absent.value).starts_with("name:"));
    let empty = at("/spec/empty");
    assert!(empty.found && empty.value.is_empty());
    assert_eq!(file.line_column(empty.key.unwrap().start), Position { line: 12, column: 3 });
    assert_eq!(file.line_column(3), Position { line: 1, column: 1 });
    assert_eq!(file.line_column(file.text().find("spec").unwrap() - 1), Position { line: 1, column: 4 });
}

#[test]
fn duplicate_keys_are_told_with_both_places() {
    let file = File::parse("a:\n- k: 1\n  l: 2\n  k: 3\n");
    let duplicates = file.documents()[0].duplicate_keys();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(duplicates[0].path, Path::parse("/a/0/k"));
    assert_eq!((duplicates[0].first.start, duplicates[0].second.start), (5, 19));
}

#[test]
fn templates_are_told_from_broken_yaml() {
    let file = File::parse("a: {{ .Values.a }}\n---\na: [\n---\nb: 'x\n");
    let templates: Vec<bool> = file.documents().iter().map(|document| document.value().unwrap_err().template).collect();
    assert_eq!(templates, [true, false, false]);
}

#[test]
fn limits_bound_depth_size_and_aliases() {
    let limits = Limits { depth: 3, nodes: 20, aliased: 5, bytes: 100 };
    let message = |text: &str| {
        File::parse_with(text, &limits).documents()[0].value().cloned().map_err(|error| error.message.clone())
    };
    assert!(message("[[[1]]]").is_ok());
    assert!(message("[[[[1]]]]").unwrap_err().contains("nested more than 3"));
    assert!(message("{\"a\":[[{}]]}").unwrap_err().contains("nested more than 3"));
    assert!(message(&"- a\n".repeat(21)).unwrap_err().contains("more than 20"));
    assert!(message("a: &a [1, 2]\nb: *a\nc: *a").unwrap_err().contains("excessive aliasing"));
    assert!(message(&" ".repeat(101)).unwrap_err().contains("longer than 100"));
}
