//! Programs that serve or train models as data: how one is recognised, where it listens, and which probe fits it.
//!
//! Commands are words in a row (`vllm serve`): the first one may stand behind a directory, `*` stands for any part of a
//! word and `...` for any words between. Settings are flags or variables with values: `--ssl-cert-reqs=2`,
//! `NIM_SSL_MODE=mtls|MTLS`; without a value, any value but `false` and `0` counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Role, Slow, Unfit, is_default};
use crate::image::Image;

/// One program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runtime {
    /// The name by which reports and Policies speak of it.
    pub id: String,
    /// What its makers call it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub role: Role,
    /// Images that hold it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: Vec<ImageRule>,
    /// Commands that start it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub commands: Vec<String>,
    /// Commands of the same program that start no server.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not_server: Vec<String>,
    /// Variables that only this program reads: enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// The words that its images put before the container's `args`; absent when `args` stand alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub entrypoint: Option<String>,
    /// Whether its images start the server when neither `command` nor `args` is given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub starts_by_default: bool,
    /// Whether the image tells what runs, whatever the command looks like: gateways that take a server's flags.
    #[serde(default, skip_serializing_if = "is_default")]
    pub image_decides: bool,
    /// Whether the command tells only where something else tells of AI too: an accelerator or a model cache.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generic: bool,
    /// Where it listens, by name: `http`, `grpc` …
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: BTreeMap<String, Port>,
    /// To which addresses it binds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bind: Bind,
    /// Which probes fit it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probes: Probes,
    /// Ways of running it in which other facts hold. The first that fits replaces what it says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub variants: Vec<Variant>,
    /// Flags that name a file with more settings, which nobody can see here: ports and addresses are then not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config_flags: Vec<String>,
    /// Variables that hold more flags, which the image may set unseen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub argument_env: Vec<String>,
    /// Files and folders from which it reads such settings without being told; `*/name` is a file of this name beside its
    /// models, wherever they are mounted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config_files: Vec<String>,
    /// Where the model is named.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model: ModelFacts,
    /// Flags that say how many devices work together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parallelism: Parallelism,
    /// What it needs at `/dev/shm`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shared_memory: SharedMemory,
    /// How it ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub drain: Drain,
    /// The Prometheus metric of the requests that wait: what a model server is best scaled by.
    #[serde(default, skip_serializing_if = "is_default")]
    pub queue_metric: Option<String>,
    /// Settings that make it ask its callers who they are. Without one of them anybody who reaches it may use it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub auth_when: Condition,
    /// Where it puts the weights that it downloads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model_cache: ModelCache,
    /// Variables that hold secrets, beside the well-known ones.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secret_env: Vec<String>,
    /// Variables that it reads and that a Service of the same name overwrites by its links (`VLLM_PORT=tcp://…`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub service_link_env: Vec<String>,
    /// Whether its images set `NVIDIA_VISIBLE_DEVICES=all`, so that a container without a request may see every GPU.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sees_all_devices: bool,
    /// Directories that it writes to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub writes: Vec<String>,
    /// What else to mind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub note: Option<String>,
    /// The project or page where this was read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: Option<String>,
}

/// Images that hold a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageRule {
    /// The last segments of the repository, so that mirrors match; `*` within a segment, `**` for all that follow.
    pub repository: String,
    /// Globs one of which the tag must match; any tag, or none, when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Globs none of which the tag may match.
    #[serde(default, skip_serializing_if = "is_default")]
    pub exclude_tags: Vec<String>,
    /// Whether it is not confirmed: good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// A place where a program listens. What is set counts in the order flags, address flags, variables, address variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// The number when nothing is set; absent when it then does not listen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Option<u16>,
    /// Flags that give the number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables that give the number, the strongest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// Flags that give `host:port`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub address_flags: Vec<String>,
    /// Variables that give `[scheme://]host[:port]`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub address_env: Vec<String>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// To which addresses a program binds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bind {
    /// What it does when nothing is set.
    #[serde(default)]
    pub default: Address,
    /// Flags that give the address. One without a value means all addresses.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables that give the address.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
}

