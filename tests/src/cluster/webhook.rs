//! The webhook under test: the binary that is shipped, as a process beside the cluster.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread::panicking;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ports::free_address;
use super::process::Process;
use super::start::Cluster;
use super::wait::PATIENCE;

/// How a webhook is started.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    name: String,
    policies: Vec<String>,
    hosts: Option<Vec<String>>,
    kubeconfig: Option<PathBuf>,
    listen: Option<SocketAddr>,
    flags: Vec<String>,
}

impl Default for WebhookOptions {
    /// No Policy, so that it observes; a serving pair for 127.0.0.1 by the authority of the cluster; no kubeconfig.
    fn default() -> Self {
        Self {
            name: "webhook".to_owned(),
            policies: Vec::new(),
            hosts: Some(vec!["127.0.0.1".to_owned()]),
            kubeconfig: None,
            listen: None,
            flags: Vec::new(),
        }
    }
}

impl WebhookOptions {
    /// Called so in messages and files; several of one cluster need different names. Goes into paths.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With a Policy from a file, as YAML (`--policy`).
    #[must_use]
    pub fn with_policy(mut self, yaml: &str) -> Self {
        self.policies.push(yaml.to_owned());
        self
    }

    /// With a serving pair for these names and addresses instead of 127.0.0.1.
    #[must_use]
    pub fn serving_as(mut self, hosts: &[&str]) -> Self {
        self.hosts = Some(hosts.iter().map(|host| (*host).to_owned()).collect());
        self
    }

    /// Without a serving pair: flags say where it comes from.
    #[must_use]
    pub fn without_pair(mut self) -> Self {
        self.hosts = None;
        self
    }

    /// With `KUBECONFIG`, for what needs the API server.
    #[must_use]
    pub fn with_kubeconfig(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    /// Listens here instead of on a free port of 127.0.0.1.
    #[must_use]
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// With more flags of `serve`. These may say anything but `--listen`, `--ops-listen` and what has a method here.
    #[must_use]
    pub fn with_flags<S: AsRef<str>>(mut self, flags: impl IntoIterator<Item = S>) -> Self {
        self.flags.extend(flags.into_iter().map(|flag| flag.as_ref().to_owned()));
        self
    }
}

/// A webhook that serves. Dropped, it is killed; if that is because a test fails, the end of its log is shown before.
#[derive(Debug)]
pub struct Webhook {
    process: Process,
    name: String,
    address: SocketAddr,
    ops: SocketAddr,
    authority: String,
}

impl Webhook {
    /// Starts the webhook and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready, with the end of its log.
    pub async fn start(cluster: &Cluster, options: WebhookOptions) -> Self {
        let webhook = Self::prepare(cluster, options);
        webhook.process.start();
        webhook.ready().await;
        webhook
    }

    /// Makes everything ready for [`Process::start`] of [`Webhook::process`], for a test that looks at the start itself.
    pub fn prepare(cluster: &Cluster, options: WebhookOptions) -> Self {
        let WebhookOptions { name, policies, hosts, kubeconfig, listen, flags } = options;
        let (address, ops) = (listen.unwrap_or_else(free_address), free_address());
        let folder = cluster.folder();
        let mut process = Process::new(&name, binary("buttress-webhook-under-test"), folder)
            .args(["serve", "--listen", &address.to_string(), "--ops-listen", &ops.to_string()])
            .env("POD_NAMESPACE", "buttress-system");
        if let Some(hosts) = hosts {
            let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
            let pair = cluster.authority().serving(&name, &hosts);
            process = process.args(["--tls-cert-file".as_ref(), pair.certificate.as_os_str()]);
            process = process.args(["--tls-private-key-file".as_ref(), pair.key.as_os_str()]);
        }
        for (number, policy) in policies.iter().enumerate() {
            let file = folder.join(format!("{name}-policy-{number}.yaml"));
            fs::write(&file, policy).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
            process = process.args(["--policy".as_ref(), file.as_os_str()]);
        }
        // Without one it has no credentials, whatever the environment of the tests holds.
        process = process.env("KUBECONFIG", kubeconfig.unwrap_or_else(|| folder.join("no.kubeconfig")));
        Self { process: process.args(&flags), name, address, ops, authority: cluster.authority().pem() }
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Panics
    /// When it does not, or the process ends, with the end of its log.
    pub async fn ready(&self) {
        let begun = Instant::now();
        while !self.is_ready().await {
            assert!(self.process.is_running(), "the webhook does not start\n{}", self.process.tail());
            assert!(begun.elapsed() < PATIENCE, "the webhook does not become ready\n{}", self.process.tail());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether `/readyz` says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// Tells it to stop (SIGTERM) and waits for its end, at most for `limit`. Other tasks go on meanwhile.
    ///
    /// # Panics
    /// When it still runs then.
    pub async fn stop(&self, limit: Duration) -> ExitStatus {
        self.process.terminate();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.ended() {
                return status;
            }
            assert!(begun.elapsed() < limit, "the webhook still runs\n{}", self.process.tail());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process: to kill it, start it again, read its log or its memory.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The name under which it was started.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it serves the hooks.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves health and metrics.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// The authority of its serving pair, as PEM; for a caBundle. Not that of the built-in authority.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Asks its plain port: the status and the body, or `None` when nobody answers.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.ops);
        let mut stream = TcpStream::connect(self.ops).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// The sum of the samples of a metric whose labels contain all of `labels`, each written as `name="value"`. 0 when
    /// there is none.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let answer = self.get("/metrics").await;
        let (_, text) = answer.unwrap_or_else(|| panic!("no metrics\n{}", self.process.tail()));
        let samples = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (family, of) = series.split_once('{').unwrap_or((series, ""));
            (family == name && labels.iter().all(|label| of.contains(label))).then(|| value.parse::<f64>().ok())?
        });
        samples.sum()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        if panicking() {
            eprint!("{}", self.process.tail());
        }
    }
}

/// A binary of this package by its name in the Cargo.toml: `buttress-webhook-under-test` or `buttress-under-test`.
///
/// # Panics
/// When it is not there, which it always is in integration tests.
pub fn binary(name: &str) -> PathBuf {
    let told = std::env::var_os(format!("CARGO_BIN_EXE_{name}")).map(PathBuf::from);
    // A test that is run without Cargo lies in `deps`, one folder below.
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join(name));
    let path = told.or_else(beside).unwrap_or_default();
    assert!(path.is_file(), "{name} is not built: cargo test -p buttress-tests --features cluster --test …");
    path
}
