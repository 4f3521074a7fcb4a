//! The probes that an author wrote: what they ask, how patient they are, and of which servers enough is known to judge them.

use std::borrow::Cow;

use serde_json::Value;

use crate::catalog::{Completion, Port, ProbeKind, Probes};
use crate::container::Container;
use crate::context::Context;
use crate::node::{Node, integer, list, text};
use crate::profile::{Call, ContainerProfile, Probe, Start};
use crate::shell::Setting;
use crate::workload::Pod;

/// A probe as it is written.
pub(super) struct Written<'a> {
    pub(super) kind: ProbeKind,
    pub(super) node: Node<'a>,
}

/// The GET of a probe, with Kubernetes' defaults for what is left out.
pub(super) struct Get<'a> {
    pub(super) node: Node<'a>,
    /// The path with its query.
    pub(super) path: &'a str,
    pub(super) https: bool,
    /// Whether it sends a header that may hold credentials.
    pub(super) credentials: bool,
    /// Whether it asks another host than the pod.
    pub(super) elsewhere: bool,
}

/// What a probe asks of the container itself.
pub(super) struct Asked {
    pub(super) port: u16,
    pub(super) way: Way,
}

/// How a probe speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Http,
    Https,
    Grpc,
    /// A connection and nothing more.
    Connection,
}

/// A probe that Kubernetes refuses, or whose port cannot be told.
pub(super) struct Malformed;

impl Way {
    /// What it is called in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Grpc => "gRPC",
            Self::Connection => "TCP",
        }
    }
}

impl Asked {
    /// Whether a server that answers this probe may answer `other` too.
    pub(super) fn agrees_with(&self, other: &Probe) -> bool {
        let same = match (self.way, &other.call) {
            (Way::Connection, _) | (_, Call::Tcp) => true,
            (way, Call::Http { https, .. }) => way == if *https { Way::Https } else { Way::Http },
            (way, Call::Grpc { .. }) => way == Way::Grpc,
        };
        same && self.port == other.port
    }
}

/// The probes of `container` that are mappings.
pub(super) fn probes<'a>(container: &Container<'a>) -> impl Iterator<Item = Written<'a>> {
    const KINDS: [ProbeKind; 3] = [ProbeKind::Startup, ProbeKind::Readiness, ProbeKind::Liveness];
    KINDS.into_iter().filter_map(|kind| probe(container, kind))
}

/// The probe of this kind, if it is a mapping.
pub(super) fn probe<'a>(container: &Container<'a>, kind: ProbeKind) -> Option<Written<'a>> {
    let field = match kind {
        ProbeKind::Startup => "startupProbe",
        ProbeKind::Readiness => "readinessProbe",
        ProbeKind::Liveness => "livenessProbe",
    };
    // Most containers have none, and a place costs more than a look.
    container.value().get(field).filter(|probe| probe.is_object())?;
    Some(Written { kind, node: container.get(field) })
}

