//! `sidecar-outlives-job`: a container that never ends stands beside the work of a Job, which then never completes.

use crate::container::{Container, ContainerRole};
use crate::context::Context;
use crate::finding::Finding;
use crate::job::Job;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::{Command, basename};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "sidecar-outlives-job",
    summary: "a container that never ends keeps the Job from completing",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A pod of a Job succeeds when *all* of its containers have ended. A proxy, a log shipper or a model server beside the work \
does not end by itself: the training is done, and the pod runs on with its accelerators, the Job never completes, and nothing \
that waits for it goes on. A \
[sidecar container](https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#jobs-with-sidecar-containers), which is an init \
container with `restartPolicy: Always` (on by default since Kubernetes 1.29), starts before the work and is ended after it. \
Pods in which something is seen to end the helper (`quitquitquit`, a signal in a shared process namespace) are let be.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
        - name: cloud-sql-proxy
          image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.1
          args: [--port=5432, my-project:europe-west4:runs]
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      initContainers:
        - name: cloud-sql-proxy
          image: gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.1
          args: [--port=5432, my-project:europe-west4:runs]
          restartPolicy: Always
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Images, by the last part of their name, that run until they are stopped when no command says otherwise.
const IMAGES: [&str; 22] = [
    "alloydb-auth-proxy",
    "cloud-sql-proxy",
    "dcgm-exporter",
    "elastic-agent",
    "envoy",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "gce-proxy",
    "node-exporter",
    "oauth2-proxy",
    "opentelemetry-collector",
    "opentelemetry-collector-contrib",
    "opentelemetry-collector-k8s",
    "promtail",
    "proxyv2",
    "pushgateway",
    "redis",
    "statsd-exporter",
    "tailscale",
    "telegraf",
    "vector",
];

/// Programs that run until they are stopped.
const PROGRAMS: [&str; 14] = [
    "alloydb-auth-proxy",
    "cloud-sql-proxy",
    "cloud_sql_proxy",
    "dcgm-exporter",
    "envoy",
    "filebeat",
    "fluent-bit",
    "fluentd",
    "oauth2-proxy",
    "otelcol",
    "otelcol-contrib",
    "promtail",
    "redis-server",
    "tensorboard",
];

/// Flags, without their dashes, by which a server does one thing and ends.
const ONCE: [&str; 6] = ["once", "test", "version", "validate", "dry-run", "help"];

/// The same said by a command, or by the value of a flag.
const ONCE_WORDS: [&str; 3] = ["validate", "version", "wait"];

/// What stands in the commands of pods that end their helpers themselves.
const ENDINGS: [&str; 9] = [
    "quitquitquit",
    "pkill",
    "killall",
    "kill ",
    "/quit",
    "/shutdown",
    "linkerd-await",
    "scuttle",
    "max-sigterm-delay",
];

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let regular = |container: &Container<'_>| container.role() == ContainerRole::Regular;
    if pod.containers().iter().filter(|container| regular(container)).count() < 2 {
        return Vec::new();
    }
    let Some(job) = Job::of(pod).filter(|job| !job.may_be_left()) else { return Vec::new() };
    if pod.spec().get("shareProcessNamespace").value().as_bool() == Some(true)
        || pod.containers().iter().any(ends_others)
    {
        return Vec::new();
    }
    let containers = pod.containers().iter().enumerate().filter(|(_, container)| regular(container));
    let (endless, work): (Vec<_>, Vec<_>) =
        containers.partition(|(index, container)| is_endless(pod, *index, container, context));
    // Where nothing else is in the pod, the server is the work itself, and somebody will stop it.
    if work.is_empty() {
        return Vec::new();
    }
    let kind = if job.is_in_set() { "JobSet" } else { "Job" };
    endless
        .into_iter()
        .map(|(_, container)| {
            let message = format!(
                "{} never ends by itself, so the {kind} never completes: make it an init container with `restartPolicy: Always`",
                container.title()
            );
            RULE.finding(container.path().clone(), message)
        })
        .collect()
}

/// Whether the container runs until it is stopped: by its program, by its image when it says no program, or by its name
/// where it is a mesh's proxy.
fn is_endless(pod: &Pod<'_>, index: usize, container: &Container<'_>, context: &Context<'_>) -> bool {
    if context.catalog().operators().is_mesh_proxy(container.name()) {
        return true;
    }
    let Some(told) = pod.invocations().get(index) else { return false };
    let ends = told.line.commands.iter().any(ends_at_once);
    if told.line.has_program {
        // A script may do more than one thing and end when it has.
        let [command] = told.line.commands.as_slice() else { return false };
        let program = command.words.first().map(|word| basename(&word.text)).unwrap_or_default();
        if program == "timeout" {
            return false;
        }
        return !command.conditional && !ends && PROGRAMS.contains(&program) || serves(pod, index);
    }
    let named = |image: &str| {
        IMAGES.contains(&image)
            && match told.line.commands.as_slice() {
                [] => true,
                // What is no flag may be another program, which the image starts in place of its own.
                [command] => command.words.first().is_some_and(|word| {
                    let program = basename(&word.text);
                    program.starts_with('-') || program == image || PROGRAMS.contains(&program)
                }),
                _ => false,
            }
    };
    !ends && told.image.as_ref().is_some_and(|image| named(image.name())) || serves(pod, index)
}

/// Whether a server is only asked for something that it does once.
fn ends_at_once(command: &Command<'_>) -> bool {
    command.words.iter().any(|word| {
        let (name, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        let flag = name.trim_start_matches('-');
        ONCE_WORDS.contains(&value) || if flag == name { ONCE_WORDS.contains(&name) } else { ONCE.contains(&flag) }
    })
}

/// Whether it is a server that is known well enough.
fn serves(pod: &Pod<'_>, index: usize) -> bool {
    // A Ray node may be started in the background of what else the container does.
    pod.profile().containers.get(index).is_some_and(|known| {
        known.sure && known.is_server() && known.runtime.as_ref().is_some_and(|runtime| runtime.id != "ray")
    })
}

/// Whether something in the container's command tells that it ends others, or itself on a sign.
fn ends_others(container: &Container<'_>) -> bool {
    container.command().iter().chain(&container.args()).any(|word| ENDINGS.iter().any(|ending| word.contains(ending)))
}
