//! Which program a container runs, by its command, image and variables, in this order, and which container of a pod is
//! the main one.

use std::sync::Arc;

use super::listen::Start;
use super::{ContainerProfile, accelerators, flat, model, probe};
use crate::catalog::{Catalog, LookAlike, Role, Runtime, Variant, matches_end, words};
use crate::container::{Container, ContainerRole};
use crate::image::Image;
use crate::invocation::Invocation;
use crate::shell::{Command, CommandLine, Environment, Setting, Word, basename};
use crate::workload::Pod;

/// What a container was recognised as.
#[derive(Clone, Debug)]
pub(super) struct Recognition {
    /// The program.
    pub(super) runtime: Option<Arc<Runtime>>,
    /// What the container is for.
    pub(super) role: Role,
    /// What told it.
    pub(super) evidence: Vec<String>,
    /// Whether the image or command that told is confirmed.
    pub(super) sure: bool,
    /// Whether it starts the server, or why that is not so or not known.
    pub(super) serves: Result<(), String>,
    /// Which command of the command line it is, and where its arguments begin.
    command: Option<(usize, usize)>,
    /// Whether the image is one of the program's own.
    own_image: bool,
    /// Which of the program's variants it is.
    variant: Option<usize>,
    /// Whether it is known for a program that runs no model.
    pub(super) plain: bool,
}

impl Default for Recognition {
    fn default() -> Self {
        Self {
            runtime: None,
            role: Role::None,
            evidence: Vec::new(),
            sure: false,
            serves: Err("it is no server that Buttress knows".to_owned()),
            command: None,
            own_image: false,
            variant: None,
            plain: false,
        }
    }
}

impl Recognition {
    /// Looks at a container.
    pub(super) fn of(container: &Container<'_>, told: &Invocation<'_>, catalog: &Catalog) -> Self {
        let mut found = Self::by_name(container, told, catalog);
        if let Some(runtime) = &found.runtime {
            found.variant = found.find_variant(runtime, told);
            let variant = found.variant.map(|variant| &runtime.variants[variant]);
            // An image of its own for one way of running the program tells the role, whether or not it starts by itself.
            let tells = |variant: &&Variant| {
                found.serves.is_ok() || !variant.repositories.is_empty() && found.role != Role::None
            };
            found.role = variant.filter(tells).and_then(|variant| variant.role).unwrap_or(found.role);
        }
        found
    }

    /// The program alone, whatever the way of running it.
    fn by_name(container: &Container<'_>, told: &Invocation<'_>, catalog: &Catalog) -> Self {
        let Invocation { image, environment, line } = told;
        let (look_alike, by_image) = image.as_ref().map(|image| catalog.image(image)).unwrap_or_default();
        let looks = |what: &LookAlike| {
            let evidence = vec![format!("image `{}` is {}", container.image().unwrap_or_default(), what.what)];
            let role = what.role.unwrap_or(Role::Infrastructure);
            Self { role, plain: role == Role::None, evidence, ..Self::default() }
        };
        if let Some(what) = look_alike.filter(|what| what.role != Some(Role::None)) {
            return looks(what);
        }
        let by_command = catalog
            .runtime_by_command(line)
            .filter(|found| !found.runtime.generic || has_ai_hints(container, environment, catalog))
            .filter(|_| !by_image.is_some_and(|image| image.runtime.image_decides));
        if let Some(found) = by_command {
            let own_image = by_image.is_some_and(|image| image.runtime.id == found.runtime.id);
            let shown = shown(found.phrase);
            let mut evidence = vec![format!("command `{shown}`")];
            evidence.extend(own_image.then(|| format!("image `{}`", container.image().unwrap_or_default())));
            let serves = if found.serves { Ok(()) } else { Err(format!("`{shown}` starts no server")) };
            return Self {
                runtime: Some(Arc::clone(found.runtime)),
                role: if found.serves { found.runtime.role } else { Role::None },
                evidence,
                sure: true,
                serves,
                command: Some((found.command, found.after)),
                own_image,
                ..Self::default()
            };
        }
        if let Some(found) = by_image {
            let serves = by_image_alone(found.runtime, line);
            let stands_alone = matches!(serves, Err((true, _)));
            return Self {
                runtime: Some(Arc::clone(found.runtime)),
                role: if stands_alone { Role::None } else { image_role(found.runtime, image.as_ref()) },
                evidence: vec![format!("image `{}`", container.image().unwrap_or_default())],
                sure: found.sure,
                serves: serves.map_err(|(_, why)| why),
                command: (!line.is_empty() && !line.has_program).then_some((0, 0)),
                own_image: true,
                ..Self::default()
            };
        }
        if let Some(what) = look_alike {
            return looks(what);
        }
        for runtime in catalog.runtimes().iter().filter(|runtime| !runtime.env.is_empty()) {
            if let Some(name) = runtime.env.iter().find(|name| environment.names().any(|set| set == name.as_str())) {
                return Self {
                    runtime: Some(Arc::clone(runtime)),
                    role: runtime.role,
                    evidence: vec![format!("variable `{name}`")],
                    serves: Err("neither image nor command tells that it starts the server".to_owned()),
                    ..Self::default()
                };
            }
        }
        let elects = ["--leader-elect", "--enable-leader-election", "--leader-election"].map(str::to_owned);
        if line.commands.iter().any(|command| elects.iter().any(|flag| command.flag(flag).is_some())) {
            let evidence = vec!["takes part in the election of a leader, as controllers do".to_owned()];
            return Self { role: Role::Infrastructure, evidence, ..Self::default() };
        }
        Self::default()
    }

