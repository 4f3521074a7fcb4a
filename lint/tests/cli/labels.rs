//! `buttress inspect` against labels: `tests/labels/workloads.json` says of workloads of the corpus, which were drawn by
//! lot, what runs in them, on which accelerators, and which probes would be right. The labels were made from the manifests
//! and the facts alone, without a look at what this program says; where it and a label differed, the manifest decided. The
//! corpus lies in the folder that `BUTTRESS_CORPUS` names; without it the test says that it is skipped.

#![expect(clippy::print_stderr, reason = "a test tells what it did")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::run_in;

/// As many judgements of a hundred must be right.
const LEAST: f64 = 98.0;

#[test]
fn workloads_are_recognised_as_they_are_labelled() {
    let Some(corpus) = corpus() else { return };
    let ran = run_in(&corpus, "inspect --format json .", "");
    let seen: Value = serde_json::from_str(&ran.out).expect("inspect speaks JSON");
    let seen: HashMap<(String, u64, String), &Value> = seen["workloads"]
        .as_array()
        .expect("a list of workloads")
        .iter()
        .map(|workload| (place(workload, "pod_path"), workload))
        .collect();
    let labels =
        std::fs::read_to_string(repository().join("tests/labels/workloads.json")).expect("the labels are there");
    let labels: Vec<Value> = serde_json::from_str(&labels).expect("the labels are a list");
    assert!(labels.len() >= 150, "{} labels are too few to tell anything", labels.len());

    let (mut right, mut wrong, mut probes) = (0, Vec::new(), Vec::new());
    for label in &labels {
        let place = place(label, "pod");
        let Some(workload) = seen.get(&place) else {
            wrong.push(format!("{place:?} is not seen"));
            continue;
        };
        for (what, found, expected) in judgements(label, workload) {
            if expected.contains(&found) {
                right += 1;
                continue;
            }
            // A probe that is not given is a pity; one that is given where it does not belong does harm.
            if what.ends_with("Probe") && found != "none" {
                probes.push(format!("{place:?}: {what} {found}, not {expected:?}"));
            }
            wrong.push(format!("{place:?}: {what} {found}, not {expected:?}"));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    let share = 100.0 * f64::from(right) / (f64::from(right) + wrong.len() as f64);
    eprintln!("{right} judgements on {} workloads are right, {share:.2} %; wrong:\n{}", labels.len(), wrong.join("\n"));
    assert!(probes.is_empty(), "wrong probes:\n{}", probes.join("\n"));
    assert!(share >= LEAST, "only {share:.2} % of the judgements are right:\n{}", wrong.join("\n"));
}

/// What was found and what would be right, for each question.
fn judgements(label: &Value, workload: &Value) -> Vec<(&'static str, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let several = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let mut judgements = vec![
        ("role", text(&workload["role"]), several(&label["role"])),
        ("runtime", text(&workload["runtime"]), several(&label["runtime"])),
        ("accelerators", accelerators(&workload["accelerators"]), vec![accelerators(&label["accelerators"])]),
    ];
    // Which container does the work is a question only where work is done.
    if label["container"].is_string() && !several(&label["role"]).contains(&"none".to_owned()) {
        judgements.push(("container", text(&workload["container"]), vec![text(&label["container"])]));
    }
    for (field, what) in [("startup", "startupProbe"), ("readiness", "readinessProbe"), ("liveness", "livenessProbe")] {
        judgements.push((what, probe(&workload["probes"][field]), vec![text(&label["probes"][field])]));
    }
    judgements
}

/// `resource × count`, sorted; from the list of `inspect` or the map of a label.
fn accelerators(value: &Value) -> String {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (resource, count) in value.as_object().into_iter().flatten() {
        counts.insert(resource.clone(), count.as_i64().unwrap_or_default());
    }
    for asked in value.as_array().into_iter().flatten() {
        counts.insert(
            asked["resource"].as_str().unwrap_or_default().to_owned(),
            asked["count"].as_i64().unwrap_or_default(),
        );
    }
    counts.iter().map(|(resource, count)| format!("{count} × {resource}")).collect::<Vec<_>>().join(", ")
}

/// `type :port/path`, or `none`.
fn probe(value: &Value) -> String {
    match (value["type"].as_str(), value["port"].as_u64()) {
        (Some(kind), Some(port)) => format!("{kind} :{port}{}", value["path"].as_str().unwrap_or_default()),
        _ => "none".to_owned(),
    }
}

fn place(value: &Value, pod: &str) -> (String, u64, String) {
    let file = value["file"].as_str().unwrap_or_default();
    let file = file.strip_prefix("./").unwrap_or(file);
    (
        file.to_owned(),
        value["document"].as_u64().unwrap_or_default(),
        value[pod].as_str().unwrap_or_default().to_owned(),
    )
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder of the corpus; `None`, said aloud, where there is none. A relative one is seen from the root.
fn corpus() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("BUTTRESS_CORPUS") else {
        eprintln!("skipped: BUTTRESS_CORPUS names no folder of real manifests");
        return None;
    };
    let folder = PathBuf::from(folder);
    Some(if folder.is_absolute() { folder } else { repository().join(folder) })
}
