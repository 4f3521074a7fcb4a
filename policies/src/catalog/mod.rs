//! What Buttress knows of the field as data: kinds of workload, accelerators and model servers, embedded in the very form
//! in which a Policy adds more (`spec.workloads`, `spec.accelerators`, `spec.runtimes`).
//!
//! A fact marked `unsure` may be used to look, never to patch. Every list comes with the project or page it was read in.

mod accelerator;
mod endpoint;
mod kind;
mod lookup;
mod node;
mod operator;
mod recognise;
mod role;
mod runtime;

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use accelerator::{Accelerator, Counting, DeviceClass};
pub use endpoint::{ProbeKind, Slow, Unfit};
pub use kind::{AnnotationValues, Completion, DeviceFields, Fields, Kind, Template, TemplateForm};
pub use node::{HealthTaint, NodeLabel, Nodes, Spot};
pub use operator::{Marker, Operator, Operators, OwnerKind};
pub use recognise::{CommandMatch, ImageMatch, LookAlike};
pub use role::Role;
pub use runtime::{
    Address, Bind, Condition, Drain, ImageRule, ModelCache, ModelFacts, Parallelism, Port, ProbeFacts, Probes, Runtime,
    SharedMemory, SharedMemoryNeed, Sources, Variant,
};

use lookup::Resources;
use recognise::Runtimes;
pub(crate) use recognise::{matches_end, words};

use crate::image::Image;
use crate::shell::CommandLine;

/// Everything that is known, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sorted by group and kind.
    kinds: Vec<Kind>,
    resources: Resources,
    runtimes: Runtimes,
    secrets: Secrets,
    device_classes: Vec<DeviceClass>,
    operators: Operators,
    nodes: Nodes,
}

/// Names that hold secrets in AI workloads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secrets {
    env: Vec<String>,
    flags: Vec<String>,
    /// Variables that are named like secrets and hold paths.
    paths: Vec<String>,
}

/// The embedded runtimes, one file each.
const RUNTIMES: &[&str] = &[
    include_str!("runtimes/aphrodite.json"),
    include_str!("runtimes/axolotl.json"),
    include_str!("runtimes/batch-inference.json"),
    include_str!("runtimes/bentoml.json"),
    include_str!("runtimes/chroma.json"),
    include_str!("runtimes/comfyui.json"),
    include_str!("runtimes/deepspeed.json"),
    include_str!("runtimes/deepspeed-mii.json"),
    include_str!("runtimes/dynamo.json"),
    include_str!("runtimes/generic-python.json"),
    include_str!("runtimes/horovod-mpi.json"),
    include_str!("runtimes/infinity.json"),
    include_str!("runtimes/jax-training.json"),
    include_str!("runtimes/jetstream.json"),
    include_str!("runtimes/jupyter-server.json"),
    include_str!("runtimes/jupyterhub.json"),
    include_str!("runtimes/kaito-preset.json"),
    include_str!("runtimes/kserve-huggingfaceserver.json"),
    include_str!("runtimes/kserve-python.json"),
    include_str!("runtimes/kubeflow-trainer.json"),
    include_str!("runtimes/litellm.json"),
    include_str!("runtimes/llama-cpp-server.json"),
    include_str!("runtimes/llm-d.json"),
    include_str!("runtimes/lmdeploy.json"),
    include_str!("runtimes/localai.json"),
    include_str!("runtimes/max.json"),
    include_str!("runtimes/megatron.json"),
    include_str!("runtimes/milvus.json"),
    include_str!("runtimes/mlflow.json"),
    include_str!("runtimes/mlserver.json"),
    include_str!("runtimes/nemo.json"),
    include_str!("runtimes/nim.json"),
    include_str!("runtimes/ollama.json"),
    include_str!("runtimes/openvino-model-server.json"),
    include_str!("runtimes/qdrant.json"),
    include_str!("runtimes/ray.json"),
    include_str!("runtimes/rlhf-frameworks.json"),
    include_str!("runtimes/sglang.json"),
    include_str!("runtimes/speaches.json"),
    include_str!("runtimes/stable-diffusion-webui.json"),
    include_str!("runtimes/tei.json"),
    include_str!("runtimes/tensorflow-serving.json"),
    include_str!("runtimes/tgi.json"),
    include_str!("runtimes/torchrun.json"),
    include_str!("runtimes/torchserve.json"),
    include_str!("runtimes/triton.json"),
    include_str!("runtimes/trtllm-serve.json"),
    include_str!("runtimes/vllm.json"),
    include_str!("runtimes/vllm-production-stack-router.json"),
    include_str!("runtimes/weaviate.json"),
    include_str!("runtimes/whisper-asr-webservice.json"),
    include_str!("runtimes/whisper-cpp-server.json"),
    include_str!("runtimes/xinference.json"),
];

static BUILTIN: LazyLock<Catalog> = LazyLock::new(Catalog::read);

/// Reads an embedded file. One that does not parse counts as empty, because nothing here may panic; a test reads them all.
fn embedded<T: DeserializeOwned + Default>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_default()
}