impl<'a> Written<'a> {
    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            ProbeKind::Startup => "startup probe",
            ProbeKind::Readiness => "readiness probe",
            ProbeKind::Liveness => "liveness probe",
        }
    }

    fn seconds(&self, field: &str, default: u64) -> u64 {
        let written = integer(self.node.value().get(field)).and_then(|value| u64::try_from(value).ok());
        written.filter(|value| *value > 0).unwrap_or(default)
    }

    /// Seconds that it waits for an answer.
    pub(super) fn timeout(&self) -> u64 {
        self.seconds("timeoutSeconds", 1)
    }

    /// Seconds between two of its questions.
    pub(super) fn period(&self) -> u64 {
        self.seconds("periodSeconds", 10)
    }

    /// How often in a row it fails before that counts.
    pub(super) fn failures(&self) -> u64 {
        self.seconds("failureThreshold", 3)
    }

    /// Seconds from the first failure in a row until it counts, or nearly so.
    pub(super) fn endures(&self) -> u64 {
        self.period().saturating_mul(self.failures())
    }

    /// Seconds from the start of the container until it has failed often enough to count.
    pub(super) fn patience(&self) -> u64 {
        self.seconds("initialDelaySeconds", 0).saturating_add(self.endures())
    }

    /// Its GET, if it makes one.
    pub(super) fn get(&self) -> Option<Get<'a>> {
        let value = self.node.value().get("httpGet").filter(|get| get.is_object())?;
        let path = text(value, "path").filter(|path| !path.is_empty()).unwrap_or("/");
        Some(Get {
            node: self.node.get("httpGet"),
            path,
            https: text(value, "scheme") == Some("HTTPS"),
            credentials: list(value, "httpHeaders").iter().filter_map(|header| text(header, "name")).any(may_authorise),
            elsewhere: text(value, "host").is_some_and(|host| !host.is_empty()),
        })
    }

    /// The place of the port that it asks, by HTTP or a mere connection; none where it asks another host.
    pub(super) fn port(&self) -> Option<Node<'a>> {
        let handler = ["httpGet", "tcpSocket"].into_iter().find(|handler| self.node.value().get(handler).is_some())?;
        let handler = self.node.get(handler);
        let elsewhere = text(handler.value(), "host").is_some_and(|host| !host.is_empty());
        (!elsewhere).then(|| handler.get("port"))
    }

    /// What it asks of its container, by the network; `None` where it runs a command, asks another host, or has no handler.
    pub(super) fn asks(&self, container: &Container<'_>) -> Option<Result<Asked, Malformed>> {
        const HANDLERS: [&str; 4] = ["exec", "grpc", "httpGet", "tcpSocket"];
        let probe = self.node.value();
        let mut handlers =
            HANDLERS.iter().filter_map(|name| Some((*name, probe.get(name).filter(|it| !it.is_null())?)));
        let (name, handler) = handlers.next()?;
        if handlers.next().is_some() {
            return Some(Err(Malformed));
        }
        if name == "exec" || text(handler, "host").is_some_and(|host| !host.is_empty()) {
            return None;
        }
        let way = match (name, handler.get("scheme").unwrap_or(&Value::Null)) {
            ("grpc", _) => Way::Grpc,
            ("tcpSocket", _) => Way::Connection,
            (_, Value::Null) => Way::Http,
            (_, Value::String(scheme)) if scheme == "HTTP" || scheme.is_empty() => Way::Http,
            (_, Value::String(scheme)) if scheme == "HTTPS" => Way::Https,
            _ => return Some(Err(Malformed)),
        };
        let port = handler.get("port").and_then(|port| number(container, port));
        Some(port.map(|port| Asked { port, way }).ok_or(Malformed))
    }

    /// The words of the command that it runs, if it does.
    pub(super) fn runs(&self) -> bool {
        self.node.value().get("exec").is_some_and(Value::is_object)
    }
}

impl Get<'_> {
    /// The path without query and closing slash.
    pub(super) fn plain(&self) -> &str {
        let path = self.path.split_once('?').map_or(self.path, |(path, _)| path);
        match path.strip_suffix('/') {
            Some("") | None => path,
            Some(path) => path,
        }
    }

    /// Whether it asks `path`, in which a part in braces stands for any one part.
    pub(super) fn asks(&self, path: &str) -> bool {
        let (mut own, mut other) = (self.plain().split('/'), path.trim_end_matches('/').split('/'));
        if path == "/" {
            return self.plain() == "/";
        }
        loop {
            match (own.next(), other.next()) {
                (None, None) => return true,
                (Some(own), Some(other)) if own == other || other.starts_with('{') => {}
                _ => return false,
            }
        }
    }
}

/// The number that a port of a probe of `container` stands for: itself, or that of the declared port of this name.
pub(super) fn number(container: &Container<'_>, port: &Value) -> Option<u16> {
    let number = match port {
        Value::String(name) => container.ports().find(|(_, declared)| *declared == Some(name.as_str()))?.0,
        other => integer(Some(other))?,
    };
    u16::try_from(number).ok().filter(|number| *number > 0)
}

/// Whether the probes of a pod are those that its containers get: not those of a pod that an operator owns, nor of a kind
/// whose operator completes or replaces them.
pub(super) fn are_final(pod: &Pod<'_>) -> bool {
    pod.operator().is_none() && !pod.is_completed(Completion::Probes)
}

/// The servers whose program is recognised, each with what is known of it and of the probes that fit it.
pub(super) fn servers<'p, 'a>(
    pod: &'p Pod<'a>,
    context: &Context<'p>,
) -> impl Iterator<Item = (&'p Container<'a>, &'p ContainerProfile, &'p Probes)> {
    let operators = context.catalog().operators();
    let judged = are_final(pod);
    pod.ai_containers().filter(move |_| judged).filter_map(move |(container, known)| {
        let facts = known.probe_facts().filter(|_| known.serves)?;
        (!operators.is_helper(container.name())).then_some((container, known, facts))
    })
}

