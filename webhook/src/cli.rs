//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

/// The admission webhook of Buttress.
#[derive(Debug, Parser)]
#[command(
    name = "buttress-webhook",
    version,
    about = "Repairs pods that run AI as they are created, and warns of or refuses what cannot be repaired",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve POST /mutate and POST /validate over TLS, and health and metrics on a plain port
    #[command(after_long_help = HELP)]
    Serve(Serve),
}

const HELP: &str = "\
Examples:
  Observe only: judge and record, change and refuse nothing
    buttress-webhook serve --tls-cert-file tls.crt --tls-private-key-file tls.key

  By a Policy, as in the cluster
    buttress-webhook serve --tls-cert-file /tls/tls.crt --tls-private-key-file /tls/tls.key \\
        --policy /etc/buttress/policy.yaml --namespace buttress-system

What a Policy makes of it (spec.enforcement):
  observe   judge and record; change and refuse nothing. So it is without any Policy
  warn      repair pods and warn
  deny      repair pods, warn, and refuse pods that break a rule of severity error

Ports:
  --listen      POST /mutate and /validate, AdmissionReview of admission.k8s.io/v1, over TLS
  --ops-listen  GET /healthz (is alive), /readyz (is to get requests), /metrics (OpenMetrics), in plain text

Signals:
  SIGTERM or SIGINT   unready at once; serves on for --shutdown-delay, then finishes what is under way
  a second one        exits at once

Exit codes:
  0  stopped by a signal, everything finished
  1  stopped before everything was finished, or a port could not be bound
  2  bad flags, certificate, key or Policy";

/// What `serve` takes.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The serving certificate, as PEM, with what is needed to reach the authority of the caBundle
    ///
    /// It must be valid for SERVICE.NAMESPACE.svc, the name by which the API server calls.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert_file: PathBuf,

    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_private_key_file: PathBuf,

    /// A file with one or more Policies, as YAML or JSON; may be repeated. Without any, the webhook only observes
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,

    /// Where to serve the hooks, over TLS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9443")]
    pub(crate) listen: SocketAddr,

    /// Where to serve health and metrics, in plain text
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) ops_listen: SocketAddr,

    /// The namespace of the webhook itself, which it never touches: it must not be able to lock itself out
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    pub(crate) namespace: Option<String>,

    /// How many seconds to serve on after SIGTERM, until no API server sends requests here any more
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) shutdown_delay: Duration,

    /// How many requests to answer at a time; one more gets 503 at once, and the failurePolicy decides
    #[arg(long, value_name = "NUMBER", default_value_t = 128, value_parser = at_least_one)]
    pub(crate) max_concurrent_requests: usize,

    /// What to log: JSON on stderr, never anything out of an object
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Info)]
    pub(crate) log_level: Level,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Level {
    /// Defects and what stops the process
    Error,
    /// Also requests that could not be answered
    Warn,
    /// Also every request in which something was found or changed
    Info,
    /// Also every other request and every failed connection
    Debug,
}

impl Level {
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text);
    seconds.parse().map(Duration::from_secs).map_err(|_| "is no number of whole seconds, such as 10".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "is no number above 0".to_owned())
}