    /// What the kind of its pod tells where nothing else does: enough to look, not to repair.
    pub(super) fn or_by_kind(&mut self, pod: &Pod<'_>, catalog: &Catalog) {
        let Some(runtime) = flat::stated(pod, catalog) else { return };
        if self.runtime.is_some() || self.role != Role::None || self.plain {
            return;
        }
        self.runtime = Some(Arc::clone(runtime));
        self.role = runtime.role;
        self.evidence.push(format!("kind `{}`", pod.owner().kind));
        self.serves = Err(format!("only its kind tells that it runs {}", runtime.name));
    }

    /// All that there is to say of the container.
    pub(super) fn into_profile(
        self,
        pod: &Pod<'_>,
        container: &Container<'_>,
        told: &Invocation<'_>,
        pod_role: Role,
        catalog: &Catalog,
    ) -> ContainerProfile {
        let Some(runtime) = self.runtime.clone() else {
            return ContainerProfile { role: self.role, evidence: self.evidence, ..ContainerProfile::default() };
        };
        let command = self.command.and_then(|(at, after)| told.line.commands.get(at).map(|command| (command, after)));
        let start = Start::new(container, told, self.command.map(|(at, _)| at), catalog);
        let environment = start.environment;
        let variant = self.variant.and_then(|variant| runtime.variants.get(variant));
        let image = told.image.as_ref().filter(|_| self.own_image);
        let facts = probe::Facts::new(&runtime, variant, image);
        let role = self.role;
        let model = model::of(&runtime.model, command, environment, image);
        let probes = probe::of(pod, container, pod_role, role, &self, &facts, &start, catalog);
        let wants_probes = probe::wanted(pod, container, (pod_role, role), &self, &facts, &start, catalog);
        ContainerProfile {
            wants_probes,
            grouped: probe::grouped(pod, &facts, &start),
            component: variant.map(|variant| variant.component.clone()),
            role,
            command: self.command.map(|(at, _)| at),
            index: 0,
            serves: self.serves.is_ok(),
            sure: self.sure,
            port: facts.main_port(&start),
            model,
            probes,
            evidence: self.evidence,
            runtime: Some(runtime),
        }
    }

    /// The first way of running the program that fits.
    fn find_variant(&self, runtime: &Runtime, told: &Invocation<'_>) -> Option<usize> {
        let started = self.command.and_then(|(at, _)| told.line.commands.get(at));
        let image = told.image.as_ref();
        runtime.variants.iter().position(|variant| {
            let command = |phrase: &String| started.is_some_and(|command| command.find(&words(phrase)).is_some());
            let repository = |glob: &String| image.is_some_and(|image| matches_end(glob, image));
            let tag = image.and_then(|image| image.tag).unwrap_or_default();
            (variant.commands.is_empty() || variant.commands.iter().any(command))
                && (variant.repositories.is_empty() || variant.repositories.iter().any(repository))
                && (variant.tags.is_empty()
                    || self.own_image && variant.tags.iter().any(|glob| fast_glob::glob_match(glob, tag)))
                && !(variant.elsewhere && self.own_image)
        })
    }
}

/// Whether an image starts its server with this command line. The flag says whether it is known to do something else.
fn by_image_alone(runtime: &Runtime, line: &CommandLine<'_>) -> Result<(), (bool, String)> {
    if line.has_program {
        let program = line.program().map(|program| format!(" `{program}`")).unwrap_or_default();
        return Err((false, format!("its command{program} is not known to start {}", runtime.name)));
    }
    if line.is_empty() {
        let unknown = || (false, format!("its image does not start {} by itself", runtime.name));
        return if runtime.starts_by_default { Ok(()) } else { Err(unknown()) };
    }
    let Some(entrypoint) = &runtime.entrypoint else {
        return Err((false, format!("its `args` take the place of the command that starts {}", runtime.name)));
    };
    let own = words(entrypoint).into_iter().map(|word| Word { text: word.into(), known: true });
    let given = line.commands.iter().flat_map(|command| command.words.iter().cloned());
    let whole = Command { words: own.chain(given).collect(), ..Command::default() };
    match runtime.not_server.iter().find(|phrase| whole.find(&words(phrase)).is_some()) {
        Some(phrase) => Err((true, format!("`{phrase}` starts no server"))),
        None => Ok(()),
    }
}

