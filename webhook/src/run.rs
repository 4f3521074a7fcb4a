//! From the command line to a running process and to its end.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use buttress_review::Settings;
use clap::Parser;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::app::{Options, State, app, judging_threads};
use crate::cli::{Cli, Command, Serve};
use crate::config::{ConfigError, read_policies};
use crate::health::Phase;
use crate::log;
use crate::ops::ops;
use crate::serve::{Limits, Server};
use crate::tls::{Identity, server_config};

/// What keeps the process from serving to its orderly end.
enum Failure {
    /// Flags, certificate, key or Policies are not good.
    Config(ConfigError),
    /// The machine does not let us.
    Io { doing: String, error: io::Error },
    /// Not everything was finished in time.
    Unfinished,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// Runs the binary with these arguments, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Cli { command: Command::Serve(arguments) } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Where neither terminal nor file takes the text there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(error)) => {
            tell(&error.to_string());
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

fn serve(arguments: &Serve) -> Result<(), Failure> {
    let policies = read_policies(&arguments.policy)?;
    let identity = Identity::read(&arguments.tls_cert_file, &arguments.tls_private_key_file)?;
    let ends = identity.not_after();
    let tls = server_config(identity)?;
    log::start(arguments.log_level.filter());
    if ends.is_some_and(|ends| ends <= Timestamp::now().as_second()) {
        warn!("the serving certificate has ended: the API server will refuse it");
    }
    let names: Vec<&str> = policies.iter().map(|policy| policy.metadata.name.as_str()).collect();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        policies = names.join(","),
        listen = %arguments.listen,
        ops_listen = %arguments.ops_listen,
        "starting{}",
        if names.is_empty() { "; without a Policy it only observes" } else { "" }
    );
    let mut settings = Settings::new(policies);
    if let Some(namespace) = &arguments.namespace {
        settings = settings.with_own_namespace(namespace);
    }
    let options = Options { concurrency: arguments.max_concurrent_requests, ..Options::default() };
    let state = State::new(settings, options);
    if let Some(ends) = ends {
        state.metrics().certificate_ends(ends);
    }
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(judging_threads()).build();
    let runtime = runtime.map_err(|error| Failure::Io { doing: "start threads".to_owned(), error })?;
    let finished = runtime.block_on(async {
        let hooks = Server {
            listener: bind(arguments.listen).await?,
            tls: Some(tls),
            router: app(state.clone()),
            health: state.health().clone(),
            limits: Limits::default(),
        };
        let ops = Server {
            listener: bind(arguments.ops_listen).await?,
            tls: None,
            router: ops(state.clone()),
            // Its own, which never drains: until the very end it says that the process is alive and not ready.
            health: crate::health::Health::default(),
            limits: Limits { connections: 64, ..Limits::default() },
        };
        live(hooks, ops, &state, arguments.shutdown_delay).await
    });
    // A body that is still being judged past every deadline does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    if finished? { Ok(()) } else { Err(Failure::Unfinished) }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::Io { doing: format!("listen on {address}"), error })
}

/// Serves until a signal, leaves, and drains. Returns whether everything was finished.
async fn live(hooks: Server, ops: Server, state: &State, delay: Duration) -> Result<bool, Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::Io { doing: "watch signals".to_owned(), error })?;
    tokio::spawn(ops.run());
    let serving = tokio::spawn(hooks.run());
    state.health().advance(Phase::Ready);
    info!("ready");
    signals.next().await;
    state.health().advance(Phase::Leaving);
    info!(seconds = delay.as_secs(), "told to stop: unready, serving on until no API server calls here");
    tokio::select! {
        () = sleep(delay) => {}
        () = signals.next() => return Ok(false),
    }
    state.health().advance(Phase::Draining);
    tokio::select! {
        finished = serving => {
            let finished = finished.unwrap_or(false);
            info!(finished, "stopped");
            Ok(finished)
        }
        () = signals.next() => Ok(false),
    }
}

/// The signals to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
