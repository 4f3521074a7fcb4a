//! From the command line to a running process and to its end.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use buttress_certs::{CertsError, Events};
use buttress_cluster::{Cluster, crd};
use buttress_policies::inventory::Inventory;
use buttress_policies::rules::RULES;
use buttress_review::{Facts, Settings};
use clap::Parser;
use jiff::Timestamp;
use kube::Client;
use rustls::crypto::ring::default_provider;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::{Options, State, app, judging_threads};
use crate::cli::{Cli, Command, Serve};
use crate::config::{ConfigError, read_policies};
use crate::disable::disable;
use crate::health::{Health, Phase};
use crate::life::{Signals, Tasks, live};
use crate::log;
use crate::observers::{Caches, certificates};
use crate::ops::ops;
use crate::readiness::Readiness;
use crate::serve::{Limits, Server};
use crate::tls::Tls;

/// How often it is looked whether everything is there, until it is.
const READY_POLL: Duration = Duration::from_millis(20);
/// How long a connection to the plain port may be idle. Each is there for one request, and a probe that finds no place among
/// them has the process killed.
const OPS_IDLE: Duration = Duration::from_secs(5);

/// What keeps the process from serving to its orderly end.
enum Failure {
    /// Flags, certificate, key, Policies or credentials are not good; one line for each mistake.
    Config(String),
    /// The machine does not let us.
    Io { doing: String, error: io::Error },
    /// Not everything was finished in time.
    Unfinished,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

impl From<CertsError> for Failure {
    fn from(error: CertsError) -> Self {
        Self::Config(error.to_string())
    }
}

/// Runs the binary with these arguments, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Where neither terminal nor file takes the text there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    // One of the process, for libraries that ask for it. It is already there when two runs share a process, as in tests.
    let _ = default_provider().install_default();
    let outcome = match &cli.command {
        Command::Serve(arguments) => serve(arguments),
        Command::Disable(arguments) => runtime(1).and_then(|runtime| {
            let outcome =
                runtime.block_on(async { disable(client().await?, arguments).await.map_err(Failure::Config) });
            // A look-up of a name that goes on past the deadline does not keep the process.
            runtime.shutdown_timeout(Duration::from_millis(100));
            outcome
        }),
        Command::Crd => write!(io::stdout().lock(), "{}", buttress_yaml::to_string(&crd(RULES)))
            .map_err(|error| Failure::Io { doing: "write".to_owned(), error }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(error)) => {
            tell(&error);
            ExitCode::from(2)
        }
        Err(Failure::Io { doing, error }) => {
            tell(&format!("cannot {doing}: {error}"));
            ExitCode::FAILURE
        }
        Err(Failure::Unfinished) => ExitCode::FAILURE,
    }
}

/// Tells a person what is wrong, in plain text: who reads this has just started the process.
fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "error: {line}");
    }
}

fn runtime(blocking: usize) -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(blocking).build();
    runtime.map_err(|error| Failure::Io { doing: "start threads".to_owned(), error })
}

/// A client of the API server that the surroundings name.
async fn client() -> Result<Client, Failure> {
    Client::try_default().await.map_err(|error| {
        Failure::Config(format!(
            "there is no way to an API server: {error}; set KUBECONFIG, or run in a pod whose service account token is mounted"
        ))
    })
}

fn serve(arguments: &Serve) -> Result<(), Failure> {
    let started = Instant::now();
    // One thread more than judging takes, for reading files.
    let runtime = runtime(judging_threads() + 1)?;
    let finished: Result<bool, Failure> = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| Failure::Io { doing: "watch signals".to_owned(), error })?;
        let begun = tokio::select! {
            biased;
            () = signals.next() => {
                info!("told to stop before anything was served");
                return Ok(true);
            }
            begun = begin(arguments, started) => begun?,
        };
        let Begun { hooks, ops, tasks, state } = begun;
        Ok(live(hooks, ops, tasks, &state, arguments.shutdown_delay, &mut signals).await)
    });
    // A body that is still being judged past every deadline does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if finished? { Ok(()) } else { Err(Failure::Unfinished) }
}

