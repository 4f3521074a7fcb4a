//! Hostile and broken texts: nothing panics, and time and memory stay bounded.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking and tells its figures")]

mod support;

use std::time::{Duration, Instant};

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use buttress_yaml::{File, append_document, edit};
use serde_json::{Value, json};
use support::Random;

/// Reads a text within the time that a debug build on a busy machine may take.
fn read(text: String) -> File {
    let (length, start) = (text.len(), Instant::now());
    let file = File::parse(text);
    assert!(start.elapsed() < Duration::from_secs(60), "{length} bytes took {:?}", start.elapsed());
    file
}

fn message(text: String) -> String {
    read(text).documents()[0].value().err().map(|error| error.message.clone()).unwrap_or_default()
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "[".repeat(20_000),
        "{a: ".repeat(20_000),
        "- ".repeat(20_000),
        "? ".repeat(20_000),
        "[".repeat(20_000) + &"]".repeat(20_000),
        "{\"a\":".repeat(20_000) + "1" + &"}".repeat(20_000),
        "a: ".to_owned() + &"[{b: ".repeat(10_000),
        (0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect(),
        (0..2_000).map(|depth| " ".repeat(depth) + "-\n").collect(),
    ] {
        let message = message(text);
        assert!(!message.is_empty());
    }
    assert!(message("[".repeat(20_000) + &"]".repeat(20_000)).contains("nested more than 500 levels deep"));
    // What lies within the limit is read, and dropped, without running out of stack.
    assert!(read("[".repeat(499) + &"]".repeat(499)).documents()[0].value().is_ok());
}

#[test]
fn aliases_do_not_explode() {
    let laughs = (1..30).fold("a0: &a0 [lol, lol, lol]\n".to_owned(), |text, level| {
        let below = level - 1;
        text + &format!("a{level}: &a{level} [*a{below}, *a{below}, *a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    assert_eq!(message(laughs), "document contains excessive aliasing");
    let merges = (1..60).fold("a0: &a0 {k: v}\n".to_owned(), |text, level| {
        let below = level - 1;
        text + &format!("a{level}: &a{level}\n  <<: [*a{below}, *a{below}]\n")
    });
    assert_eq!(message(merges), "document contains excessive aliasing");
    let chain = (1..3_000)
        .fold("a0: &a0 [1]\n".to_owned(), |text, level| text + &format!("a{level}: &a{level} [*a{}]\n", level - 1));
    assert!(message(chain).contains("nested more than"));
    assert_eq!(message("a: &a [*a]".to_owned()), "anchor value contains itself");
    assert_eq!(message("a: &a\n  <<: *a".to_owned()), "anchor value contains itself");
    let many: String = (0..50_000).map(|number| format!("- &n{number} x\n- *n{number}\n")).collect();
    assert!(read(many).documents()[0].value().is_ok());
}

#[test]
fn large_texts_are_read_in_linear_time() {
    let keys: String = (0..200_000).map(|number| format!("k{number}: v\n")).collect();
    assert_eq!(read(keys).documents()[0].value().unwrap().as_object().unwrap().len(), 200_000);
    let same_key = "k: v\n".repeat(200_000);
    assert_eq!(read(same_key).documents()[0].duplicate_keys().len(), 100);
    let json_keys = format!("{{{}\"z\":1}}", "\"k\":1,".repeat(200_000));
    assert_eq!(read(json_keys).documents()[0].duplicate_keys().len(), 100);
    let escapes = format!("a: \"{}\"", "\\n".repeat(1_000_000));
    assert_eq!(read(escapes).documents()[0].value().unwrap()["a"].as_str().unwrap().len(), 1_000_000);
    assert!(read("# c\n".repeat(500_000)).documents().is_empty());
    assert!(read("---\n".repeat(500_000)).documents().is_empty());
    assert_eq!(read("a: 1\n---\n".repeat(50_000)).documents().len(), 50_000);
    assert!(read("\t\n".repeat(200_000)).documents()[0].value().is_err());
    assert!(!read(format!("a: [\n{}]", "\t1,\n".repeat(50_000))).documents().is_empty());
    assert!(!read("a: \"x\"#c\n".repeat(20_000)).documents().is_empty());
    assert!(!read(format!("a: [{}]", "\"x\",#c\n".repeat(20_000))).documents().is_empty());
    assert!(!read(format!("{{{}", "a: 1,".repeat(200_000))).documents().is_empty());
    assert!(!read("a: &a\n  b: 1\n".repeat(20_000)).documents().is_empty());
    assert!(!read(format!("- {}\n", "\u{85}".repeat(300_000))).documents().is_empty());
    assert!(!read("[a]: ".repeat(50_000)).documents().is_empty());
    assert!(!read("? a\n".repeat(100_000)).documents().is_empty());
    assert!(!read("{{".repeat(100_000)).documents().is_empty());
    assert!(!read("'".repeat(300_001)).documents().is_empty());
    assert!(!read(format!("a: |\n{}", "  x\n\n".repeat(200_000))).documents().is_empty());
    assert!(!read(format!("a: {}\n", "1_".repeat(1_000_000))).documents().is_empty());
}

#[test]
fn a_hundred_megabytes_are_read_or_refused() {
    let one = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: |\n";
    let text =
        format!("{one}{}", "    0123456789012345678901234567890123456789012345678901234567890\n".repeat(1_500_000));
    assert!(text.len() > 90 << 20);
    assert!(read(text).documents()[0].value().is_ok());
    let refused = File::parse(" ".repeat((256 << 20) + 1));
    assert!(refused.documents()[0].value().unwrap_err().message.contains("longer than"));
}

#[test]
fn garbage_is_an_error_with_a_place() {
    let mut random = Random(3);
    for _ in 0..2_000 {
        let length = random.below(300);
        let bytes: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        exercise(&String::from_utf8_lossy(&bytes));
    }
}

/// Everything that can be asked about a text.
fn exercise(text: &str) {
    let file = File::parse(text);
    for (number, document) in file.documents().iter().enumerate() {
        let range = document.range();
        assert!(file.text().get(range.clone()).is_some());
        match document.value() {
            Err(error) => {
                assert!(error.offset <= text.len());
                file.line_column(error.offset);
            }
            Ok(value) => {
                let mut paths = Vec::new();
                walk(value, Path::root(), &mut paths);
                for (at, path) in paths.iter().enumerate() {
                    let located = document.locate(path);
                    assert!(located.found, "{path:?} in {text:?}");
                    assert!(file.text().get(located.value.clone()).is_some());
                    if paths.len() < 60 || at % 17 == 0 {
                        let _ = edit(&file, number, &[Edit::Remove { path: path.clone() }]);
                        let _ = edit(&file, number, &[Edit::Set { path: path.clone(), value: json!("a\nb") }]);
                        let _ = edit(&file, number, &[Edit::Set { path: path.key("new"), value: json!({"a": [1]}) }]);
                        let _ = edit(&file, number, &[Edit::Append { path: path.clone(), value: json!({"a": [1]}) }]);
                    }
                }
            }
        }
    }
    let _ = append_document(&file, &json!({"kind": "A"}));
}

fn walk(value: &Value, here: Path, paths: &mut Vec<Path>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, here.key(key), paths)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| walk(value, here.index(at), paths)),
        _ => {}
    }
    paths.push(here);
}

