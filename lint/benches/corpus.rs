//! How much longer judging real manifests takes than only reading them, and how soon one file has its first finding.
//!
//! `BUTTRESS_CORPUS=folder cargo bench --package buttress --bench corpus` measures over that folder, warm and in turns,
//! and prints medians. On one thread the ratio is that of the processor's time; on all it is that of the clock.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark tells its figures to whoever runs it")]

use std::io::{Read, sink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use buttress_lint::{Session, run};
use buttress_yaml::File;
use ignore::WalkBuilder;
use jiff::civil::date;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The binary has it too, and it decides what reading costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each is measured, after once for warmth.
const ROUNDS: usize = 15;

/// One file with something to find: a server without probes.
const MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, meta-llama/Llama-3.1-8B-Instruct]
          resources: {limits: {nvidia.com/gpu: 1}}
";

fn main() -> ExitCode {
    // `cargo test --benches` runs this too, and only wants to know that it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    if let Err(error) = first_finding(rounds) {
        eprintln!("the binary cannot be measured: {error}");
        return ExitCode::FAILURE;
    }
    let Some(folder) = std::env::var_os("BUTTRESS_CORPUS").map(PathBuf::from) else {
        println!("skipped: BUTTRESS_CORPUS names no folder of real manifests");
        return ExitCode::SUCCESS;
    };
    // A relative folder is one of whoever started the benchmark at the root; it runs in its package.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, all] {
        match ThreadPoolBuilder::new().num_threads(threads).build() {
            Ok(pool) => corpus(&folder, &pool, rounds),
            Err(error) => {
                eprintln!("no {threads} threads: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Measures reading and judging the folder, in turns so that both meet the same disturbance.
fn corpus(folder: &Path, pool: &ThreadPool, rounds: usize) {
    let (mut reading, mut judging, mut read) = (Vec::new(), Vec::new(), Reading::default());
    for round in 0..=rounds {
        let (seen, bare) = timed(|| pool.install(|| Reading::of(folder)));
        let ((), whole) = timed(|| pool.install(|| judge(folder)));
        read = seen;
        if round > 0 {
            reading.push(bare);
            judging.push(whole);
        }
    }
    let (bare, whole) = (median(reading), median(judging));
    println!(
        "{} threads, {} files, {} KiB, {} documents: reading {:.1} ms, lint {:.1} ms, ratio {:.2}",
        pool.current_num_threads(),
        read.files,
        read.bytes >> 10,
        read.documents,
        millis(bare),
        millis(whole),
        whole.as_secs_f64() / bare.as_secs_f64(),
    );
}

/// What bare reading sees: it finds the files as the linter does, and parses each by the same reader.
#[derive(Default)]
struct Reading {
    files: usize,
    bytes: usize,
    documents: usize,
}

impl Reading {
    fn of(folder: &Path) -> Self {
        let walk = WalkBuilder::new(folder).hidden(false).ignore(false).require_git(false).build();
        let manifest = |path: &PathBuf| {
            path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
        };
        let files: Vec<PathBuf> = walk.flatten().map(ignore::DirEntry::into_path).filter(manifest).collect();
        let read = |path: &PathBuf| {
            let file = File::parse(std::fs::read_to_string(path).ok()?);
            Some(Self { files: 1, bytes: file.text().len(), documents: file.documents().len() })
        };
        files.par_iter().filter_map(read).reduce(Self::default, |one, other| Self {
            files: one.files + other.files,
            bytes: one.bytes + other.bytes,
            documents: one.documents + other.documents,
        })
    }
}

/// `buttress lint --format json` over the folder, whose report goes nowhere.
fn judge(folder: &Path) {
    let mut session = Session {
        directory: folder.to_owned(),
        stdin: Box::new(std::io::empty()),
        stdout: Box::new(sink()),
        stderr: Box::new(sink()),
        colour_out: false,
        colour_err: false,
        terminal_err: false,
        width: None,
        today: date(2026, 11, 22),
    };
    run(["buttress", "lint", "--format", "json", "."], &mut session);
}

/// Measures from the start of the binary to the first byte that it says of one file.
fn first_finding(rounds: usize) -> std::io::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("llm.yaml");
    std::fs::write(&file, MANIFEST)?;
    let mut times = Vec::new();
    for round in 0..=rounds {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_buttress"))
            .args(["lint", "--format", "concise"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(stdout) = &mut child.stdout {
            stdout.read_exact(&mut [0])?;
        }
        if round > 0 {
            times.push(begun.elapsed());
        }
        child.wait()?;
    }
    println!("start to first finding on one file: {:.1} ms", millis(median(times)));
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
