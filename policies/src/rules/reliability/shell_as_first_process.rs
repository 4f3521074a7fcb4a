//! `shell-as-first-process`: a server that never hears that it is to stop.

use super::stopping::{self, PreStop};
use super::written;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::invocation::Invocation;
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::{Command, basename};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "shell-as-first-process",
    summary: "a shell is the first process: the model server never hears that it is to stop",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The kubelet sends [SIGTERM](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination) to the first process \
of a container and to no other. A shell that waits there for a server passes nothing on, and as first process it is not ended by \
the signal either: each stop lasts the whole grace period and ends with SIGKILL, in the middle of what the server was about to \
finish. `exec` before the last command puts the server in the shell's place; a `trap` or an init such as \
[tini](https://github.com/krallin/tini) passes signals on. It is said of servers behind which the script goes on, as by a pipe, \
another command or `wait`, and of images whose own entrypoint is such a shell.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      command: [bash, -c]
      args:
        - vllm serve Qwen/Qwen3-8B 2>&1 | tee /var/log/vllm.log
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      command: [bash, -c]
      args:
        - exec vllm serve Qwen/Qwen3-8B > >(tee /var/log/vllm.log) 2>&1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

const SHELLS: [&str; 4] = ["sh", "bash", "ash", "dash"];

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    // With a shared process namespace the first process is Kubernetes' own.
    if pod.spec().value().get("shareProcessNamespace") == Some(&serde_json::Value::Bool(true)) {
        return Vec::new();
    }
    let servers = pod.ai_containers().filter(|(_, known)| known.is_server() && known.sure);
    servers.filter_map(|(container, known)| check_server(pod, container, known, context)).collect()
}

fn check_server(
    pod: &Pod<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    context: &Context<'_>,
) -> Option<Finding> {
    let told = pod.invocations().get(known.index)?;
    let title = || written::title(container, known);
    let message = if in_script(container, told, known) {
        format!(
            "{} is started by a shell that stays the first process and passes no SIGTERM on: each stop ends with SIGKILL; \
             start it by `exec`",
            title()
        )
    } else if by_image(told, known, context) {
        format!(
            "{} is started by the shell of its image, which passes no SIGTERM on: each stop lasts the whole grace period \
             and ends with SIGKILL",
            title()
        )
    } else {
        return None;
    };
    // A hook may end the server by itself, and so may an operator.
    if matches!(stopping::pre_stop(container), PreStop::AtLeast(_) | PreStop::Other) || stopping::grace(pod).is_none() {
        return None;
    }
    Some(RULE.finding(container.path().clone(), message))
}

/// Whether the container's own shell runs the server and goes on behind it: one that has nothing more to do may put the
/// server in its place.
fn in_script(container: &Container<'_>, told: &Invocation<'_>, known: &ContainerProfile) -> bool {
    let Some(at) = known.command else { return false };
    let commands = &told.line.commands;
    let Some(server) = commands.get(at).filter(|_| at + 1 < commands.len()) else { return false };
    let first = |command: &Command<'_>, names: &[&str]| {
        command.words.first().is_some_and(|program| names.contains(&basename(&program.text)))
    };
    // What is put in the shell's place gets the signal, and a trap may pass it on.
    let heard = commands.iter().any(|command| first(command, &["exec", "trap", "tini", "dumb-init"]));
    let shell = container.command().first().is_some_and(|word| SHELLS.contains(&basename(word)));
    shell && !heard && !server.conditional && server.hidden.is_none()
}

/// Whether the program's own image starts the server by an entrypoint that does not pass signals on. A command takes its
/// place, unless it is the same script.
fn by_image(told: &Invocation<'_>, known: &ContainerProfile, context: &Context<'_>) -> bool {
    let Some(runtime) = known.runtime.as_ref().filter(|runtime| runtime.drain.loses_signal) else { return false };
    let own =
        |image| context.catalog().image(image).1.is_some_and(|found| found.sure && found.runtime.id == runtime.id);
    !told.line.has_program && told.image.as_ref().is_some_and(own)
}
