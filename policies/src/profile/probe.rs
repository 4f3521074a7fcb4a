//! The probes that fit a container: where they ask, how long they wait, and why there are none where there are none.

use serde_json::{Map, Value, json};

use super::listen::Start;
use super::recognition::Recognition;
use crate::catalog::{Bind, Catalog, Completion, Port, ProbeFacts, Probes, Role, Runtime, Variant};
use crate::container::{Container, ContainerRole};
use crate::image::Image;
use crate::node::text;
use crate::workload::{Controller, Pod};

/// Seconds between two startup probes, as the startup budget counts them.
const STARTUP_PERIOD: u64 = 10;

/// Where and how one probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The port.
    pub port: u16,
    /// What is asked there.
    pub call: Call,
    /// Seconds to wait for the answer.
    pub timeout_seconds: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// An HTTP GET.
    Http {
        /// The path.
        path: String,
        /// Whether by TLS.
        https: bool,
    },
    /// A connection and nothing more.
    Tcp,
    /// The gRPC health protocol.
    Grpc {
        /// The service; empty for the server as a whole.
        service: String,
    },
}

/// The probes that a container should get if it had none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeSet {
    /// True once the model can be used.
    pub startup: Option<Probe>,
    /// True while requests can be taken.
    pub readiness: Option<Probe>,
    /// False when only a restart helps.
    pub liveness: Option<Probe>,
    /// Why one of them is absent.
    pub why: Vec<String>,
}

impl ProbeSet {
    /// The startup probe as it stands in a container, with so many tries that they last `budget_seconds`.
    pub fn startup(&self, budget_seconds: u64) -> Option<Value> {
        let tries = budget_seconds.div_ceil(STARTUP_PERIOD).max(1);
        self.startup.as_ref().map(|probe| probe.value(STARTUP_PERIOD, probe.timeout_seconds, tries))
    }

    /// The readiness probe as it stands in a container: three failures ten seconds apart.
    pub fn readiness(&self) -> Option<Value> {
        self.readiness.as_ref().map(|probe| probe.value(10, probe.timeout_seconds, 3))
    }

    /// The liveness probe as it stands in a container: six failures half a minute apart, because a restart costs the
    /// whole load of the model.
    pub fn liveness(&self) -> Option<Value> {
        self.liveness.as_ref().map(|probe| probe.value(30, probe.timeout_seconds.max(10), 6))
    }
}

impl Probe {
    fn value(&self, period: u64, timeout: u32, failures: u64) -> Value {
        let (name, handler) = match &self.call {
            Call::Http { path, https: false } => ("httpGet", json!({"path": path, "port": self.port})),
            Call::Http { path, https: true } => {
                ("httpGet", json!({"path": path, "port": self.port, "scheme": "HTTPS"}))
            }
            Call::Tcp => ("tcpSocket", json!({"port": self.port})),
            Call::Grpc { service } if service.is_empty() => ("grpc", json!({"port": self.port})),
            Call::Grpc { service } => ("grpc", json!({"port": self.port, "service": service})),
        };
        let mut probe = Map::new();
        probe.insert(name.to_owned(), handler);
        probe.insert("periodSeconds".to_owned(), json!(period));
        probe.insert("timeoutSeconds".to_owned(), json!(timeout));
        probe.insert("failureThreshold".to_owned(), json!(failures));
        Value::Object(probe)
    }
}

/// What holds of a program in the way it is run here.
pub(super) struct Facts<'r> {
    runtime: &'r Runtime,
    variant: Option<&'r Variant>,
    /// The image where it is one of the program's own, whose tags tell the release.
    image: Option<&'r Image<'r>>,
}

impl<'r> Facts<'r> {
    pub(super) fn new(runtime: &'r Runtime, variant: Option<&'r Variant>, image: Option<&'r Image<'r>>) -> Self {
        Self { runtime, variant, image }
    }

