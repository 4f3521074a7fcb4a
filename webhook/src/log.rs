//! The log: JSON on stderr, one line a request, without a word of any object.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::time::Duration;

use buttress_review::{Decision, Hook, Summary};
use tracing::{Level, error, event, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// The most characters of a value that a client chose.
const MAX_VALUE: usize = 253;

/// Starts logging. Panics are logged by their place alone, as their message may hold what was being read.
pub(crate) fn start(level: LevelFilter) {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .finish()
        // It logs answers that it cannot read, and one of a Secret holds keys; and as an error of ours each time that the API
        // server is away. What it comes to, those who called it log.
        .with(
            Targets::new()
                .with_default(level)
                .with_target("kube_client", LevelFilter::OFF)
                .with_target("kube_runtime", LevelFilter::OFF),
        );
    // A second call in one process, as in tests, keeps the first.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(|location| format!("{}:{}", location.file(), location.line()));
        error!(place = place.unwrap_or_default(), "panic; please report this");
    }));
}

/// Logs what became of a request; at debug level where there was nothing to do.
pub(crate) fn answered(summary: &Summary, took: Duration) {
    let mut rules: Vec<&str> = summary.findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let rules = rules.join(",");
    let repairs = summary.repairs.join(",");
    let namespace = short(&summary.namespace);
    let kind = short(&summary.kind);
    let resource = short(&summary.resource);
    let uid = short(&summary.uid);
    macro_rules! log {
        ($level:expr, $message:literal) => {
            event!(
                $level,
                webhook = summary.hook.as_str(),
                uid,
                operation = summary.operation.as_str(),
                kind,
                resource,
                namespace,
                dry_run = summary.dry_run,
                decision = summary.decision.as_str(),
                enforcement = summary.enforcement.map(|enforcement| enforcement.as_str()),
                rules,
                repairs,
                withheld = summary.doubt.map(|doubt| doubt.as_str()),
                duration_ms = took.as_secs_f64() * 1000.0,
                $message
            )
        };
    }
    let defect = summary.doubt.is_some_and(|doubt| doubt.is_defect()) || !summary.withheld.is_empty();
    match summary.decision {
        _ if defect => log!(Level::ERROR, "a repair did not pass its own check; please report this"),
        Decision::Skipped | Decision::Clean => log!(Level::DEBUG, "reviewed"),
        _ => log!(Level::INFO, "reviewed"),
    }
}

/// Logs a request that got an HTTP error for an answer; `reason` is a text of our own.
pub(crate) fn failed(hook: Hook, decision: &str, reason: &str, took: Duration) {
    warn!(webhook = hook.as_str(), decision, reason, duration_ms = took.as_secs_f64() * 1000.0, "not answered");
}

/// The beginning of a text; names in Kubernetes are no longer than this.
fn short(text: &str) -> &str {
    text.char_indices().nth(MAX_VALUE).map_or(text, |(end, _)| &text[..end])
}
