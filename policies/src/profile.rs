//! What runs in a pod: whether it is AI, which role and runtime, which accelerators and which model, with the evidence,
//! and which probes would fit.

mod accelerators;
mod flat;
mod listen;
mod model;
mod parallelism;
mod probe;
mod recognition;
mod weights;

use std::sync::Arc;

use crate::catalog::{Bind, Catalog, Port, Probes, Role, Runtime};
use crate::path::Path;
use crate::workload::Pod;

pub use accelerators::AcceleratorCount;
pub use listen::Start;
pub use model::{Model, bytes_per_parameter, parameters};
pub use parallelism::{Devices, Spread};
pub use probe::{Call, Probe, ProbeSet};
use recognition::Recognition;
pub use weights::{Download, Place, is_from_hub, may_come_another_way};

/// What runs in a pod.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Whether the pod has to do with AI.
    pub ai: bool,
    /// What the pod is for.
    pub role: Role,
    /// Which of the pod's containers, by its position in [`Pod::containers`], does the work.
    pub main: Option<usize>,
    /// One entry for each of the pod's containers, in their order.
    pub containers: Vec<ContainerProfile>,
    /// What the pod asks for in all: by Kubernetes' rule the sum over the containers that run together, or what one init
    /// container asks for if that is more.
    pub accelerators: Vec<AcceleratorCount>,
    /// The model, where it is named.
    pub model: Option<Model>,
    /// What told it, as sentences without a full stop.
    pub evidence: Vec<String>,
    /// The program where no container is in sight and the fields of an operator tell it.
    stated: Option<Arc<Runtime>>,
    /// Whether nothing but a claim for devices of an unknown class tells of AI.
    pub(crate) claims_alone: bool,
}

/// What runs in a container.
#[derive(Clone, Debug)]
pub struct ContainerProfile {
    /// Its position in [`Pod::containers`].
    pub index: usize,
    /// The program.
    pub runtime: Option<Arc<Runtime>>,
    /// The way of running it, where it has several.
    pub component: Option<String>,
    /// Which of the commands that the container runs is the program; `None` when the image decides.
    pub command: Option<usize>,
    /// What the container is for.
    pub role: Role,
    /// Whether it is known to start a server.
    pub serves: bool,
    /// Whether the image or command that told is confirmed.
    pub sure: bool,
    /// The port on which its probes or clients reach it, where it could be resolved.
    pub port: Option<u16>,
    /// What told it, as sentences without a full stop.
    pub evidence: Vec<String>,
    /// The model, where it is named.
    pub model: Option<Model>,
    /// Whether it is, or may be, one of several pods that run one engine together.
    pub grouped: bool,
    /// Whether it should have probes. Where [`probes`](Self::probes) is an error all the same, a human must say which.
    pub wants_probes: bool,
    /// The probes that it should get if it had none, or why it gets none.
    pub probes: Result<ProbeSet, Vec<String>>,
}

impl Default for ContainerProfile {
    fn default() -> Self {
        Self {
            index: 0,
            runtime: None,
            component: None,
            command: None,
            role: Role::None,
            serves: false,
            sure: false,
            port: None,
            evidence: Vec::new(),
            model: None,
            wants_probes: false,
            grouped: false,
            probes: Err(vec!["it is no server that Buttress knows".to_owned()]),
        }
    }
}

impl ContainerProfile {
    /// Whether it is known to start a program that answers requests.
    pub fn is_server(&self) -> bool {
        self.serves && matches!(self.role, Role::Inference | Role::Embedding | Role::VectorDb | Role::Gateway)
    }

    /// What is known of the probes that fit the program in the way it is run here.
    pub fn probe_facts(&self) -> Option<&Probes> {
        let runtime = self.runtime.as_ref()?;
        let variant = self.component.as_ref().and_then(|component| runtime.variant(component));
        Some(variant.and_then(|variant| variant.probes.as_ref()).unwrap_or(&runtime.probes))
    }