/// The role that an image tells: collections of images hold servers of several kinds.
pub(super) fn image_role(runtime: &Runtime, image: Option<&Image<'_>>) -> Role {
    let embeds = image.is_some_and(|image| {
        runtime.model.in_image && ["embed", "rerank"].iter().any(|word| image.name().contains(word))
    });
    if embeds { Role::Embedding } else { runtime.role }
}

/// A command that was recognised, in the words of the catalog: those of the manifest may hold secrets.
fn shown(phrase: &[String]) -> String {
    let python = if phrase.first().is_some_and(|first| first == "-m") { "python " } else { "" };
    format!("{python}{}", phrase.join(" "))
}

/// Whether something beside a web server's command tells of AI: an accelerator, or variables of the usual libraries.
fn has_ai_hints(container: &Container<'_>, environment: &Environment<'_>, catalog: &Catalog) -> bool {
    let starts = ["HF_", "TRANSFORMERS_", "TORCH_", "HUGGING"];
    !accelerators::of_container(container, catalog).is_empty()
        || claims(container)
        || environment.names().any(|name| starts.iter().any(|start| name.starts_with(start)))
        || container.mounts("/root/.cache/huggingface")
}

/// Whether the container uses a DRA claim.
pub(super) fn claims(container: &Container<'_>) -> bool {
    let claims = container.value().pointer("/resources/claims").and_then(serde_json::Value::as_array);
    claims.is_some_and(|claims| !claims.is_empty())
}

/// Whether the container is one of several that train together.
pub(super) fn has_rank(container: &Container<'_>) -> bool {
    let environment = Environment::of(container.value());
    ["WORLD_SIZE", "MASTER_ADDR", "RANK", "PET_NNODES", "TPU_WORKER_ID", "TRAINING_ROLE", "PADDLE_JOB_NAME"]
        .iter()
        .any(|name| environment.get(name) != Setting::Unset)
}

/// That a container uses a DRA claim, of which the pod does not tell what for.
pub(super) fn uses_claim(pod: &Pod<'_>) -> Option<String> {
    let container = pod.containers().iter().find(|container| claims(container))?;
    Some(format!("{} uses a resource claim", container.title()))
}

/// What the names of the scripts that a command line runs tell: to train or to measure.
pub(super) fn purpose<'w>(words: impl Iterator<Item = &'w str>) -> Option<Role> {
    let mut found = None;
    for word in words {
        let Some(stem) = word.strip_suffix(".py").or_else(|| word.strip_suffix(".sh")) else { continue };
        let stem = basename(stem).to_ascii_lowercase();
        let holds = |parts: &[&str]| parts.iter().any(|part| stem.contains(part));
        if holds(&["train", "finetun", "fine_tun", "fine-tun"]) {
            return Some(Role::Training);
        }
        if holds(&["benchmark"]) {
            found = Some(Role::Batch);
        }
    }
    found
}

/// What tells of accelerators without any resource.
pub(super) fn other_hints(pod: &Pod<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    for key in ["gpu-fraction", "gpu-memory"] {
        if pod.annotation(key).is_some() {
            hints.push(format!("annotation `{key}` asks KAI or Run:ai for a share of a GPU"));
        }
    }
    hints
}

/// Whether only AI comes in this kind. Kinds for batch and workflows of all sorts have a role without being that.
pub(super) fn is_ai_kind(pod: &Pod<'_>) -> bool {
    let role = pod.definition().role;
    role.is_some_and(|role| !matches!(role, Role::None | Role::Batch | Role::Infrastructure))
}

/// The container that does the work: one that serves a model, has accelerators or is known goes before others.
pub(super) fn main(pod: &Pod<'_>, recognised: &[Recognition], catalog: &Catalog) -> Option<usize> {
    let score = |(at, container): (usize, &Container<'_>)| {
        let found = &recognised[at];
        let helper = catalog.operators().is_helper(container.name());
        let points = [
            (found.role.serves_a_model() && found.serves.is_ok(), 8),
            (!accelerators::of_container(container, catalog).is_empty() || claims(container), 4),
            (found.runtime.is_some(), 2),
            (pod.annotation("gpu-fraction-container-name") == Some(container.name()), 4),
            (container.role() == ContainerRole::Regular, 1),
        ];
        let points: usize = points.iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum();
        (at, if helper { 0 } else { points + 1 })
    };
    let candidates = pod.containers().iter().enumerate().filter(|(_, container)| container.is_long_running());
    let mut best: Option<(usize, usize)> = None;
    for (at, points) in candidates.map(score) {
        if best.is_none_or(|(_, other)| points > other) {
            best = Some((at, points));
        }
    }
    best.map(|(at, _)| at)
}
