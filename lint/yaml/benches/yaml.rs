//! What reading a manifest and editing it cost.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use buttress_yaml::{File, edit};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

/// A Deployment of about 2.5 KB, as an inference server has it.
const MANIFEST: &str = include_str!("manifest.yaml");

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let stream = format!("{MANIFEST}---\n").repeat(400);
    let json = File::parse(MANIFEST).documents()[0].value().map(ToString::to_string).unwrap_or_default();
    for (name, text) in [("manifest", MANIFEST), ("stream of 400", stream.as_str()), ("json", json.as_str())] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| File::parse(black_box(text))));
    }
    group.finish();
}

fn editing(criterion: &mut Criterion) {
    let container = Path::parse("/spec/template/spec/containers/0");
    let probe = json!({"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "failureThreshold": 360});
    let set = Edit::Set { path: container.key("startupProbe"), value: probe };
    let append = Edit::Append {
        path: Path::parse("/spec/template/spec/tolerations"),
        value: json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}),
    };
    let scalar = Edit::Set { path: Path::parse("/spec/replicas"), value: json!(3) };
    let mut group = criterion.benchmark_group("edit");
    let cases = [("scalar", vec![scalar]), ("block", vec![set.clone()]), ("two edits", vec![set, append])];
    for (name, edits) in &cases {
        group.bench_function(*name, |bencher| {
            bencher.iter_batched(
                || File::parse(MANIFEST),
                |file| edit(&file, 0, black_box(edits)).map(|text| text.len()),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, reading, editing);
criterion_main!(benches);