    /// Where the program listens in the way it is run here, by name. A way of running it has ports of its own and those of
    /// the program that it does not replace.
    pub fn ports(&self) -> impl Iterator<Item = (&str, &Port)> {
        let runtime = self.runtime.as_deref();
        let variant = runtime.zip(self.component.as_ref()).and_then(|(runtime, name)| runtime.variant(name));
        let own = variant.map(|variant| &variant.ports);
        let rest = runtime.into_iter().flat_map(|runtime| &runtime.ports);
        let rest = rest.filter(move |(name, _)| own.is_none_or(|own| !own.contains_key(*name)));
        own.into_iter().flatten().chain(rest).map(|(name, port)| (name.as_str(), port))
    }

    /// To which addresses the program binds in the way it is run here.
    pub fn bind(&self) -> Option<&Bind> {
        let runtime = self.runtime.as_ref()?;
        let variant = self.component.as_ref().and_then(|component| runtime.variant(component));
        Some(variant.and_then(|variant| variant.bind.as_ref()).unwrap_or(&runtime.bind))
    }

    /// How many bytes the weights of its model have; `None` when the name of the model does not tell.
    pub fn model_bytes(&self) -> Option<u64> {
        self.model.as_ref().and_then(Model::bytes)
    }
}

impl Profile {
    /// Looks at a pod.
    pub fn of(pod: &Pod<'_>, catalog: &Catalog) -> Self {
        Self::seen(pod, catalog, None)
    }

    /// Looks at a pod of which it is known which devices, by class and number, its resource claims ask for.
    pub fn with_claimed(pod: &Pod<'_>, catalog: &Catalog, devices: &[(String, i64)]) -> Self {
        Self::seen(pod, catalog, Some(devices))
    }

    fn seen(pod: &Pod<'_>, catalog: &Catalog, claimed: Option<&[(String, i64)]>) -> Self {
        if pod.is_flat() {
            return flat::of(pod, catalog);
        }
        let mut accelerators = accelerators::of_pod(pod, catalog);
        accelerators::claimed(&mut accelerators, claimed.unwrap_or_default(), catalog);
        let invocations = pod.invocations();
        let mut recognised: Vec<Recognition> = pod
            .containers()
            .iter()
            .zip(invocations)
            .map(|(container, invocation)| Recognition::of(container, invocation, catalog))
            .collect();
        let main = recognition::main(pod, &recognised, catalog);
        if let Some(main) = main {
            recognised[main].or_by_kind(pod, catalog);
        }
        let role = role(pod, main.map(|main| &recognised[main]), &accelerators, purpose(pod, main));
        let mut evidence: Vec<String> = main.map(|main| recognised[main].evidence.clone()).unwrap_or_default();
        evidence.extend(accelerators.iter().map(AcceleratorCount::sentence));
        let shared = recognition::other_hints(pod);
        let claims = recognition::uses_claim(pod).filter(|_| claimed.is_none());
        evidence.extend(claims.iter().chain(&shared).cloned());
        let named = recognised.iter().any(|found| {
            found.runtime.as_ref().is_some_and(|runtime| runtime.role == found.role || found.role.is_of_ai())
        });
        let named = named || role == Role::Training;
        let told = named || !accelerators.is_empty() || !shared.is_empty() || recognition::is_ai_kind(pod);
        let ai = told || claims.is_some();
        let containers: Vec<ContainerProfile> = recognised
            .into_iter()
            .zip(pod.containers().iter().zip(invocations))
            .enumerate()
            .map(|(index, (found, (container, invocation)))| ContainerProfile {
                index,
                ..found.into_profile(pod, container, invocation, role, catalog)
            })
            .collect();
        let model = main.and_then(|main| containers[main].model.clone());
        Self { ai, role, main, containers, accelerators, model, evidence, stated: None, claims_alone: ai && !told }
    }

