//! Load on a server process over loopback TLS: requests a second, latencies, and whether its memory grows.
//!
//! `cargo build --release -p buttress-webhook --bins --examples && target/release/examples/load --requests 1000000`

#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that cannot be made has no result")]
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/support/tls.rs"]
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use clap::Parser;
use serde_json::json;
use tls::{Caller, Certificates};

/// Drives a server of its own and prints what came of it.
#[derive(Debug, Parser)]
struct Load {
    /// How many requests to send
    #[arg(long, default_value_t = 100_000)]
    requests: usize,
    /// How many connections to keep
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// `/mutate` or `/validate`
    #[arg(long, default_value = "/mutate")]
    path: String,
    /// About how many bytes the pod is to have
    #[arg(long, default_value_t = 6_000)]
    bytes: usize,
    /// `observe`, `warn` or `deny`
    #[arg(long, default_value = "warn")]
    enforcement: String,
    /// Speak HTTP/2; the API server speaks HTTP/1.1 to webhooks behind a Service
    #[arg(long)]
    http2: bool,
    /// The server; by default the one that was built beside this
    #[arg(long)]
    server: Option<PathBuf>,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn start(load: &Load, certificates: &Certificates, hooks: SocketAddr, ops: SocketAddr) -> Self {
        let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("buttress-webhook");
        let binary = load.server.clone().unwrap_or_else(beside);
        let policy = certificates.file(
            "policy.yaml",
            &format!(
                "apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {{name: load}}\nspec: {{enforcement: {}}}\n",
                load.enforcement
            ),
        );
        let child = Command::new(&binary)
            .args(["serve", "--log-level", "error", "--listen", &hooks.to_string(), "--ops-listen", &ops.to_string()])
            .arg("--tls-cert-file")
            .arg(certificates.certificate())
            .arg("--tls-private-key-file")
            .arg(certificates.key())
            .arg("--policy")
            .arg(policy)
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display())))
    }

    /// What the server holds in memory now, and held at most, in MiB.
    fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// The processor time the server has used.
    fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // The kernel counts in hundredths of a second wherever Rust runs on Linux.
        Duration::from_millis(ticks * 10)
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A pod with something to repair, padded to about `bytes` with what real pods are full of.
fn body(bytes: usize) -> Bytes {
    let mut pod = support::gpu_pod();
    let mut count = 0;
    while pod.to_string().len() < bytes {
        let env = pod["spec"]["containers"][0]["env"].as_array_mut().unwrap();
        env.push(json!({"name": format!("SETTING_{count}"), "valueFrom": {"configMapKeyRef": {"name": "settings", "key": format!("key-{count}")}}}));
        count += 1;
    }
    Bytes::from(support::review("CREATE", &pod).to_string())
}

#[tokio::main]
async fn main() {
    let load = Load::parse();
    let certificates = Certificates::make();
    let (hooks, ops) = (free_port(), free_port());
    let server = Server::start(&load, &certificates, hooks, ops);
    while tokio::net::TcpStream::connect(hooks).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let body = body(load.bytes);
    let client = certificates.client(if load.http2 { &[b"h2"] } else { &[b"http/1.1"] });
    let path = format!("{}?timeout=5s", load.path);
    println!(
        "body {} bytes, {} connections, {}",
        body.len(),
        load.connections,
        if load.http2 { "h2" } else { "http/1.1" }
    );
    println!("memory when idle: {:.1} MiB", server.memory().0);

    let sent = Arc::new(AtomicUsize::new(0));
    let (started, used) = (Instant::now(), server.processor_time());
    let mut tasks = Vec::new();
    for _ in 0..load.connections {
        let (client, body, path, sent) = (client.clone(), body.clone(), path.clone(), Arc::clone(&sent));
        let (requests, http2) = (load.requests, load.http2);
        tasks.push(tokio::spawn(async move {
            let mut caller =
                if http2 { Caller::http2(&client, hooks).await } else { Caller::http1(&client, hooks).await };
            let (mut latencies, mut failures) = (Vec::new(), 0_usize);
            while sent.fetch_add(1, Ordering::Relaxed) < requests {
                let began = Instant::now();
                match caller.post(&path, body.clone()).await {
                    Ok(response) if response.status() == 200 => {}
                    _ => failures += 1,
                }
                latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            (latencies, failures)
        }));
    }
    let tenth = (load.requests / 10).max(1);
    for step in 1..=10 {
        while sent.load(Ordering::Relaxed) < tenth * step && tasks.iter().any(|task| !task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("memory after {:>8} requests: {:.1} MiB", tenth * step, server.memory().0);
    }
    let (mut latencies, mut failures) = (Vec::new(), 0);
    for task in tasks {
        let (own, failed) = task.await.unwrap();
        latencies.extend(own);
        failures += failed;
    }
    let took = started.elapsed();
    let processor = server.processor_time() - used;
    latencies.sort_unstable();
    let at = |share: f64| f64::from(latencies[((latencies.len() - 1) as f64 * share) as usize]) / 1000.0;
    let count = latencies.len() as f64;
    println!("{} requests in {:.1} s, {failures} failed", latencies.len(), took.as_secs_f64());
    println!(
        "{:.0} requests/s, server {:.0} µs of processor time each",
        count / took.as_secs_f64(),
        processor.as_micros() as f64 / count
    );
    println!("p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.9), at(0.99), at(1.0));
    let (now, most) = server.memory();
    println!("memory at the end: {now:.1} MiB, at most {most:.1} MiB");
    assert_eq!(failures, 0, "requests failed");
}
