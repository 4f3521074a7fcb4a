//! Holds the reader against what kubectl's own decoder made of the same texts (`golden/`, written by its Go program).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and tells its figures"
)]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use buttress_yaml::File;
use serde_json::Value;
use support::{corpus, same};

/// Below this share of hand-made cases, all of them odd on purpose, and of real documents the reader is not kubectl's
/// any more.
const LEAST_AGREEMENT: [(&str, f64); 2] = [("case", 99.0), ("corpus", 99.9)];

/// The differences that are known, each with its reason: `case NAME: reason` or `corpus HASH: reason`.
fn explained() -> BTreeMap<String, String> {
    include_str!("golden/differences.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, reason) = line.split_once(" -- ").unwrap_or_else(|| panic!("no reason: {line}"));
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

/// The documents of a text that are not null, `None` for a broken one.
fn documents(text: &str) -> Vec<Option<Value>> {
    let file = File::parse(text);
    let values = file.documents().iter().map(|document| document.value().ok().cloned());
    values.filter(|value| value.as_ref().is_none_or(|value| !value.is_null())).collect()
}

/// Fails on a difference without a reason and on a reason without a difference.
fn settle(kind: &str, total: usize, differing: &BTreeMap<String, String>) {
    let explained = explained();
    let agreement = 100.0 * (total - differing.len()) as f64 / total as f64;
    println!(
        "{kind}: {} of {total} agree with kubectl, {agreement:.2} %; {} differences",
        total - differing.len(),
        differing.len()
    );
    let prefix = format!("{kind} ");
    let unknown: Vec<String> = differing
        .iter()
        .filter(|(name, _)| !explained.contains_key(*name))
        .map(|(name, how)| format!("{name}\n{how}"))
        .collect();
    assert!(unknown.is_empty(), "{} unexplained:\n{}", unknown.len(), unknown.join("\n"));
    let stale: Vec<_> =
        explained.keys().filter(|name| name.starts_with(&prefix) && !differing.contains_key(*name)).collect();
    assert!(stale.is_empty(), "explained, yet there is no difference: {stale:?}");
    for (name, reason) in explained.iter().filter(|(name, _)| name.starts_with(&prefix)) {
        println!("  {name}: {reason}");
    }
    let least = LEAST_AGREEMENT.iter().find(|(name, _)| *name == kind).unwrap().1;
    assert!(agreement >= least, "{agreement:.2} %");
}

#[test]
fn hand_made_cases_are_read_as_kubectl_reads_them() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/cases.json")).unwrap();
    let golden: Vec<Value> = serde_json::from_str(include_str!("golden/golden.json")).unwrap();
    assert_eq!(cases.len(), golden.len(), "run the Go program again");
    let mut differing = BTreeMap::new();
    for (case, golden) in cases.iter().zip(&golden) {
        assert_eq!(case["name"], golden["name"], "run the Go program again");
        let text = case["text"].as_str().unwrap();
        // One fault may be told once here and twice there, or the other way round.
        let mut ours = documents(text);
        ours.dedup_by(|one, other| one.is_none() && other.is_none());
        let mut theirs = golden["documents"].as_array().unwrap().clone();
        theirs.dedup_by(|one, other| one.get("value").is_none() && other.get("value").is_none());
        let agree = ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(ours, theirs)| match (ours, theirs.get("value")) {
                (Some(ours), Some(theirs)) => same(ours, theirs),
                (None, None) => true,
                _ => false,
            });
        if !agree {
            let shown: Vec<String> =
                ours.iter().map(|one| one.as_ref().map_or("error".to_owned(), Value::to_string)).collect();
            let how = format!("{text:?}\n  ours   {shown:?}\n  theirs {}", golden["documents"]);
            differing.insert(format!("case {}", case["name"].as_str().unwrap()), how);
        }
    }
    settle("case", cases.len(), &differing);
}

/// A value in the form of which the Go program takes the hash.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push('n'),
        Value::Bool(value) => write!(out, "{value}").unwrap(),
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            if let Some(integer) = number.as_i64() {
                write!(out, "{integer}").unwrap();
            } else if float.trunc() == float && float.abs() < 9.2e18 {
                write!(out, "{float:.0}").unwrap();
            } else {
                write!(out, "f{:016x}", float.to_bits()).unwrap();
            }
        }
        Value::String(text) => write!(out, "s{}:{text}", text.len()).unwrap(),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in keys {
                write!(out, "s{}:{key}=", key.len()).unwrap();
                canonical(value, out);
                out.push(',');
            }
            out.push('}');
        }
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn real_files_are_read_as_kubectl_reads_them() {
    let Some(files) = corpus() else { return };
    let golden: HashMap<&str, Vec<&str>> = include_str!("golden/corpus.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(file, documents)| (file, documents.split_whitespace().collect()))
        .collect();
    let (mut total, mut unknown) = (0, 0);
    let mut differing = BTreeMap::new();
    for (path, text) in &files {
        let name = format!("{:016x}", hash(text.as_bytes()));
        let Some(theirs) = golden.get(name.as_str()) else {
            unknown += 1;
            continue;
        };
        let ours: Vec<String> = documents(text)
            .iter()
            .map(|value| match value {
                None => "error".to_owned(),
                Some(value) => {
                    let mut out = String::new();
                    canonical(value, &mut out);
                    format!("{:08x}", hash(out.as_bytes()) & 0xffff_ffff)
                }
            })
            .collect();
        total += theirs.len().max(1);
        if ours != *theirs {
            differing.insert(
                format!("corpus {name}"),
                format!("{}\n  ours   {ours:?}\n  theirs {theirs:?}", path.display()),
            );
        }
    }
    println!("{} files, {unknown} of them without golden output", files.len());
    assert!(unknown * 10 <= files.len(), "this is another corpus; run the Go program over it");
    settle("corpus", total, &differing);
}
