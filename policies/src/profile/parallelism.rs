//! Over how many devices a program spreads its model, as its flags and variables tell, and how many of them must be in its
//! own pod. What cannot be told is not guessed: there is then no spread.

use super::ContainerProfile;
use super::listen::Start;
use super::recognition::claims;
use crate::catalog::{Accelerator, Catalog, Counting, Parallelism};
use crate::container::Container;
use crate::quantity::Quantity;
use crate::shell::{Command, Environment, Flag, Setting, basename};
use crate::workload::Pod;
use serde_json::Value;

/// How a program spreads a model over devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Devices over which each layer is split.
    pub tensor: u64,
    /// Groups of such devices, one for each part of the layers.
    pub pipeline: u64,
    /// Copies of the model, whichever pods they are in; 1 where they do not take devices of their own.
    pub data: u64,
    /// Pods that the program is told to run on together.
    pub nodes: u64,
    /// Devices that it needs in its own pod, at the least.
    pub here: u64,
    /// Whether [`here`](Self::here) is all that it uses in its own pod.
    pub exact: bool,
    /// Whether the devices may be those of other pods, which it joins by Ray or another launcher.
    pub elsewhere: bool,
}

impl Spread {
    /// What a program was told; `None` where that is not known, or not all of it can be seen.
    pub fn of(known: &ContainerProfile, start: &Start<'_, '_>) -> Option<Self> {
        let runtime = known.runtime.as_ref()?;
        let facts = &runtime.parallelism;
        if facts.unsure || facts.tensor.is_empty() && facts.tensor_env.is_empty() {
            return None;
        }
        if let Some(command) = start.command
            && (command.hidden.is_some()
                || command.conditional
                || runtime.config_flags.iter().any(|flag| command.flag(flag).is_some())
                || is_abbreviated(facts, command))
        {
            return None;
        }
        if facts.in_model && known.model.as_ref().is_none_or(|model| model.name.starts_with(['/', '.'])) {
            return None;
        }
        if start.holds(&facts.unclear_when) != Some(false) {
            return None;
        }
        let environment = start.environment;
        let tensor = degree(start, environment, &facts.tensor, &facts.tensor_env)?;
        let pipeline = degree(start, environment, &facts.pipeline, &facts.pipeline_env)?;
        let data = degree(start, environment, &facts.data, &[])?;
        let local = start.count(&facts.data_local).ok()?;
        let nodes = start.count(&facts.nodes).ok()?.unwrap_or(1).max(1);
        let within = start.holds(&facts.data_within_when)?;
        let data = if within { 1 } else { data };
        // Several copies over several pods are laid out in ways that the flags alone do not tell.
        if nodes > 1 && (data > 1 || local.is_some()) {
            return None;
        }
        let copies_elsewhere = start.holds(&facts.data_elsewhere_when)?;
        let copies = match local {
            Some(local) => local,
            None if copies_elsewhere => 1,
            None => data,
        };
        let engine = tensor.saturating_mul(pipeline);
        Some(Self {
            tensor,
            pipeline,
            data,
            nodes,
            here: engine.saturating_mul(copies).div_ceil(nodes),
            exact: local.is_some() || !copies_elsewhere,
            elsewhere: start.holds(&facts.elsewhere_when) != Some(false) || joins_ray(start.container),
        })
    }

    /// Devices that all pods of the program must have together.
    pub fn total(&self) -> u64 {
        self.tensor.saturating_mul(self.pipeline).saturating_mul(self.data)
    }
}

/// Whether the beginning of a degree's flag stands for all of it, as Python's argparse allows it.
fn is_abbreviated(facts: &Parallelism, command: &Command<'_>) -> bool {
    let all = || [&facts.tensor, &facts.pipeline, &facts.data, &facts.data_local, &facts.nodes].into_iter().flatten();
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    command.words.iter().any(|word| {
        let written = word.text.split('=').next().unwrap_or_default();
        let begins = |flag: &String| {
            written.len() <= flag.len()
                && flag.bytes().zip(written.bytes()).all(|(one, other)| dash(one) == dash(other))
        };
        written.len() > 3
            && written.starts_with("--")
            && all().any(begins)
            && !all().any(|flag| flag.len() == written.len() && begins(flag))
    })
}