/// Whether a value is left out when it is written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Catalog {
    /// What is built in.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads what is built in anew, which takes milliseconds: [`builtin`](Self::builtin) does it once.
    pub fn read() -> Self {
        let catalog = Catalog {
            kinds: Vec::new(),
            resources: Resources::default(),
            runtimes: Runtimes::default().with(&[], embedded(include_str!("look_alikes.json"))),
            secrets: embedded(include_str!("secrets.json")),
            device_classes: embedded(include_str!("device_classes.json")),
            operators: embedded(include_str!("operators.json")),
            nodes: embedded(include_str!("nodes.json")),
        };
        catalog.with(
            &RUNTIMES.iter().copied().filter_map(|json| serde_json::from_str(json).ok()).collect::<Vec<Runtime>>(),
            &embedded::<Vec<Accelerator>>(include_str!("accelerators.json")),
            &embedded::<Vec<Kind>>(include_str!("kinds.json")),
        )
    }

    /// This catalog and more: an entry whose id, whose resource, or whose group and kind is there already takes its place.
    pub fn with(&self, runtimes: &[Runtime], accelerators: &[Accelerator], kinds: &[Kind]) -> Self {
        let mut all = self.clone();
        for kind in kinds {
            match all.position(&kind.group, &kind.kind) {
                Ok(at) => all.kinds[at] = kind.clone(),
                Err(at) => all.kinds.insert(at, kind.clone()),
            }
        }
        all.resources = all.resources.with(accelerators);
        if !runtimes.is_empty() {
            all.runtimes = all.runtimes.with(runtimes, Vec::new());
        }
        all
    }

    /// The kind of this API group (without version, empty for the core group) and name.
    pub fn kind(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.position(group, kind).ok().map(|at| &self.kinds[at])
    }

    /// All kinds, sorted by group and kind.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The accelerator that an extended resource asks for: a device or an amount of one.
    ///
    /// `None` for cpu and memory, and for devices that no model runs on: network interfaces, monitoring, attributes.
    pub fn accelerator(&self, resource: &str) -> Option<&Accelerator> {
        let class = resource.strip_prefix("deviceclass.resource.kubernetes.io/");
        let other = class.and_then(|class| self.device_class(class)).is_some_and(|class| !class.counts.is_compute());
        self.extended_resource(resource).filter(|entry| entry.counts.is_compute() && !other)
    }

    /// The entry about an extended resource whatever it counts, network interfaces and attributes included.
    pub fn extended_resource(&self, resource: &str) -> Option<&Accelerator> {
        self.resources.get(resource)
    }

    /// All extended resources known.
    pub fn extended_resources(&self) -> impl Iterator<Item = &Accelerator> {
        self.resources.iter()
    }

    /// All runtimes, sorted by id.
    pub fn runtimes(&self) -> &[Arc<Runtime>] {
        self.runtimes.all()
    }

    /// The runtime of this id.
    pub fn runtime(&self, id: &str) -> Option<&Arc<Runtime>> {
        self.runtimes.get(id)
    }

    /// The runtime that an image holds.
    pub fn runtime_by_image(&self, image: &Image<'_>) -> Option<ImageMatch<'_>> {
        self.image(image).1
    }

    /// The runtime that a command line starts.
    pub fn runtime_by_command(&self, line: &CommandLine<'_>) -> Option<CommandMatch<'_>> {
        self.runtimes.command(line)
    }

    /// What an image is that is named like a runtime and does not run it.
    pub fn look_alike(&self, image: &Image<'_>) -> Option<&LookAlike> {
        self.image(image).0
    }

    /// What the image only looks like, or else the program that it holds.
    pub fn image(&self, image: &Image<'_>) -> (Option<&LookAlike>, Option<ImageMatch<'_>>) {
        self.runtimes.image(image)
    }

    /// Whether a variable of this name holds a secret, in AI workloads at large or in `runtime`.
    pub fn is_secret_env(&self, name: &str, runtime: Option<&Runtime>) -> bool {
        let known = |names: &[String]| names.iter().any(|known| known == name);
        !known(&self.secrets.paths)
            && (known(&self.secrets.env) || runtime.is_some_and(|runtime| known(&runtime.secret_env)))
    }

    /// The flags whose values are secrets.
    pub fn secret_flags(&self) -> &[String] {
        &self.secrets.flags
    }

    /// Operators that complete the pods they own, and the containers that platforms add.
    pub fn operators(&self) -> &Operators {
        &self.operators
    }

    /// Labels and taints of nodes.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The DRA device class of this name.
    pub fn device_class(&self, name: &str) -> Option<&DeviceClass> {
        self.device_classes.iter().find(|class| class.name == name)
    }

    fn position(&self, group: &str, kind: &str) -> Result<usize, usize> {
        self.kinds.binary_search_by(|known| (known.group.as_str(), known.kind.as_str()).cmp(&(group, kind)))
    }
}

#[cfg(test)]
mod tests;