    /// Whether the pod answers requests with a model.
    pub fn serves(&self) -> bool {
        self.role.serves_a_model()
    }

    /// Whether the pod answers requests with a model, and each pod does so on its own: what spreading and budgets are for.
    pub fn serves_alone(&self) -> bool {
        self.serves() && !self.containers.iter().any(|container| container.grouped)
    }

    /// The program of the main container.
    pub fn runtime(&self) -> Option<&Arc<Runtime>> {
        self.main().and_then(|main| main.runtime.as_ref()).or(self.stated.as_ref())
    }

    /// The main container.
    pub fn main(&self) -> Option<&ContainerProfile> {
        self.main.and_then(|main| self.containers.get(main))
    }

    /// How many devices, whole or in part, the pod asks for.
    pub fn devices(&self) -> i64 {
        devices(&self.accelerators)
    }
}

/// What a pod asks for of each accelerator, without a look at what runs in it.
pub(crate) fn accelerators(pod: &Pod<'_>, catalog: &Catalog) -> Vec<AcceleratorCount> {
    accelerators::of_pod(pod, catalog)
}

/// How many devices, whole or in part, that is.
pub(crate) fn devices(asked: &[AcceleratorCount]) -> i64 {
    let devices = asked.iter().filter(|asked| asked.counts.is_devices());
    devices.fold(0, |sum: i64, asked| sum.saturating_add(asked.count))
}

/// What the pod is for. A kind whose pods end decides it, whatever runs in them; else the program does, then the kind, of
/// which those that run anything tell least.
fn role(pod: &Pod<'_>, main: Option<&Recognition>, accelerators: &[AcceleratorCount], purpose: Option<Role>) -> Role {
    let kind = pod.definition();
    let of_kind = pod.template().role.or(kind.role).filter(|role| *role != Role::None);
    let ends = kind.runs_to_completion || pod.controller() == crate::workload::Controller::Job;
    // An image that only looks like a program tells a role too.
    let found = main.filter(|main| main.runtime.is_some() || main.role != Role::None).map(|main| main.role);
    let plain = main.is_some_and(|main| main.plain);
    let has_rank = || pod.containers().iter().any(recognition::has_rank);
    let listens =
        pod.containers().iter().any(|container| container.is_long_running() && container.ports().next().is_some());
    match (of_kind, found) {
        (Some(role), Some(found)) if ends && found.serves_a_model() => role,
        (_, Some(found)) if found != Role::None => found,
        _ if plain && !ends => Role::None,
        (Some(Role::Batch), _) if purpose == Some(Role::Training) || has_rank() => Role::Training,
        (Some(role), _) => role,
        _ if ends && purpose == Some(Role::Training) => Role::Training,
        _ if accelerators.is_empty() => Role::None,
        // A program that nobody knows, which stays and says where it listens, answers requests; without a port it may be
        // anything: a shell to log in to, a test.
        _ if !ends && listens => Role::Inference,
        _ if !ends => purpose.filter(|_| pod.controller() == crate::workload::Controller::None).unwrap_or_default(),
        _ if has_rank() => Role::Training,
        _ => Role::Batch,
    }
}

/// What the scripts that the main container runs are there for, by their names.
fn purpose(pod: &Pod<'_>, main: Option<usize>) -> Option<Role> {
    let commands = main.and_then(|main| pod.invocations().get(main)).map(|told| told.line.commands.as_slice());
    let words = commands.unwrap_or_default().iter().flat_map(|command| &command.words).map(|word| word.text.as_ref());
    let entrypoint = pod.definition().entrypoint.as_deref().and_then(|pointer| Path::parse(pointer).get(pod.object()));
    let submitted = entrypoint.and_then(serde_json::Value::as_str).unwrap_or_default().split_whitespace();
    recognition::purpose(words.chain(submitted))
}

#[cfg(test)]
mod tests;