const SEEDS: &[&str] = &[
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a # c\n  labels: {a: b, \"c\": [d, e]}\nspec:\n  containers:\n  - name: x\n    args: [\"-c\", 'd']\n    env: []\n  - image: y\n    command:\n    - |\n      one\n      two\n    - >-\n      three\n",
    "a: &a\n  b: 1\nc: *a\nd:\n  <<: *a\n  e: !!str 1\n? f\n: g\n",
    "{\n  \"a\": [1, 2, {\"b\": null}],\n  \"c\": \"d\\u00e9\\n\"\n}\n",
    "\u{feff}a: 1\r\nb:\r\n  - c\r\n  -\r\n    d: \"x\r\n      y\"\r\n",
    "a: |+\n  x\n\nb: >2\n    y\n---\nc:\n- - d\n  - e\n...\n",
    "x: [a, {b: c}, # d\n  e,\n]\ny: {\n  z: 1,\n}\n\tk: \"\\/\"\n",
];

#[test]
fn mutants_of_texts_do_not_panic() {
    let pieces = [
        "[", "]", "{", "}", ":", ": ", ",", "- ", "? ", "&a", "*a", "!t", "|", ">", "'", "\"", "#", " #", "\n", "\r\n",
        "\r", "\t", " ", "  ", "---\n", "...\n", "<<: *a", "é", "\u{feff}", "\u{85}", "\u{2028}", "\\", "%", "@", "~",
        "\u{0}", "|2", "+", "\\u",
    ];
    let rounds = std::env::var("BUTTRESS_MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let mut random = Random(5);
    for _ in 0..rounds {
        let mut text: Vec<char> = random.pick(SEEDS).chars().collect();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len() + 1);
            match random.below(4) {
                0 if at < text.len() => {
                    text.remove(at);
                }
                1 => {
                    let end = (at + random.below(12)).min(text.len());
                    text.drain(at..end);
                }
                2 => {
                    let end = (at + random.below(20)).min(text.len());
                    let copy: Vec<char> = text[at..end].to_vec();
                    let to = random.below(text.len() + 1);
                    text.splice(to..to, copy);
                }
                _ => {
                    text.splice(at..at, random.pick(&pieces).chars());
                }
            }
        }
        let text: String = text.into_iter().collect();
        let outcome = std::panic::catch_unwind(|| exercise(&text));
        assert!(outcome.is_ok(), "{text:?}");
    }
}

#[test]
fn golden_cases_do_not_panic() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/cases.json")).unwrap();
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let outcome = std::panic::catch_unwind(|| exercise(text));
        assert!(outcome.is_ok(), "{text:?}");
    }
}
