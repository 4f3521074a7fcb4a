//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rustls::pki_types::ServerName;
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
    Serve(Box<Serve>),
    /// Break the glass: delete both webhook configurations, so that no API server calls Buttress any more
    #[command(after_long_help = DISABLE_HELP)]
    Disable(Disable),
    /// Print the CustomResourceDefinition of the Policy, as YAML
    Crd,
}

const HELP: &str = "\
Examples:
  Observe only: judge and record, change and refuse nothing
    buttress-webhook serve --tls-cert-file tls.crt --tls-private-key-file tls.key

  By a Policy in a file, without any API server
    buttress-webhook serve --tls-cert-file /tls/tls.crt --tls-private-key-file /tls/tls.key \\
        --policy /etc/buttress/policy.yaml --namespace buttress-system

  As in the cluster: Policies and facts are watched, certificates are made by the built-in authority
    buttress-webhook serve --watch --authority-secret buttress-webhook-ca --namespace buttress-system

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
  2  bad flags, certificate, key or Policy, or no way to reach an API server that is needed";

const DISABLE_HELP: &str = "\
It uses the kubeconfig that kubectl uses (KUBECONFIG, or ~/.kube/config), or the credentials of the pod it runs in. Pods are
created unrepaired and unchecked from then on. What is there already is not touched.

The same with kubectl alone:
  kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration buttress-webhook

To bring them back, install again: helm upgrade with the same values, or kubectl apply -f install.yaml.

Exit codes:
  0  neither of them is there any more
  2  the API server could not be reached or refused it";

/// What `serve` takes.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The serving certificate, as PEM, with what is needed to reach the authority of the caBundle. Read again when it changes
    ///
    /// It must be valid for SERVICE.NAMESPACE.svc, the name by which the API server calls.
    #[arg(long, value_name = "FILE", requires = "tls_private_key_file", required_unless_present = "authority_secret")]
    pub(crate) tls_cert_file: Option<PathBuf>,

    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub(crate) tls_private_key_file: Option<PathBuf>,

    /// Instead of files: make certificates, by an authority that is kept in this Secret of the own namespace
    ///
    /// Each replica signs a certificate for itself, whose key never leaves its memory. One leader keeps the authority and
    /// the caBundle of both webhook configurations in order.
    #[arg(long, value_name = "SECRET", conflicts_with = "tls_cert_file", requires = "namespace")]
    pub(crate) authority_secret: Option<String>,

    /// The Service by which the API server calls: certificates are made for its names, or must stay valid for them
    #[arg(long, value_name = "SERVICE", default_value = "buttress-webhook", value_parser = name)]
    pub(crate) service: String,

    /// A further DNS name or IP address by which it is called; may be repeated
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) dns_name: Vec<String>,

    /// The Lease by which the replicas find their leader
    #[arg(long, value_name = "LEASE", default_value = "buttress-webhook", requires = "authority_secret")]
    pub(crate) lease: String,

    /// The MutatingWebhookConfiguration whose caBundle is kept in order
    #[arg(long, value_name = "NAME", default_value = CONFIGURATION, requires = "authority_secret")]
    pub(crate) mutating_webhook_configuration: String,

    /// The ValidatingWebhookConfiguration whose caBundle is kept in order
    #[arg(long, value_name = "NAME", default_value = CONFIGURATION, requires = "authority_secret")]
    pub(crate) validating_webhook_configuration: String,

    /// How long an authority lives, such as 365d, 12h or 90s; replaced after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = duration, requires = "authority_secret")]
    pub(crate) ca_lifetime: Duration,

    /// How long a certificate of the authority lives; replaced after two thirds of it
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration, requires = "authority_secret")]
    pub(crate) certificate_lifetime: Duration,

    /// Let in only callers with a certificate by an authority in this PEM file. Read again when it changes
    ///
    /// The API server shows one when its AdmissionConfiguration names a kubeconfig for webhooks.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca_file: Option<PathBuf>,

    /// With --client-ca-file: a common name or DNS name of which the caller must have one; may be repeated
    #[arg(long, value_name = "NAME", requires = "client_ca_file")]
    pub(crate) client_name: Vec<String>,

    /// Watch Policies in the cluster, and namespaces, autoscalers, budgets, limits and quotas that verdicts depend on
    #[arg(long, conflicts_with = "policy")]
    pub(crate) watch: bool,

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

/// What `disable` takes.
#[derive(Debug, Args)]
pub(crate) struct Disable {
    /// The MutatingWebhookConfiguration to delete
    #[arg(long, value_name = "NAME", default_value = CONFIGURATION)]
    pub(crate) mutating_webhook_configuration: String,

    /// The ValidatingWebhookConfiguration to delete
    #[arg(long, value_name = "NAME", default_value = CONFIGURATION)]
    pub(crate) validating_webhook_configuration: String,
}

/// How both webhook configurations are called.
const CONFIGURATION: &str = "buttress-webhook";

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

/// A whole number with a unit: days, hours, minutes or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("d", 24 * 3600), ("h", 3600), ("m", 60), ("s", 1)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| *seconds > 0 && *seconds <= 100 * 365 * 24 * 3600)
    });
    read.map(Duration::from_secs).ok_or_else(|| "is no duration such as 365d, 12h, 30m or 90s".to_owned())
}

/// A name that a certificate can be asked for.
fn name(text: &str) -> Result<String, String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("is neither a DNS name, such as buttress.example.com, nor an IP address".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "is no number above 0".to_owned())
}