/// What a server is started with, where all of it can be seen: it is confirmed what it is, it runs by itself, and no
/// argument is hidden, conditional or in a file, be it one that only may be there.
pub(super) fn in_sight<'p, 'a>(
    pod: &'p Pod<'a>,
    container: &Container<'_>,
    known: &ContainerProfile,
) -> Option<Start<'p, 'a>> {
    let runtime = known.runtime.as_ref()?;
    if !known.sure || !known.serves || runtime.generic || container.has_placeholders() {
        return None;
    }
    let start = pod.start(known)?;
    let clear = start.command.is_none_or(|command| {
        !command.conditional
            && command.hidden.is_none()
            && runtime.config_flags.iter().all(|flag| command.flag(flag).is_none())
    });
    let told = runtime.argument_env.iter().all(|name| start.environment.get(name) == Setting::Set(""));
    let beside = runtime.config_files.iter().any(|file| container.mounts_around(file).next().is_some());
    (clear && told && !beside).then_some(start)
}

/// Whether the server is known to listen on its port and to answer there: nothing tells it to do otherwise, or may.
pub(super) fn listens(start: &Start<'_, '_>, facts: &Probes) -> bool {
    !facts.unsure && facts.none_when.iter().all(|told| start.holds(told) == Some(false))
}

/// Whether a header of this name may say who asks.
fn may_authorise(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    ["auth", "key", "token", "cookie"].iter().any(|part| header.contains(part))
}

/// The place where the server takes the probes that fit it.
pub(super) fn main_port<'k>(known: &'k ContainerProfile, facts: &'k Probes) -> Option<&'k Port> {
    let asked = facts.readiness.as_ref().or(facts.startup.as_ref()).map_or("http", |probe| probe.port.as_str());
    known.ports().find(|(name, _)| *name == asked).map(|(_, port)| port)
}

/// Whether nothing but this server can listen on a port of the pod: no other container runs beside it or is put there, no
/// other program in it, nothing sends a port elsewhere, and the node's ports are not the pod's.
pub(super) fn is_alone(pod: &Pod<'_>, known: &ContainerProfile) -> bool {
    let others = pod.containers().iter().enumerate().any(|(at, other)| at != known.index && other.is_long_running());
    let programs = pod.invocations().get(known.index).map_or(0, |told| {
        told.line.commands.iter().filter(|command| !command.is_inert() && !is_setting(command.words.first())).count()
    });
    let hooked = |container: &Container<'_>| container.value().pointer("/lifecycle/postStart").is_some();
    !others
        && programs <= 1
        && !pod.containers().iter().any(|container| hooked(container) || may_redirect(container))
        && !is_injected(pod)
        && pod.has_spec()
        && pod.spec().value().get("hostNetwork") != Some(&Value::Bool(true))
}

/// Whether a container may send what comes for one port to another.
fn may_redirect(container: &Container<'_>) -> bool {
    let Some(security) = container.value().get("securityContext") else { return false };
    let added = security.get("capabilities").map_or(&[][..], |capabilities| list(capabilities, "add"));
    let may = |name: &Value| name.as_str().is_some_and(|name| name.contains("NET_ADMIN") || name == "ALL");
    security.get("privileged") == Some(&Value::Bool(true)) || added.iter().any(may)
}

/// Whether labels or annotations ask a mesh or the like to put a container beside the others.
fn is_injected(pod: &Pod<'_>) -> bool {
    let Some(metadata) = pod.metadata() else { return false };
    let marks = ["labels", "annotations"].into_iter().filter_map(|field| metadata.value().get(field)?.as_object());
    marks.flatten().any(|(key, value)| {
        let asks = key.contains("inject") || matches!(key.as_str(), "dapr.io/enabled" | "istio.io/rev");
        asks && !matches!(value.as_str(), Some("false" | "disabled" | "no"))
    })
}

/// Whether a command only changes the shell that runs it.
fn is_setting(program: Option<&crate::shell::Word<'_>>) -> bool {
    const SETTINGS: [&str; 6] = ["set", "export", "ulimit", "unset", "true", "sleep"];
    program.is_some_and(|word| SETTINGS.contains(&word.text.as_ref()))
}

/// How a container and its program are called in messages.
pub(super) fn title<'k>(container: &Container<'_>, known: &'k ContainerProfile) -> Cow<'k, str> {
    match &known.runtime {
        Some(runtime) => format!("{} ({})", container.title(), runtime.name).into(),
        None => container.title().into(),
    }
}