/// Whether a hook joins the container to a Ray cluster, whose devices the program may then use.
fn joins_ray(container: &Container<'_>) -> bool {
    let command = container.value().pointer("/lifecycle/postStart/exec/command").and_then(Value::as_array);
    let Some(command) = command else { return false };
    let words: Vec<&str> = command.iter().filter_map(Value::as_str).flat_map(str::split_whitespace).collect();
    words.windows(2).any(|pair| basename(pair[0]) == "ray" && pair[1] == "start")
}

/// A degree that flags or variables give, 1 where they are not there; `None` where a variable may come from elsewhere.
fn degree(start: &Start<'_, '_>, environment: &Environment<'_>, flags: &[String], variables: &[String]) -> Option<u64> {
    let by_flag = || start.command?.any_flag(flags);
    if by_flag().is_none() && !variables.is_empty() && environment.is_open() {
        return None;
    }
    match by_flag() {
        Some((_, Flag::Set(_))) | None => start.degree(flags, variables).filter(|degree| *degree > 0),
        Some(_) => None,
    }
}

/// The devices that a container asks for, where each of them takes exactly one process of a program that is spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices<'a> {
    /// The extended resource.
    pub resource: &'a str,
    /// How many.
    pub count: u64,
    /// What one of them is.
    pub counts: Counting,
}

impl<'a> Devices<'a> {
    /// What `container` asks for; `None` where it asks for none, for several kinds, by a claim, or for devices that show
    /// themselves as several (TPUs, Neuron, tiles) or are shares that another scheduler deals out.
    pub fn of(container: &Container<'a>, catalog: &Catalog) -> Option<Self> {
        let asked = container.accelerators(catalog);
        let positive =
            |quantity: &serde_json::Value| Quantity::from_value(quantity).is_none_or(|own| own > Quantity::ZERO);
        let mut compute = asked.iter().filter(|(resource, quantity)| {
            positive(quantity) && catalog.accelerator(resource).is_some_and(|known| known.counts.is_compute())
        });
        let (resource, quantity) = compute.next()?;
        let known = catalog.accelerator(resource).filter(|known| takes_one_process(known, resource))?;
        let intercepted =
            |resource: &str| catalog.accelerator(resource).is_some_and(|known| known.intercepted_by.is_some());
        if compute.next().is_some() || claims(container) || asked.iter().any(|(resource, _)| intercepted(resource)) {
            return None;
        }
        let quantity = Quantity::from_value(quantity).filter(|quantity| quantity.is_whole())?;
        Some(Self { resource, count: u64::try_from(quantity.value()).ok()?, counts: known.counts })
    }
}

/// Whether a program starts one process on each unit of a resource: NVIDIA's and AMD's GPUs and their partitions, and Gaudi.
fn takes_one_process(known: &Accelerator, resource: &str) -> bool {
    !known.unsure
        && known.intercepted_by.is_none()
        && (resource.starts_with("nvidia.com/") || resource.starts_with("amd.com/") || resource == "habana.ai/gaudi")
}

/// Variables that choose among the devices, or show more of them.
const VISIBLE: &[&str] = &[
    "NVIDIA_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "AMD_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
    "HABANA_VISIBLE_MODULES",
];

/// Commands that prepare, wait or show, and start nothing on a device.
const HARMLESS: &[&str] = &[
    "chown",
    "curl",
    "date",
    "df",
    "export",
    "free",
    "git",
    "hf",
    "hostname",
    "huggingface-cli",
    "id",
    "ln",
    "nvidia-smi",
    "set",
    "sleep",
    "tar",
    "touch",
    "trap",
    "true",
    "ulimit",
    "uname",
    "wait",
    "wget",
    "whoami",
];

impl Start<'_, '_> {
    /// Whether the container sees other devices than those it asks for: by a variable, or because it is privileged.
    pub fn sees_other_devices(&self) -> bool {
        let context = self.container.value().get("securityContext");
        let privileged = context.and_then(|context| context.get("privileged")?.as_bool()) == Some(true);
        privileged || VISIBLE.iter().any(|name| self.environment.get(name) != Setting::Unset)
    }
}