    fn port(&self, name: &str) -> Option<&'r Port> {
        self.variant.and_then(|variant| variant.ports.get(name)).or_else(|| self.runtime.ports.get(name))
    }

    fn bind(&self) -> &'r Bind {
        self.variant.and_then(|variant| variant.bind.as_ref()).unwrap_or(&self.runtime.bind)
    }

    fn probes(&self) -> &'r Probes {
        self.variant.and_then(|variant| variant.probes.as_ref()).unwrap_or(&self.runtime.probes)
    }

    /// The port that is asked, or `http` where none is.
    pub(super) fn main_port(&self, start: &Start<'_, '_>) -> Option<u16> {
        let probes = self.probes();
        let name = probes.readiness.as_ref().or(probes.startup.as_ref()).map_or("http", |probe| probe.port.as_str());
        if start.command.is_some_and(|command| command.hidden.is_some()) {
            return None;
        }
        start.port(self.port(name)?).ok()
    }
}

/// The probes for a container, or why there are none.
#[expect(clippy::too_many_arguments, reason = "one call, and every argument is looked at")]
pub(super) fn of(
    pod: &Pod<'_>,
    container: &Container<'_>,
    pod_role: Role,
    role: Role,
    found: &Recognition,
    facts: &Facts<'_>,
    start: &Start<'_, '_>,
    catalog: &Catalog,
) -> Result<ProbeSet, Vec<String>> {
    let name = &facts.runtime.name;
    let mut why = Vec::new();
    why.extend(refused_by_place(pod, container, catalog));
    why.extend(refused_by_role(pod, pod_role, role, facts));
    why.extend(found.serves.clone().err());
    if !found.sure {
        why.push(format!("that this image holds {name} is not confirmed"));
    }
    if !why.is_empty() {
        return Err(why);
    }
    refused_by_start(facts, start)?;
    refused_by_file(pod, container, facts)?;
    if group(pod, facts, start)? {
        // A container whose startup probe has not succeeded is not ready either, so that even it may stop the others.
        return Err(vec!["the pods of a group wait for each other and restart together".to_owned()]);
    }
    let probes = facts.probes();
    if probes.unsure {
        return Err(vec![probes.why_not.clone().map_or_else(
            || format!("the health endpoint of {name} is not confirmed"),
            |why| format!("{name} {why}"),
        )]);
    }
    let mut set = ProbeSet::default();
    let resolve = |what: &str, probe: Option<&ProbeFacts>, why: &mut Vec<String>| match probe {
        Some(probe) => match one(name, probe, facts, start) {
            Ok(probe) => Some(probe),
            Err(reason) => {
                if !why.contains(&reason) {
                    why.push(reason);
                }
                None
            }
        },
        None => {
            let reason = probes.why_not.as_deref().unwrap_or("has no endpoint for it that is known");
            let reason = format!("no {what} probe: {name} {reason}");
            why.push(reason);
            None
        }
    };
    set.startup = resolve("startup", probes.startup.as_ref(), &mut why);
    set.readiness = resolve("readiness", probes.readiness.as_ref(), &mut why);
    set.liveness = resolve("liveness", probes.liveness.as_ref(), &mut why);
    // Without a startup probe a liveness probe restarts a server that is still loading.
    if set.startup.is_none() && set.liveness.take().is_some() {
        why.push(
            "no liveness probe: without a startup probe it would restart a server that loads its model".to_owned(),
        );
    }
    if set.startup.is_none() && set.readiness.is_none() && set.liveness.is_none() {
        return Err(why);
    }
    set.why = why;
    Ok(set)
}

/// Whether the container is one that should have probes, be it that they are not known well enough to be put in.
pub(super) fn wanted(
    pod: &Pod<'_>,
    container: &Container<'_>,
    roles: (Role, Role),
    found: &Recognition,
    facts: &Facts<'_>,
    start: &Start<'_, '_>,
    catalog: &Catalog,
) -> bool {
    let probes = facts.probes();
    found.serves.is_ok()
        && probes.startup.is_some()
        && refused_by_place(pod, container, catalog).is_empty()
        && refused_by_role(pod, roles.0, roles.1, facts).is_empty()
        && probes.none_when.iter().all(|condition| start.holds(condition) == Some(false))
        && !grouped(pod, facts, start)
}

/// Whether the pod is, or may be, one of several that run one engine together.
pub(super) fn grouped(pod: &Pod<'_>, facts: &Facts<'_>, start: &Start<'_, '_>) -> bool {
    group(pod, facts, start) != Ok(false)
}

