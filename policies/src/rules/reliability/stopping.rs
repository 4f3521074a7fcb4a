//! How a pod stops: the time that it has, what its hooks do with it, and what its servers do with the signal.

use std::borrow::Cow;

use crate::catalog::Completion;
use crate::container::Container;
use crate::node::{Node, integer};
use crate::shell::{Command, CommandLine, Environment, basename};
use crate::workload::Pod;

/// The seconds from the order to stop until the kubelet kills, with Kubernetes' default; `None` where they are written as
/// something else than a number, or where an operator decides about them.
pub(super) fn grace(pod: &Pod<'_>) -> Option<u64> {
    if !pod.has_spec() || pod.operator().is_some() || pod.is_completed(Completion::Lifecycle) {
        return None;
    }
    match pod.spec().value().get("terminationGracePeriodSeconds") {
        None | Some(serde_json::Value::Null) => Some(30),
        // Kubernetes takes what is below zero for a second.
        written => integer(written).map(|seconds| u64::try_from(seconds).unwrap_or(1)),
    }
}

/// The place of the grace period, if it may be written there.
pub(super) fn place_of_grace<'a>(pod: &Pod<'a>) -> Option<Node<'a>> {
    let field = "terminationGracePeriodSeconds";
    (!pod.refuses("/terminationGracePeriodSeconds")).then(|| pod.spec().get(field))
}

/// The longest grace period that a repair writes: a day. What asks for more is more likely a slip than meant so.
pub(super) const LONGEST: u64 = 86_400;

/// What a container does before it gets the signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PreStop {
    /// Nothing.
    None,
    /// It sleeps for so many seconds and does nothing else.
    Sleep(u64),
    /// It sleeps for so many seconds, and does something else too, which may take longer.
    AtLeast(u64),
    /// Something of which it is not known how long it takes.
    Other,
}

/// The place of the hook; absent where there is none.
pub(super) fn hook<'a>(container: &Container<'a>) -> Node<'a> {
    container.get("lifecycle").get("preStop")
}

/// What the hook of `container` does.
pub(crate) fn pre_stop(container: &Container<'_>) -> PreStop {
    let hook = container.value().get("lifecycle").and_then(|lifecycle| lifecycle.get("preStop"));
    let Some(hook) = hook.filter(|hook| !hook.is_null()) else { return PreStop::None };
    if let Some(sleep) = hook.get("sleep").filter(|sleep| sleep.is_object()) {
        let seconds = integer(sleep.get("seconds")).and_then(|seconds| u64::try_from(seconds).ok());
        return seconds.map_or(PreStop::Other, PreStop::Sleep);
    }
    let words: Option<Vec<_>> = hook
        .get("exec")
        .and_then(|exec| exec.get("command")?.as_array())
        .map(|words| words.iter().filter_map(serde_json::Value::as_str).map(Cow::Borrowed).collect());
    let Some(words) = words else { return PreStop::Other };
    if !is_straight(&words) {
        return PreStop::Other;
    }
    let line = CommandLine::of(&words, &[], &Environment::of(container.value()));
    let sleeps: Vec<Option<f64>> = line.commands.iter().map(slept).collect();
    // No grace period is longer than a year.
    let seconds = sleeps.iter().flatten().sum::<f64>().min(31_536_000.0) as u64;
    if !sleeps.is_empty() && sleeps.iter().all(Option::is_some) {
        return PreStop::Sleep(seconds);
    }
    let straight = line.commands.iter().all(|command| !command.conditional && !ends(command));
    if seconds > 0 && straight { PreStop::AtLeast(seconds) } else { PreStop::Other }
}

/// Whether each command of a hook runs to its end, and whatever comes of those before it: none is in the background, behind
/// `&&` or `||` or under `timeout`, and no shell is told to end with the first that fails.
fn is_straight(words: &[Cow<'_, str>]) -> bool {
    let option = |word: &str| word == "errexit" || word.starts_with('-') && word.contains('e');
    let parts = |word: &str| {
        let joins = word.replace(">&", "").replace("&>", "");
        joins.contains('&')
            || joins.contains("||")
            || word.split_whitespace().any(|part| part == "set" || basename(part) == "timeout")
    };
    !words.iter().any(|word| option(word) || parts(word))
}

/// Whether a command may end the script, so that what follows is left out, or the server, which then needs no more time.
fn ends(command: &Command<'_>) -> bool {
    const WORDS: &[&str] =
        &["exit", "exec", "kill", "return", "trap", "break", "quit", "stop", "shutdown", "terminate"];
    command.words.iter().any(|word| WORDS.iter().any(|end| word.text.contains(end)))
}

/// The seconds for which a command sleeps, none for one that only shows something; `None` for any other.
fn slept(command: &Command<'_>) -> Option<f64> {
    if command.conditional || command.hidden.is_some() || command.words.iter().any(|word| !word.known) {
        return None;
    }
    let (program, rest) = command.words.split_first()?;
    match basename(&program.text) {
        "echo" | "true" => Some(0.0),
        "sleep" if !rest.is_empty() => rest.iter().map(|word| duration(&word.text)).sum(),
        _ => None,
    }
}

/// The seconds of `30`, `1.5`, `30s`, `2m`, `1h`.
fn duration(text: &str) -> Option<f64> {
    let (number, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1.0),
        b'm' => (&text[..text.len() - 1], 60.0),
        b'h' => (&text[..text.len() - 1], 3600.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * unit)
}

/// The seconds that a server was told to wait for what it has begun, or waits by itself, and whether it was told.
pub(super) fn wait(pod: &Pod<'_>, known: &crate::profile::ContainerProfile) -> Option<(u64, bool)> {
    let drain = &known.runtime.as_ref()?.drain;
    if drain.wait_flags.is_empty() && drain.wait_seconds.is_none() {
        return None;
    }
    let start = pod.start(known)?;
    match start.count(&drain.wait_flags) {
        Ok(Some(told)) => Some((told, true)),
        Ok(None) => drain.wait_seconds.map(|seconds| (u64::from(seconds), false)),
        Err(_) => None,
    }
}