/// What is to be served, on ports that are bound.
struct Begun {
    hooks: Server,
    ops: Server,
    tasks: Tasks,
    state: State,
}

/// Reads what the flags name, and begins everything but serving.
async fn begin(arguments: &Serve, started: Instant) -> Result<Begun, Failure> {
    let policies = read_policies(&arguments.policy)?;
    let tls = Tls::new(arguments)?;
    log::start(arguments.log_level.filter());
    let names: Vec<&str> = policies.iter().map(|policy| policy.metadata.name.as_str()).collect();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        policies = names.join(","),
        watch = arguments.watch,
        listen = %arguments.listen,
        ops_listen = %arguments.ops_listen,
        "starting{}",
        if names.is_empty() && !arguments.watch { "; without a Policy it only observes" } else { "" }
    );
    // Reading takes the thread; here it is looked whether a signal came meanwhile.
    yield_now().await;
    let number = policies.len();
    let mut settings = Settings::new(policies);
    if let Some(namespace) = &arguments.namespace {
        settings = settings.with_own_namespace(namespace);
    }
    let client = if arguments.watch || tls.needs_cluster() { Some(client().await?) } else { None };
    let options = Options { concurrency: arguments.max_concurrent_requests, ..Options::default() };
    let facts = buttress_cluster::Facts::default();
    if arguments.watch {
        settings = settings.with_facts(Arc::new(Watched(facts.clone())));
    }
    let state = State::new(settings, options);
    let metrics = Arc::clone(state.metrics());
    metrics.policies(number);
    if let Some(client) = client.as_ref().filter(|_| arguments.watch) {
        let cluster = Cluster::follow(client, facts, Arc::new(Caches::new(state.clone())));
        // Each kind is in the metric from the beginning, or an alert on it would see nothing where nothing is listed.
        cluster.unsynced().into_iter().for_each(|plural| metrics.awaits(plural));
        state.follow(cluster);
    }
    if let Some(identity) = tls.served.current() {
        metrics.certificate_ends(identity.not_after().as_second());
        if !identity.validity().holds(Timestamp::now()) {
            warn!("the serving certificate is not valid now: the API server will refuse it");
        }
    }
    let hooks = Server {
        listener: bind(arguments.listen).await?,
        tls: Some(Arc::clone(&tls.config)),
        router: app(state.clone()),
        health: state.health().clone(),
        limits: Limits::default(),
    };
    let address = hooks.listener.local_addr();
    let address = address.map_err(|error| Failure::Io { doing: "ask for the port".to_owned(), error })?;
    let readiness = Readiness::new(&state, Some((tls.served.clone(), address)));
    let ops = Server {
        listener: bind(arguments.ops_listen).await?,
        tls: None,
        router: ops(state.clone(), readiness.clone()),
        // Its own, which never drains: until the very end it says that the process is alive and not ready.
        health: Health::default(),
        limits: Limits { connections: 64, first_request: OPS_IDLE, idle: OPS_IDLE, ..Limits::default() },
    };
    let mut tasks = Tasks::default();
    tls.keep(client.as_ref(), state.health(), &Events::new(certificates(metrics)), &mut tasks);
    tokio::spawn(tell_when_ready(readiness, state.health().clone(), started));
    Ok(Begun { hooks, ops, tasks, state })
}

/// The facts of a cluster that is followed.
struct Watched(buttress_cluster::Facts);

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl Facts for Watched {
    fn of(&self, namespace: Option<&str>) -> Arc<Inventory> {
        self.0.of(namespace)
    }
}

/// Logs when requests are welcome for the first time, and until then once a second what is missing.
async fn tell_when_ready(readiness: Readiness, health: Health, started: Instant) {
    health.reached(Phase::Ready).await;
    let mut told = Instant::now();
    while health.phase() == Phase::Ready {
        let missing = readiness.missing().await;
        if missing.is_empty() {
            info!(milliseconds = started.elapsed().as_millis() as u64, "ready");
            return;
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            info!(missing = missing.join("; "), "not ready yet");
        }
        sleep(READY_POLL).await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::Io { doing: format!("listen on {address}"), error })
}