/// What the pod, its kind and its operator have against probes in this container.
fn refused_by_place(pod: &Pod<'_>, container: &Container<'_>, catalog: &Catalog) -> Vec<String> {
    let mut why = Vec::new();
    match container.role() {
        ContainerRole::Init => why.push("init containers have no probes".to_owned()),
        ContainerRole::Ephemeral => why.push("ephemeral containers have no probes".to_owned()),
        ContainerRole::Sidecar | ContainerRole::Regular => {}
    }
    if catalog.operators().is_helper(container.name()) {
        why.push(format!("a platform adds the container `{}` and looks after it", container.name()));
    }
    if let Some(operator) = pod.operator() {
        why.push(format!("{} owns the pod and completes it", operator.name));
    } else if pod.is_completed(Completion::Probes) {
        why.push(format!("the operator of {} adds the probes itself", pod.owner().kind));
    }
    if pod.is_windows() {
        why.push("it runs on Windows, for which nothing here is confirmed".to_owned());
    }
    if pod.refuses("/containers/*/startupProbe") {
        why.push(format!("{} takes no probes", pod.owner().kind));
    }
    let proxy = pod.containers().iter().find(|other| catalog.operators().is_mesh_proxy(other.name()));
    if let Some(proxy) = proxy.filter(|_| pod.is_pod()) {
        why.push(format!("the mesh proxy `{}` is in the pod already and would not rewrite a new probe", proxy.name()));
    }
    if container.has_placeholders() {
        why.push("its image, command or arguments hold placeholders that are filled in later".to_owned());
    }
    why
}

/// What the work of the pod has against probes.
fn refused_by_role(pod: &Pod<'_>, pod_role: Role, role: Role, facts: &Facts<'_>) -> Vec<String> {
    let mut why = Vec::new();
    let ends = pod.definition().runs_to_completion || pod.controller() == Controller::Job;
    if ends {
        why.push(format!("the pods of a {} end by themselves", pod.owner().kind));
    }
    let unfit = |role: Role| matches!(role, Role::Training | Role::Batch | Role::Notebook | Role::Infrastructure);
    if let Some(unfit) = [role, pod_role].into_iter().find(|role| unfit(*role)).filter(|_| !ends) {
        match facts.probes().why_not.as_deref() {
            Some(reason) if unfit == role => why.push(format!("{} {reason}", facts.runtime.name)),
            _ => why.push(format!("it is there for {unfit} and serves no model")),
        }
    }
    why
}

/// What the flags and variables of the server have against any probe.
fn refused_by_start(facts: &Facts<'_>, start: &Start<'_, '_>) -> Result<(), Vec<String>> {
    let probes = facts.probes();
    let name = &facts.runtime.name;
    if let Some(command) = start.command {
        if command.conditional {
            return Err(vec!["its script starts it only under a condition".to_owned()]);
        }
        if let Some(hidden) = &command.hidden {
            let hidden = if hidden.starts_with('$') { format!("`{hidden}`") } else { hidden.clone() };
            return Err(vec![format!("some of its arguments come from {hidden}, which is not in the manifest")]);
        }
        if let Some(flag) = facts.runtime.config_flags.iter().find(|flag| command.flag(flag).is_some()) {
            return Err(vec![format!("some of its settings come from the file that `{flag}` names")]);
        }
    }
    for condition in &probes.none_when {
        match start.holds(condition) {
            Some(false) => {}
            Some(true) => return Err(vec![format!("{name} {}", condition.why)]),
            None => {
                return Err(vec![format!(
                    "whether it {} depends on a value that is not in the manifest",
                    condition.why
                )]);
            }
        }
    }
    Ok(())
}

/// What the files that the pod mounts for the server have against any probe: they may move its port. A volume of models is
/// no such file unless it is mounted right there.
fn refused_by_file(pod: &Pod<'_>, container: &Container<'_>, facts: &Facts<'_>) -> Result<(), Vec<String>> {
    const WRITTEN: [&str; 3] = ["configMap", "secret", "projected"];
    for file in &facts.runtime.config_files {
        let brings = |mount: &Value| {
            let exact = text(mount, "mountPath").is_some_and(|path| path.trim_end_matches('/') == file);
            let volume = text(mount, "name").and_then(|name| pod.volume(name));
            exact || volume.is_some_and(|volume| WRITTEN.iter().any(|source| volume.value().get(source).is_some()))
        };
        if container.mounts_around(file).any(brings) {
            let name = file.trim_start_matches("*/");
            return Err(vec![format!("the pod mounts what may hold more settings of it, as `{name}`")]);
        }
    }
    Ok(())
}