/// Addresses to listen on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Address {
    /// Every address of the pod.
    #[default]
    All,
    /// The loopback alone, which the kubelet cannot reach.
    Loopback,
}

/// The probes that fit a program, and when they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probes {
    /// True once the model can be used.
    #[serde(default, skip_serializing_if = "is_default")]
    pub startup: Option<ProbeFacts>,
    /// True while requests can be taken.
    #[serde(default, skip_serializing_if = "is_default")]
    pub readiness: Option<ProbeFacts>,
    /// False when only a restart helps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub liveness: Option<ProbeFacts>,
    /// Why it has no probes, or why one is left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub why_not: Option<String>,
    /// Under which conditions nothing answers there, or not to the kubelet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub none_when: Vec<Condition>,
    /// Settings that make it speak HTTPS.
    #[serde(default, skip_serializing_if = "is_default")]
    pub https_when: Condition,
    /// Where a prefix of every path is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path_prefix: Sources,
    /// Where `{model_name}` of a path is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model_name: Sources,
    /// Paths, as globs, that look fit and are not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub avoid: BTreeMap<String, Unfit>,
    /// Paths that a healthy server takes its time to answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub slow: Vec<Slow>,
    /// Whether nothing here is confirmed: good enough to look, not to repair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// What one probe asks. Without a path or service it opens the port and closes it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeFacts {
    /// The path to GET; may hold `{model_name}`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub http: Option<String>,
    /// The service to ask by the gRPC health protocol; empty for the server as a whole.
    #[serde(default, skip_serializing_if = "is_default")]
    pub grpc: Option<String>,
    /// The name of the port.
    #[serde(default = "http", skip_serializing_if = "is_http")]
    pub port: String,
    /// Whether it is true while a model is still being loaded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub before_load: bool,
    /// The release that first answers there; any release when absent. An older or unknown one gets no probe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub since: Option<String>,
    /// Seconds to wait for the answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_seconds: Option<u32>,
    /// Seconds below which a healthy server fails the probe.
    #[serde(default, skip_serializing_if = "is_default")]
    pub least_timeout_seconds: Option<u32>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

fn http() -> String {
    "http".to_owned()
}

fn is_http(port: &str) -> bool {
    port == "http"
}

/// Something that holds of a container. Any of the settings and commands is enough; none of `unless` may be set, and one
/// of `with` must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Flags, perhaps with values.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables, perhaps with values: `NAME=a|b`, or `NAME=!a|b` for any other.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// Commands.
    #[serde(default, skip_serializing_if = "is_default")]
    pub commands: Vec<String>,
    /// Flags under which it does not hold.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unless: Vec<String>,
    /// Flags without one of which it does not hold; none is needed when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub with: Vec<String>,
    /// Whether it leaves no doubt: an HTTP probe of the server then fails for certain.
    #[serde(default, skip_serializing_if = "is_default")]
    pub certain: bool,
    /// What it means, as the end of a sentence about the server.
    #[serde(default, skip_serializing_if = "is_default")]
    pub why: String,
}

/// Where a value is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sources {
    /// Flags that give it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables that give it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// The value when nothing is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Option<String>,
}

/// A way of running a program in which other facts hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Variant {
    /// What it is called.
    pub component: String,
    /// Commands one of which starts it; any command when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub commands: Vec<String>,
    /// Globs over the repository's end, one of which must match; any when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub repositories: Vec<String>,
    /// Globs over the tag, one of which must match; any when empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Whether the image must be none of the program's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub elsewhere: bool,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Option<Role>,
    /// Where it listens; replaces ports of the same name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: BTreeMap<String, Port>,
    /// To which addresses it binds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bind: Option<Bind>,
    /// Which probes fit it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probes: Option<Probes>,
}

/// Where a program is told its model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelFacts {
    /// Flags that name it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables that name it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// Whether the first word after the command names it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub positional: bool,
    /// Whether the image is named after it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_image: bool,
    /// The model when nothing is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Option<String>,
    /// Where the revision of a model that is downloaded is set; nothing when that is not known of the program.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revision: Sources,
    /// Settings that let it run code that comes with the model.
    #[serde(default, skip_serializing_if = "is_default")]
    pub remote_code: Condition,
}