impl Pod<'_> {
    /// Whether nothing but the program `known` is started in its container, and no Ray in the whole pod: the devices are
    /// then all its own, and those of no other pod are.
    pub fn starts_nothing_beside(&self, known: &ContainerProfile) -> bool {
        let name = |command: &Command<'_>, at: usize| {
            command.words.get(at).is_some_and(|word| HARMLESS.contains(&basename(&word.text)))
        };
        let harmless = |command: &Command<'_>| command.words.is_empty() || command.is_inert() || name(command, 0);
        let ray = |command: &Command<'_>| command.programs().any(|at| basename(&command.words[at].text) == "ray");
        let invocations = self.invocations();
        let Some(own) = invocations.get(known.index) else { return false };
        own.line.commands.iter().enumerate().all(|(at, command)| Some(at) == known.command || harmless(command))
            && !invocations.iter().flat_map(|invocation| &invocation.line.commands).any(ray)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::catalog::Catalog;
    use crate::object::Object;

    use super::*;

    fn spread(image: &str, args: &[&str]) -> Option<Spread> {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": image, "args": args}]}});
        let object = Object::new(&object, Catalog::builtin());
        let pod = &object.pods()[0];
        let known = pod.profile().main()?;
        Spread::of(known, &pod.start(known)?)
    }

    fn vllm(flags: &str) -> Option<(u64, u64, bool)> {
        let args: Vec<&str> = flags.split_whitespace().collect();
        spread("vllm/vllm-openai:v0.11.0", &args).map(|spread| (spread.here, spread.total(), spread.exact))
    }

    #[test]
    fn degrees_multiply() {
        assert_eq!(vllm("--model m"), Some((1, 1, true)));
        assert_eq!(vllm("--model m -tp 4 -pp 2"), Some((8, 8, true)));
        assert_eq!(vllm("--model m --tensor-parallel-size 4 -tp 1"), Some((1, 1, true)));
        assert_eq!(vllm("--model m -tp 2 --data-parallel-size 4"), Some((8, 8, true)));
        assert_eq!(vllm("--model m -tp 2 --data-parallel-size 8 --data-parallel-size-local 2"), Some((4, 16, true)));
        assert_eq!(vllm("--model m -tp 2 --data-parallel-size 8 --data-parallel-rank 3"), Some((2, 16, false)));
        assert_eq!(vllm("--model m -tp 8 -pp 2 --nnodes 2 --node-rank 0"), Some((8, 16, true)));
    }

    #[test]
    fn what_is_not_seen_is_not_guessed() {
        assert_eq!(vllm("--model m --config /etc/vllm.yaml"), None);
        assert_eq!(vllm("--model m -tp $(GPUS)"), None);
        assert_eq!(vllm("--model m -tp auto"), None);
        assert_eq!(vllm("--model m --tensor-parallel 4"), None);
        assert_eq!(vllm("--model m --omni"), None);
        assert_eq!(vllm("--model m -tp 0"), None);
        assert_eq!(vllm("--model m -tp 2 --nnodes $(SIZE)"), None);
        assert_eq!(spread("ollama/ollama:0.11.0", &["serve"]), None);
    }

    #[test]
    fn sglang_counts_over_all_nodes_and_attention_shares() {
        let sglang = |flags: &str| {
            let words = format!("python3 -m sglang.launch_server --model-path m {flags}");
            let args: Vec<&str> = words.split_whitespace().collect();
            let object = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [
                {"name": "a", "image": "lmsysorg/sglang:v0.5.3", "command": args}]}});
            let object = Object::new(&object, Catalog::builtin());
            let pod = &object.pods()[0];
            let known = pod.profile().main()?;
            let spread = Spread::of(known, &pod.start(known)?)?;
            Some((spread.here, spread.total()))
        };
        assert_eq!(sglang("--tp 16 --nnodes 2 --node-rank 0"), Some((8, 16)));
        assert_eq!(sglang("--tp 4 --dp 2"), Some((8, 8)));
        assert_eq!(sglang("--tp 8 --dp 8 --enable-dp-attention"), Some((8, 8)));
    }

    #[test]
    fn ray_brings_devices_of_other_pods() {
        let spread =
            spread("vllm/vllm-openai:v0.11.0", &["--model", "m", "-tp", "8", "--distributed-executor-backend=ray"]);
        assert_eq!(spread.map(|spread| spread.elsewhere), Some(true));
    }
}