/// Whether the pod is one of a group whose members wait for each other.
///
/// # Errors
/// When it may be a member without a server.
fn group(pod: &Pod<'_>, facts: &Facts<'_>, start: &Start<'_, '_>) -> Result<bool, Vec<String>> {
    let worker = || Err(vec!["it is a worker of a group, in which only the leader has a server".to_owned()]);
    let parallel = &facts.runtime.parallelism;
    let nodes = start.count(&parallel.nodes).map_err(|why| vec![why])?;
    if nodes.is_some_and(|nodes| nodes > 1) {
        return match start.count(&parallel.rank) {
            Ok(Some(0)) => Ok(true),
            Ok(Some(_)) => worker(),
            _ => Err(vec!["it is one of several nodes, and which one is not in the manifest".to_owned()]),
        };
    }
    // More devices than the container has are those of other pods, whatever starts them.
    let degree = match (
        start.degree(&parallel.tensor, &parallel.tensor_env),
        start.degree(&parallel.pipeline, &parallel.pipeline_env),
    ) {
        (Some(tensor), Some(pipeline)) if !parallel.unsure => Some(tensor.saturating_mul(pipeline)),
        _ => None,
    };
    if degree.zip(start.devices).is_some_and(|(degree, devices)| degree > devices) {
        return Ok(true);
    }
    if !pod.is_gang() || pod.is_group_of_one() {
        return Ok(false);
    }
    let index = pod.label("leaderworkerset.sigs.k8s.io/worker-index");
    if pod.component().is_some_and(|component| component.contains("worker")) || index.is_some_and(|index| index != "0")
    {
        return worker();
    }
    Ok(true)
}

/// One probe, all of it resolved.
fn one(name: &str, probe: &ProbeFacts, facts: &Facts<'_>, start: &Start<'_, '_>) -> Result<Probe, String> {
    let unconfirmed = |what: &str| format!("{what} of {name} is not confirmed");
    if probe.unsure {
        return Err(unconfirmed("a health endpoint"));
    }
    if let Some(since) = &probe.since
        && facts.image.and_then(|image| image.is_since(since)) != Some(true)
    {
        return Err(format!(
            "{name} has that health endpoint since {since}, and its image does not tell that it is so new"
        ));
    }
    let port = facts.port(&probe.port).ok_or_else(|| format!("{name} has no port {}", probe.port))?;
    if port.unsure {
        return Err(unconfirmed("the port"));
    }
    start.reachable(facts.bind(), Some(port))?;
    let number = start.port(port)?;
    let call = match (&probe.http, &probe.grpc) {
        (Some(path), _) => {
            let https = start
                .holds(&facts.probes().https_when)
                .ok_or_else(|| "whether it speaks TLS depends on a value that is not in the manifest".to_owned())?;
            Call::Http { path: resolve_path(path, facts.probes(), start)?, https }
        }
        (None, Some(service)) => Call::Grpc { service: service.clone() },
        (None, None) => Call::Tcp,
    };
    let least = probe.timeout_seconds.unwrap_or(0).max(probe.least_timeout_seconds.unwrap_or(0)).max(5);
    Ok(Probe { port: number, call, timeout_seconds: least })
}

fn resolve_path(path: &str, probes: &Probes, start: &Start<'_, '_>) -> Result<String, String> {
    let prefix = start.value(&probes.path_prefix)?.unwrap_or_default();
    let prefix = prefix.trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    // What would not stand in a URL as it is had better be written by a human.
    if !prefix.bytes().all(|byte| plain(byte) || byte == b'/') {
        return Err("the prefix of its paths does not fit into a path".to_owned());
    }
    let path = if prefix.is_empty() { path.to_owned() } else { format!("/{prefix}{path}") };
    if !path.contains("{model_name}") {
        return Ok(path);
    }
    let model = start.value(&probes.model_name)?.ok_or("the name of the model is not in the manifest")?;
    if model.is_empty() || !model.bytes().all(plain) {
        return Err("the name of the model does not fit into a path".to_owned());
    }
    Ok(path.replace("{model_name}", &model))
}
