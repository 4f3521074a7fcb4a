//! The binary as a process: how it tells of mistakes, and how it lives and dies.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use support::{gpu_pod, privileged_pod, review};
use tls::{Caller, Certificates};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const BINARY: &str = env!("CARGO_BIN_EXE_buttress-webhook");

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).env_remove("POD_NAMESPACE").args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What is told when `serve` is given these files, and does not start.
fn refused(certificate: &Path, key: &Path, policy: Option<&Path>) -> String {
    let mut arguments = vec!["serve", "--tls-cert-file", text(certificate), "--tls-private-key-file", text(key)];
    arguments.extend(policy.map(|policy| ["--policy", text(policy)]).into_iter().flatten());
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

const BAD_NAME: &[&str] =
    &["serve", "--authority-secret", "ca", "--namespace", "ns", "--dns-name", "foo bar", "--ops-listen", "127.0.0.1:0"];

#[test]
fn help_teaches_and_bad_flags_are_told() {
    let help = run(&["serve", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["--tls-cert-file", "--policy", "Examples:", "observe", "SIGTERM", "Exit codes:", "0.0.0.0:9443"] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    for arguments in [&["serve"][..], &["serve", "--listen", "nowhere"], BAD_NAME, &["destroy"], &[]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(String::from_utf8_lossy(&run(BAD_NAME).stderr).contains("'foo bar'"));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn mistakes_in_files_are_told_with_the_file_and_a_way_out() {
    let good = Certificates::make();
    let (certificate, key) = (good.certificate(), good.key());
    let missing = good.folder.path().join("nothing.crt");
    assert!(refused(&missing, &key, None).contains("nothing.crt: cannot read the certificate"));
    let empty = good.file("empty.crt", "");
    assert!(refused(&empty, &key, None).contains("empty.crt: holds no certificate"));
    assert!(refused(&key, &certificate, None).contains("holds no certificate"));
    assert!(
        refused(&certificate, &certificate, None).contains("are --tls-cert-file and --tls-private-key-file swapped?")
    );
    assert!(refused(&certificate, &empty, None).contains("holds no private key"));
    let encrypted =
        good.file("enc.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    assert!(refused(&certificate, &encrypted, None).contains("is encrypted"));
    let bad = good.file("bad.crt", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    assert!(refused(&bad, &key, None).contains("bad.crt: is not good PEM"));
    let nonsense = good.file("nonsense.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert!(refused(&nonsense, &key, None).contains("cannot be used"));
    let other = Certificates::make();
    assert!(refused(&certificate, &other.key(), None).contains("does not belong to the certificate"));
}

#[test]
fn mistakes_in_policies_are_told_by_line_all_at_once() {
    let good = Certificates::make();
    let policy = good.file(
        "policy.yaml",
        "apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {name: a}\nspec:\n  enforcment: warn\n---\napiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {name: b}\nspec:\n  rules:\n    privileged-contianer: {severity: error}\n",
    );
    let told = refused(&good.certificate(), &good.key(), Some(&policy));
    assert!(told.contains("policy.yaml:5:3: ") && told.contains("policy.yaml:12:5: "), "{told}");
    assert!(told.contains("enforcement") && told.contains("privileged-container"), "{told}");
    let broken = good.file("broken.yaml", "a: [\n");
    assert!(refused(&good.certificate(), &good.key(), Some(&broken)).contains("broken.yaml:"));
    let empty = good.file("empty.yaml", "# nothing\n");
    assert!(refused(&good.certificate(), &good.key(), Some(&empty)).contains("holds no Policy"));
}

/// A process that serves on ports of its own, ended when a test fails.
struct Running {
    child: Child,
    hooks: SocketAddr,
    ops: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn start(certificates: &Certificates, policy: Option<&Path>, delay: &str) -> Running {
    let policy = policy.into_iter().flat_map(|policy| ["--policy", text(policy)]);
    let more: Vec<&str> =
        ["--shutdown-delay", delay, "--namespace", "buttress-system"].into_iter().chain(policy).collect();
    let running = spawn(certificates, &more, None);
    until(&running, "/readyz", " 200 ").await;
    running
}

/// Starts it with further flags, and does not wait.
fn spawn(certificates: &Certificates, more: &[&str], kubeconfig: Option<&Path>) -> Running {
    let (hooks, ops) = (free_port(), free_port());
    let mut command = Command::new(BINARY);
    command
        .env_remove("POD_NAMESPACE")
        .args(["serve", "--tls-cert-file", text(&certificates.certificate())])
        .args(["--tls-private-key-file", text(&certificates.key())])
        .args(["--listen", &hooks.to_string(), "--ops-listen", &ops.to_string(), "--log-level", "debug"])
        .args(more)
        .stderr(Stdio::piped());
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    Running { child: command.spawn().unwrap(), hooks, ops }
}

/// Waits until the answer to `path` has `words` in it.
async fn until(running: &Running, path: &str, words: &str) {
    for _ in 0..400 {
        if get(running.ops, path).await.is_some_and(|answer| answer.contains(words)) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} does not answer {words} in time");
}

/// An API server that takes connections and never answers, and a kubeconfig that leads there.
fn mute_api_server(certificates: &Certificates) -> (std::net::TcpListener, std::path::PathBuf) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "mute",
        "clusters": [{"name": "mute", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "mute", "context": {"cluster": "mute", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    });
    (listener, certificates.file("kubeconfig", &kubeconfig.to_string()))
}

async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

fn terminate(running: &Running) {
    let status = Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits for the end; what was logged and the exit code.
fn end(mut running: Running) -> (Option<i32>, String) {
    let mut log = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    (running.child.wait().unwrap().code(), log)
}

#[tokio::test]
async fn it_serves_logs_without_contents_and_leaves_in_order() {
    let certificates = Certificates::make();
    let policy = certificates.file(
        "policy.yaml",
        "apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {name: strict}\nspec: {enforcement: deny}\n",
    );
    let running = start(&certificates, Some(&policy), "1").await;
    let mut caller = Caller::http1(&certificates.client(&[b"http/1.1"]), running.hooks).await;
    let mut post = async |path: &str, body: String| {
        let response = caller.post(path, Bytes::from(body)).await.unwrap();
        (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
    };
    let mutated = post("/mutate?timeout=5s", review("CREATE", &gpu_pod()).to_string()).await;
    assert!(mutated.0 == 200 && mutated.1.contains("JSONPatch"));
    let refused = post("/validate?timeout=5s", review("CREATE", &privileged_pod()).to_string()).await;
    assert!(refused.0 == 200 && refused.1.contains("\"allowed\":false"));
    assert_eq!(post("/validate", "{\"do-not-print-me\": ".to_owned()).await.0, 400);

    let metrics = get(running.ops, "/metrics").await.unwrap();
    assert!(metrics.contains("buttress_admission_requests_total") && metrics.contains("openmetrics-text"), "{metrics}");
    assert!(!metrics.contains("buttress_tls_cert_not_after_seconds 0.0"), "{metrics}");

    terminate(&running);
    sleep(Duration::from_millis(300)).await;
    assert!(get(running.ops, "/readyz").await.unwrap().contains(" 503 "));
    assert!(get(running.ops, "/healthz").await.unwrap().contains(" 200 "));
    // It still answers, on old connections and new ones.
    let mut late = Caller::http1(&certificates.client(&[b"http/1.1"]), running.hooks).await;
    let body = Bytes::from(review("CREATE", &gpu_pod()).to_string());
    assert_eq!(late.post("/mutate", body).await.unwrap().status(), 200);

    let (code, log) = end(running);
    assert_eq!(code, Some(0), "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    assert!(log.contains(r#""decision":"patched""#) && log.contains(r#""decision":"denied""#), "{log}");
    assert!(log.contains(r#""rules":"privileged-container"#) && log.contains("705ab4f5-6393-11e8-b7cc-42010a800002"));
    assert!(
        log.contains(r#""namespace":"ml""#) && log.contains(r#""operation":"CREATE""#) && log.contains("duration_ms")
    );
    for content in ["do-not-print-me", "TOKEN_BUDGET", "vllm", "shell"] {
        assert!(!log.contains(content), "{content} is in\n{log}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let certificates = Certificates::make();
    let running = start(&certificates, None, "600").await;
    terminate(&running);
    sleep(Duration::from_millis(300)).await;
    terminate(&running);
    let (code, log) = end(running);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("without a Policy it only observes"), "{log}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let certificates = Certificates::make();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&[
        "serve",
        "--tls-cert-file",
        text(&certificates.certificate()),
        "--tls-private-key-file",
        text(&certificates.key()),
        "--listen",
        &address,
        "--ops-listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("error: cannot listen on {address}")), "{told}");
}

#[test]
fn a_signal_at_the_very_start_is_not_lost() {
    let certificates = Certificates::make();
    let pipe = certificates.folder.path().join("policy.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running = spawn(&certificates, &["--policy", text(&pipe), "--shutdown-delay", "0"], None);
    // It can be opened once the process does so at the other end, which is about to read its Policies then.
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    terminate(&running);
    std::thread::sleep(Duration::from_millis(300));
    // A process that is gone reads nothing; that is told by its exit code below.
    let _ = writer.write_all(b"apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {name: late}\nspec: {}\n");
    drop(writer);
    let (code, log) = end(running);
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn clients_of_the_plain_port_that_stay_keep_no_probe_out() {
    let certificates = Certificates::make();
    let running = start(&certificates, None, "0").await;
    let mut asked = Vec::new();
    for _ in 0..80 {
        let mut stream = TcpStream::connect(running.ops).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        asked.push(stream);
    }
    let probe = async || timeout(Duration::from_secs(20), get(running.ops, "/healthz")).await.unwrap().unwrap();
    assert!(probe().await.contains(" 200 "));
    // Those who never ask are sent away in time, too.
    let mut silent = Vec::new();
    for _ in 0..70 {
        silent.push(TcpStream::connect(running.ops).await.unwrap());
    }
    assert!(probe().await.contains(" 200 "));
}

#[tokio::test]
async fn nothing_is_let_in_before_the_cluster_was_listed() {
    let certificates = Certificates::make();
    let (_mute, kubeconfig) = mute_api_server(&certificates);
    let running = spawn(&certificates, &["--watch", "--shutdown-delay", "0"], Some(&kubeconfig));
    until(&running, "/readyz", "policies were not listed yet").await;
    let mut caller = Caller::http1(&certificates.client(&[b"http/1.1"]), running.hooks).await;
    for path in ["/mutate", "/validate"] {
        let response = caller.post(path, Bytes::from(review("CREATE", &privileged_pod()).to_string())).await.unwrap();
        assert_eq!(response.status(), 503, "{path}");
        assert!(!String::from_utf8_lossy(response.body()).contains("allowed"));
    }
    let metrics = get(running.ops, "/metrics").await.unwrap();
    assert_eq!(metrics.matches(r#"decision="starting"} 1"#).count(), 2, "{metrics}");
    for kind in ["policies", "namespaces", "limitranges"] {
        assert!(metrics.contains(&format!("buttress_cache_synced{{resource=\"{kind}\"}} 0")), "{kind}\n{metrics}");
    }
}

#[test]
fn the_glass_is_broken_in_time_or_another_way_is_told() {
    let certificates = Certificates::make();
    let (_mute, kubeconfig) = mute_api_server(&certificates);
    let started = Instant::now();
    let output = Command::new(BINARY).env("KUBECONFIG", &kubeconfig).arg("disable").output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(18), "{:?}", started.elapsed());
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        assert!(told.contains(&format!("kubectl delete {kind} buttress-webhook")), "{told}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told_with_the_way_out() {
    let certificates = Certificates::make();
    let running = spawn(&certificates, &["--namespace", "elsewhere", "--shutdown-delay", "0"], None);
    until(&running, "/metrics", r#"buttress_tls_failing{subject="certificate"} 1"#).await;
    terminate(&running);
    let (code, log) = end(running);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("is not valid for buttress-webhook.elsewhere.svc") && log.contains("dnsNames"), "{log}");
}
