//! The weights that a server downloads when it starts: how many bytes they have at the least, and on what they land.
//!
//! It speaks of what is certain alone. A server whose model, cache or user cannot be told downloads nothing here.

use serde_json::Value;

use super::{ContainerProfile, Model, Start};
use crate::catalog::{Catalog, ModelFacts, Runtime, Sources};
use crate::container::{Container, covers};
use crate::node::{Node, list, text};
use crate::shell::Setting;
use crate::workload::Pod;

/// What a server downloads.
#[derive(Clone, Debug)]
pub struct Download<'a> {
    /// How many bytes the weights have at the least; `None` when that cannot be told.
    pub bytes: Option<u64>,
    /// The directory that they go to; `None` when there are several.
    pub directory: Option<String>,
    /// What they land on.
    pub place: Place<'a>,
    /// Whether they are downloaded at each start, and not when somebody asks for the model.
    pub at_start: bool,
}

/// What the directory of the weights lies on.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// The container's own filesystem, which goes with the container.
    Container,
    /// This volume of the pod.
    Volume(Node<'a>),
    /// The volume of this name, which the pod does not describe: a claim template's or an operator's.
    Elsewhere(&'a str),
}

impl<'a> Download<'a> {
    /// What the server `known` in `pod` downloads.
    pub(crate) fn of(pod: &Pod<'a>, known: &ContainerProfile, catalog: &Catalog) -> Option<Self> {
        let runtime = known.runtime.as_ref().filter(|_| known.sure && known.is_server())?;
        let cache = &runtime.model_cache;
        if cache.paths.is_empty() || cache.unsure || !pod.has_spec() || pod.operator().is_some() {
            return None;
        }
        let container = pod.containers().get(known.index)?;
        let start = pod.start(known)?;
        if is_unclear(&start, &runtime.config_flags) {
            return None;
        }
        // An image that somebody built may hold the weights, or variables that lead elsewhere.
        let image = pod.invocations().get(known.index)?.image.as_ref()?;
        catalog.runtime_by_image(image).filter(|own| own.sure && own.runtime.id == runtime.id)?;
        let (bytes, at_start) = source(&runtime.model, container, known, &start)?;
        let directories = directories(pod, container, &start, runtime)?;
        let place = place(pod, container, &directories)?;
        let directory = <[String; 1]>::try_from(directories).ok().map(|[directory]| directory);
        Some(Self { bytes, directory, place, at_start })
    }
}

/// Whether more settings are somewhere that nobody sees here, or the weights come another way.
fn is_unclear(start: &Start<'_, '_>, config_flags: &[String]) -> bool {
    const LOADERS: &[&str] = &["auto", "safetensors", "pt", "bitsandbytes", "fastsafetensors"];
    let hidden = start.command.is_some_and(|command| {
        let flagged = config_flags.iter().any(|flag| command.flag(flag).is_some());
        let loaded = match command.flag("--load-format") {
            None => false,
            Some(crate::shell::Flag::Set(loader)) => !LOADERS.contains(&loader),
            Some(_) => true,
        };
        command.hidden.is_some() || command.conditional || flagged || loaded
    });
    hidden || start.environment.is_open() || may_come_another_way(start)
}

/// Whether a variable keeps the server from its hub, or leads it to another, or may do so.
pub fn may_come_another_way(start: &Start<'_, '_>) -> bool {
    const OTHER_WAYS: &[&str] = &[
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "TRANSFORMERS_CACHE",
        "VLLM_USE_MODELSCOPE",
        "SGLANG_USE_MODELSCOPE",
        "LMDEPLOY_USE_MODELSCOPE",
    ];
    OTHER_WAYS.iter().any(|name| !matches!(start.environment.get(name), Setting::Unset | Setting::Set("0" | "")))
}

/// Whether the container surely takes the model of this name from a hub: a name that looks like one on a hub may be a
/// directory below a working directory that the container is given.
pub fn is_from_hub(container: &Container<'_>, name: &str) -> bool {
    is_on_hub(name) && text(container.value(), "workingDir").is_none_or(str::is_empty)
}

/// How large what it downloads is, and whether it does so at its start.
fn source(
    facts: &ModelFacts,
    container: &Container<'_>,
    known: &ContainerProfile,
    start: &Start<'_, '_>,
) -> Option<(Option<u64>, bool)> {
    let unset = |names: &[String]| names.iter().all(|name| start.environment.get(name) == Setting::Unset);
    if facts.flags.is_empty() && facts.env.is_empty() && !facts.positional && !facts.in_image {
        // It pulls models by itself when somebody asks for them.
        return facts.default.is_none().then_some((None, false));
    }
    let model = known.model.as_ref()?;
    if facts.in_image {
        let moved = start.environment.names().any(|name| name.contains("MODEL_PATH") || name.contains("FT_MODEL"));
        // Such an image chooses among several precisions by the devices that it finds.
        return (unset(&facts.env) && !moved).then(|| (model.bytes().map(|bytes| bytes / 4), true));
    }
    is_from_hub(container, &model.name).then(|| (least_bytes(model), true))
}

/// Whether a name is that of a model on a hub, `organisation/model`, and not a directory, a file or an address.
fn is_on_hub(name: &str) -> bool {
    const DIRECTORIES: &[&str] = &[
        "models",
        "model",
        "data",
        "mnt",
        "weights",
        "checkpoints",
        "workspace",
        "app",
        "opt",
        "tmp",
        "root",
        "home",
        "output",
        "outputs",
        "cache",
        "storage",
        "repository",
        "model_repository",
        "gcs",
        "s3",
        "pvc",
        "local",
    ];
    let Some((organisation, model)) = name.split_once('/') else { return false };
    let plain = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    plain(organisation)
        && plain(model)
        && !model.contains('/')
        && !DIRECTORIES.contains(&organisation.to_ascii_lowercase().as_str())
        && ![".gguf", ".bin", ".pt", ".safetensors", ".nemo"]
            .iter()
            .any(|end| model.to_ascii_lowercase().ends_with(end))
}

/// How many bytes the weights have at the least. Names are rounded, and some makers publish eight bits without saying so.
fn least_bytes(model: &Model) -> Option<u64> {
    /// Who publishes sixteen bits or more wherever the name does not say otherwise.
    const SIXTEEN_BITS: &[&str] = &[
        "meta-llama/",
        "qwen/",
        "google/gemma",
        "tiiuae/",
        "facebook/",
        "bigscience/",
        "eleutherai/",
        "bigcode/",
        "codellama/",
        "deepseek-ai/deepseek-r1-distill",
        "mistralai/mistral-7b",
        "mistralai/mixtral",
    ];
    /// Four bits that the name does not tell, or a quantisation whose bits it does not tell.
    const UNTOLD: &[&str] =
        &["gpt-oss", "kimi", "bit", "gguf", "quant", "aqlm", "exl2", "exl3", "hqq", "qat", "w4", "w8"];
    let bytes = model.bytes()?;
    let name = model.name.to_ascii_lowercase();
    let told = super::bytes_per_parameter(&name) < 2.0;
    let percent = match () {
        () if told => 85,
        () if UNTOLD.iter().any(|word| name.contains(word)) => return None,
        () if SIXTEEN_BITS.iter().any(|start| name.starts_with(start)) => 90,
        () => 50,
    };
    Some(bytes / 100 * percent)
}

/// The directories that the weights may go to.
fn directories(
    pod: &Pod<'_>,
    container: &Container<'_>,
    start: &Start<'_, '_>,
    runtime: &Runtime,
) -> Option<Vec<String>> {
    let cache = &runtime.model_cache;
    let by_flag = Sources { flags: cache.flags.clone(), ..Sources::default() };
    if let Some(directory) = start.value(&by_flag).ok()? {
        return directory.starts_with('/').then(|| vec![directory]);
    }
    let mut named = Vec::new();
    for variable in &cache.env {
        match start.environment.get(variable) {
            Setting::Set(directory) if directory.starts_with('/') => named.push(directory.to_owned()),
            Setting::Unset | Setting::Set("") => {}
            Setting::Set(_) | Setting::Unknown => return None,
        }
    }
    if !named.is_empty() {
        return Some(named);
    }
    let in_home = cache.paths.iter().any(|path| covers("/root", path) || covers("/home", path));
    let other_home = ["HOME", "XDG_CACHE_HOME"].iter().any(|name| start.environment.get(name) != Setting::Unset);
    (!in_home || !other_home && !has_user(pod, container)).then(|| cache.paths.clone())
}

/// Whether the container is given a user, whose home may lie elsewhere than that of the image's.
fn has_user(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    let contexts = [container.value().get("securityContext"), pod.spec().value().get("securityContext")];
    contexts.into_iter().flatten().any(|context| {
        context.get("runAsUser").and_then(Value::as_i64).is_some_and(|user| user != 0)
            || context.get("runAsNonRoot") == Some(&Value::Bool(true))
    })
}

/// What the directories lie on; `None` when they lie on different things.
fn place<'a>(pod: &Pod<'a>, container: &Container<'a>, directories: &[String]) -> Option<Place<'a>> {
    if directories.iter().any(|directory| directory.split('/').any(|part| part == "..")) {
        return None;
    }
    // What is mounted within a directory may well be where the weights go.
    let within = |directory: &str| {
        let mut mounts = list(container.value(), "volumeMounts").iter();
        mounts.find(|mount| text(mount, "mountPath").is_some_and(|path| covers(directory, path)))
    };
    let mut mounts = directories.iter().map(|directory| {
        let mount = container.mount_of(directory).or_else(|| within(directory));
        mount.map(|mount| text(mount, "name").unwrap_or_default())
    });
    let first = mounts.next()?;
    if mounts.any(|other| other != first) {
        return None;
    }
    Some(match first {
        // What is not mounted there is memory, which the container runtime brings.
        None if directories.iter().any(|directory| covers("/dev", directory)) => return None,
        None => Place::Container,
        Some(name) => pod.volume(name).map_or(Place::Elsewhere(name), Place::Volume),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_addresses_are_no_models_on_a_hub() {
        for name in ["Qwen/Qwen3-8B", "meta-llama/Llama-3.1-70B-Instruct", "01-ai/Yi-34B"] {
            assert!(is_on_hub(name), "{name}");
        }
        for name in [
            "/models/Qwen3-8B",
            "./qwen",
            "models/Qwen3-8B",
            "s3://bucket/qwen",
            "qwen",
            "gs://a/b",
            "a/b/c",
            "org/model.gguf",
            "$(MODEL)/x",
            "hf://org/model",
            "oci://registry/model",
            "pvc/model",
            "",
        ] {
            assert!(!is_on_hub(name), "{name}");
        }
    }

    #[test]
    fn bytes_are_never_more_than_what_is_published() {
        // The sizes of the files as published, in gigabytes.
        for (name, published) in [
            ("meta-llama/Llama-3.1-70B-Instruct", 141.1),
            ("Qwen/Qwen3-8B", 16.4),
            ("Qwen/Qwen3-32B-AWQ", 19.3),
            ("neuralmagic/Meta-Llama-3.1-70B-Instruct-FP8", 70.7),
            ("deepseek-ai/DeepSeek-R1", 688.6),
            ("mistralai/Mixtral-8x7B-Instruct-v0.1", 93.4),
        ] {
            let least = least_bytes(&Model::named(name)).unwrap() as f64 / 1e9;
            assert!(least <= published && least > published * 0.45, "{name}: {least} of {published}");
        }
        for name in ["openai/gpt-oss-120b", "moonshotai/Kimi-K2-Instruct", "unsloth/Qwen3-8B-GGUF", "org/model"] {
            assert_eq!(least_bytes(&Model::named(name)), None, "{name}");
        }
    }
}