/// Flags that say how many devices work together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parallelism {
    /// Devices over which each layer is split.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tensor: Vec<String>,
    /// Devices, or groups of them, over which the layers are spread.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pipeline: Vec<String>,
    /// Copies of the model.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data: Vec<String>,
    /// Copies of the model in this pod.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data_local: Vec<String>,
    /// Pods that work together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nodes: Vec<String>,
    /// Which of these pods this one is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rank: Vec<String>,
    /// Processes in this pod.
    #[serde(default, skip_serializing_if = "is_default")]
    pub processes: Vec<String>,
    /// Variables that say the tensor degree.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tensor_env: Vec<String>,
    /// Variables that say the pipeline degree.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pipeline_env: Vec<String>,
    /// Settings under which the degrees do not tell how many devices there are: a file with more of them, other degrees,
    /// no device at all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unclear_when: Condition,
    /// Settings under which the devices may be those of other pods, because the program joins them by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub elsewhere_when: Condition,
    /// Settings under which copies of the model may be in other pods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data_elsewhere_when: Condition,
    /// Settings under which copies take no devices of their own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data_within_when: Condition,
    /// Whether a model in a directory may bring degrees of its own, as compiled engines do.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_model: bool,
    /// Whether it uses one device, however many there are, unless it is told to use more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub one_by_default: bool,
    /// Whether `tensor` and `pipeline` count the devices of all nodes together and not of one pod.
    #[serde(default, skip_serializing_if = "is_default")]
    pub over_all_nodes: bool,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// What a program needs at `/dev/shm`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedMemory {
    /// When it needs more than the 64 MiB that container runtimes give.
    #[serde(default)]
    pub needed: SharedMemoryNeed,
    /// The least size that its makers use, as a quantity.
    #[serde(default, skip_serializing_if = "is_default")]
    pub size: Option<String>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// When a program needs a big `/dev/shm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SharedMemoryNeed {
    /// Not known, or never.
    #[default]
    Never,
    /// When several devices, and so several processes, work together in one container.
    SeveralDevices,
    /// Always.
    Always,
}

/// Where a program puts the weights that it downloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelCache {
    /// Flags that name the directory; they go before variables.
    #[serde(default, skip_serializing_if = "is_default")]
    pub flags: Vec<String>,
    /// Variables that name the directory, the strongest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub env: Vec<String>,
    /// The directories of its images when no variable is set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub paths: Vec<String>,
    /// Whether it is not confirmed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

/// How a program ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// Whether it answers what it has begun before it ends on SIGTERM.
    #[serde(default, skip_serializing_if = "is_default")]
    pub finishes_requests: Option<bool>,
    /// Flags that make it wait for what it has begun, in seconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_flags: Vec<String>,
    /// The release that first knows these flags; any release when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_since: Option<String>,
    /// Seconds that it waits by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wait_seconds: Option<u32>,
    /// Whether SIGTERM does not reach it in its images, because a shell is the first process.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loses_signal: bool,
    /// Seconds to sleep in preStop, so that endpoints are gone before it stops to listen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pre_stop_sleep_seconds: Option<u32>,
    /// Seconds of `terminationGracePeriodSeconds`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub grace_period_seconds: Option<u32>,
    /// Whether the numbers are advice and not what its makers say.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsure: bool,
}

impl Drain {
    /// Whether the release of `image` knows [`wait_flags`](Self::wait_flags); `None` when its tag does not tell.
    pub fn can_wait(&self, image: Option<&Image<'_>>) -> Option<bool> {
        match &self.wait_since {
            _ if self.wait_flags.is_empty() => Some(false),
            None => Some(true),
            Some(since) => image.and_then(|image| image.is_since(since)),
        }
    }
}

impl Runtime {
    /// The way of running it of this name.
    pub fn variant(&self, component: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.component == component)
    }
}
