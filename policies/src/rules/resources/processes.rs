//! How many processes a launcher of distributed training starts in a pod, against the accelerators that they are to use.

use crate::catalog::Catalog;
use crate::container::{Container, ContainerRole};
use crate::job;
use crate::node::{Node, integer, list, text};
use crate::object::Object;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::rules::scheduling::demand;
use crate::shell::{Command, Environment, Flag, Setting, basename};
use crate::workload::Pod;

/// Resources of which each process of training uses one unit. A TPU host, a Neuron device and an Intel GPU of two tiles take
/// other numbers of processes.
const ONE_EACH: [&str; 3] = ["nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi"];

/// Variables by which a process is shown fewer devices than its container has.
const VISIBLE: [&str; 5] = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HABANA_VISIBLE_DEVICES",
];

/// Flags of mpirun that say how many processes each worker gets.
const SPREAD: [&str; 10] =
    ["-npernode", "--npernode", "-N", "-ppn", "--ppn", "-perhost", "--map-by", "-map-by", "-pernode", "--pernode"];

/// What tells of another launcher among the words of mpirun.
const LAUNCHERS: [&str; 4] = ["torchrun", "torch.distributed", "accelerate", "deepspeed"];

/// Programs beside a launcher that use no accelerator, above those whose arguments are only texts.
const HARMLESS: [&str; 22] = [
    ":",
    "aws",
    "curl",
    "date",
    "exit",
    "export",
    "gcloud",
    "git",
    "gsutil",
    "hf",
    "hostname",
    "huggingface-cli",
    "ln",
    "nproc",
    "nvidia-smi",
    "set",
    "sleep",
    "sysctl",
    "tar",
    "true",
    "ulimit",
    "wget",
];

/// Processes and the accelerators that they share.
#[derive(Debug)]
pub(crate) struct Processes {
    /// The container that starts them.
    pub(crate) at: Path,
    /// What starts them, and the setting that says how many, for messages.
    pub(crate) said: String,
    /// How many there are.
    pub(crate) processes: i64,
    /// How many accelerators there are for them.
    pub(crate) devices: i64,
    /// Where both are counted: `in the pod`, or on so many workers.
    pub(crate) place: String,
    /// Whether nothing is seen beside them that may use devices too.
    pub(crate) alone: bool,
}

/// A program that starts one process for each accelerator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Launcher {
    Torchrun,
    Accelerate,
    DeepSpeed,
    Mpi,
}

/// The processes that the containers of `pod` start, where both numbers are certain.
pub(crate) fn of(pod: &Pod<'_>, catalog: &Catalog) -> Vec<Processes> {
    let mpi = pod.owner().is("kubeflow.org", "MPIJob");
    if !pod.has_spec() || pod.operator().is_some() || pod.profile().serves() || pod.profile().devices() == 0 && !mpi {
        return Vec::new();
    }
    if demand::is_dealt_out_by_others(pod, catalog) {
        return Vec::new();
    }
    let containers = pod.containers().iter().enumerate();
    containers
        .filter(|(_, container)| container.role() == ContainerRole::Regular)
        .filter_map(|(index, container)| {
            if mpi { of_mpi_job(pod, index, container, catalog) } else { of_container(pod, index, container, catalog) }
        })
        .collect()
}

fn of_container(pod: &Pod<'_>, index: usize, container: &Container<'_>, catalog: &Catalog) -> Option<Processes> {
    let devices = devices(container, catalog)?;
    let Started { launcher, command, whole } = launcher(pod, index)?;
    if is_on_cpu(whole) {
        return None;
    }
    let (said, processes) = match launcher {
        Launcher::Torchrun => torchrun(pod, &command)?,
        Launcher::Accelerate => accelerate(pod, &command)?,
        Launcher::DeepSpeed => deepspeed(&command)?,
        Launcher::Mpi => return None,
    };
    let place = "the container has".to_owned();
    Some(Processes { at: container.path().clone(), said, processes, devices, place, alone: is_alone(pod, index) })
}

/// How many whole accelerators of one sort the container has.
fn devices(container: &Container<'_>, catalog: &Catalog) -> Option<i64> {
    let asked = container.accelerators(catalog);
    let [(resource, quantity)] = asked.as_slice() else { return None };
    let claims = container.value().pointer("/resources/claims").is_some_and(|claims| !claims.is_null());
    if !ONE_EACH.contains(resource) || claims || container.is_intercepted(resource, catalog) {
        return None;
    }
    let quantity = Quantity::from_value(quantity)?;
    let count = quantity.value();
    (count > 0 && quantity == Quantity::from_value(&count.into())?).then_some(count)
}

/// A launcher that a container starts.
struct Started<'p, 'a> {
    launcher: Launcher,
    /// Its own words up to those of the program that it launches.
    command: Command<'a>,
    /// All that stands there.
    whole: &'p Command<'a>,
}

/// The only launcher that the container starts.
fn launcher<'p, 'a>(pod: &'p Pod<'a>, index: usize) -> Option<Started<'p, 'a>> {
    let told = pod.invocations().get(index)?;
    let mut found = None;
    for command in &told.line.commands {
        let Some((launcher, at)) = command.programs().find_map(|at| Some((of_program(command, at)?, at))) else {
            continue;
        };
        // Several launchers share the devices, and one in a branch may never run.
        if found.is_some() || command.conditional || command.hidden.is_some() {
            return None;
        }
        if VISIBLE.iter().any(|name| command.environment.get(name) != Setting::Unset) {
            return None;
        }
        let own = &command.words[at..];
        let program = |text: &str| text.ends_with(".py") || text.ends_with(".sh") || matches!(text, "-m" | "--module");
        let first = own.iter().skip(1).position(|word| program(&word.text)).map_or(own.len(), |end| end + 1);
        let words = own[..first].to_vec();
        let own = Command { words, environment: command.environment.clone(), ..Command::default() };
        found = Some(Started { launcher, command: own, whole: command });
    }
    found
}

/// Whether the words tell that the processes compute without accelerators, or talk as those do.
fn is_on_cpu(command: &Command<'_>) -> bool {
    command.words.iter().any(|word| word.text.to_ascii_lowercase().contains("gloo"))
        || ["--no-cuda", "--use-cpu", "--cpu"].iter().any(|flag| command.flag(flag).is_some())
        || command.flag("--device") == Some(Flag::Set("cpu"))
}

/// Whether nothing stands beside the container's launcher that may use devices too, or hides some of them.
fn is_alone(pod: &Pod<'_>, index: usize) -> bool {
    let harmless = |command: &Command<'_>| {
        command.is_inert()
            || command.words.first().is_some_and(|word| HARMLESS.contains(&basename(&word.text)))
            || command.words.iter().take(3).any(|word| word.text == "pip")
            || command.programs().any(|at| of_program(command, at).is_some())
    };
    let shows_all = |command: &Command<'_>| VISIBLE.iter().all(|name| command.environment.get(name) == Setting::Unset);
    pod.invocations()
        .get(index)
        .is_some_and(|told| told.line.commands.iter().all(|command| harmless(command) && shows_all(command)))
}

/// What the word at `at` starts.
fn of_program(command: &Command<'_>, at: usize) -> Option<Launcher> {
    let text = |at: usize| command.words.get(at).map(|word| word.text.as_ref()).unwrap_or_default();
    if command.is_inert() {
        return None;
    }
    match (basename(text(at)), text(at + 1)) {
        ("torchrun", _) | ("-m", "torch.distributed.run" | "torch.distributed.launch") => Some(Launcher::Torchrun),
        ("accelerate", "launch") | ("-m", "accelerate.commands.launch") => Some(Launcher::Accelerate),
        ("deepspeed", _) | ("-m", "deepspeed.launcher.runner") => Some(Launcher::DeepSpeed),
        ("mpirun" | "mpiexec" | "horovodrun", _) => Some(Launcher::Mpi),
        _ => None,
    }
}

/// The whole number that one of the flags gives: `Ok(None)` where none of them stands, an error where it cannot be told.
fn number(command: &Command<'_>, names: &[&str]) -> Result<Option<i64>, ()> {
    for name in names {
        match command.flag(name) {
            None => {}
            Some(Flag::Set(value)) => return value.parse().map(Some).map_err(|_| ()),
            Some(Flag::Bare | Flag::Unknown(_)) => return Err(()),
        }
    }
    Ok(None)
}

fn torchrun(pod: &Pod<'_>, command: &Command<'_>) -> Option<(String, i64)> {
    if let Some(processes) = number(command, &["--nproc-per-node"]).ok()? {
        return Some((format!("torchrun starts {processes} (`--nproc-per-node`)"), processes));
    }
    match command.environment.get("PET_NPROC_PER_NODE") {
        Setting::Set(value) => {
            let processes: i64 = value.parse().ok()?;
            Some((format!("torchrun starts {processes} (`PET_NPROC_PER_NODE`)"), processes))
        }
        Setting::Unknown => None,
        Setting::Unset if pod.owner().is("kubeflow.org", "PyTorchJob") => {
            let declared = pod.object().pointer("/spec/nprocPerNode")?;
            let processes = integer(Some(declared)).or_else(|| declared.as_str()?.parse().ok())?;
            Some((format!("torchrun starts {processes} (`nprocPerNode`)"), processes))
        }
        // Other operators of training set the variable themselves.
        Setting::Unset => {
            let operated = pod.definition().role.is_some() && job::Job::of(pod).is_none();
            let open = command.environment.is_open();
            (!operated && !open).then(|| ("torchrun without `--nproc-per-node` starts one".to_owned(), 1))
        }
    }
}

fn accelerate(pod: &Pod<'_>, command: &Command<'_>) -> Option<(String, i64)> {
    if ["--cpu", "--use_cpu", "--tpu", "--use_tpu"].iter().any(|flag| command.flag(flag).is_some()) {
        return None;
    }
    let all = number(command, &["--num_processes"]).ok()??;
    let machines = match number(command, &["--num_machines"]).ok()? {
        Some(machines) => machines,
        // A file may say it, and so may the defaults in the image of one of several.
        None if command.flag("--config_file").is_some() || job::pods_together(pod) != Some(1) => return None,
        None => 1,
    };
    if machines < 1 || all % machines != 0 {
        return None;
    }
    let said = match machines {
        1 => format!("accelerate starts {all} (`--num_processes`)"),
        _ => {
            format!("accelerate starts {all} (`--num_processes`) on {machines} machines, so {} on each", all / machines)
        }
    };
    Some((said, all / machines))
}

fn deepspeed(command: &Command<'_>) -> Option<(String, i64)> {
    if ["--include", "-i", "--exclude", "-e"].iter().any(|flag| command.flag(flag).is_some()) {
        return None;
    }
    let processes = number(command, &["--num_gpus"]).ok()??;
    Some((format!("deepspeed starts {processes} (`--num_gpus`)"), processes))
}

/// How many processes mpirun is asked for. Of its shorter flags only one that comes first is certainly its own, and not the
/// program's.
fn ranks(command: &Command<'_>) -> Result<Option<i64>, ()> {
    let first = command.words.get(1).map(|word| word.text.as_ref()).unwrap_or_default();
    match number(command, &["-np", "--np"])? {
        None if matches!(first, "-n" | "--n" | "-c") => {
            command.words.get(2).filter(|word| word.known).and_then(|word| word.text.parse().ok()).map(Some).ok_or(())
        }
        None if ["-n", "--n", "-c"].iter().any(|flag| command.flag(flag).is_some()) => Err(()),
        found => Ok(found),
    }
}

/// More processes than mpirun has slots for.
#[derive(Debug)]
pub(crate) struct Slots {
    /// The container that starts them.
    pub(crate) at: Path,
    /// How many processes are asked for.
    pub(crate) processes: i64,
    /// How many workers there are, with the launcher where it works too.
    pub(crate) workers: i64,
    /// How many processes each may have.
    pub(crate) slots: i64,
}

/// The processes that Open MPI is asked for by the launcher of an MPIJob, and the slots that the operator tells it of;
/// nothing where the launcher says by itself which hosts there are, or that slots do not count.
pub(crate) fn slots(pod: &Pod<'_>, catalog: &Catalog) -> Option<Slots> {
    let spec = Node::root(pod.object()).get("spec");
    if spec.get("mpiImplementation").as_str().is_some_and(|name| name != "OpenMPI") {
        return None;
    }
    let (index, container) =
        pod.containers().iter().enumerate().find(|(_, container)| container.role() == ContainerRole::Regular)?;
    let Started { launcher, command, .. } = launcher(pod, index)?;
    let hosts = ["-H", "--host", "-host", "--hostfile", "-hostfile", "--machinefile", "-machinefile"];
    let heeded = launcher == Launcher::Mpi
        && command.words.first().is_some_and(|word| matches!(basename(&word.text), "mpirun" | "mpiexec"))
        && !hosts.iter().any(|flag| command.flag(flag).is_some())
        && !command.words.iter().any(|word| word.text.to_ascii_lowercase().contains("oversubscribe"))
        && !command.environment.names().any(|name| name.starts_with("OMPI_MCA_") || name.starts_with("PRTE_MCA_"));
    let processes = ranks(&command).ok()?.filter(|_| heeded)?;
    let launcher_works = spec.get("runLauncherAsWorker").value().as_bool() == Some(true);
    let object = Object::new(pod.object(), catalog);
    let worker = object.pods().iter().find(|pod| pod.root().as_str().contains("/Worker/"))?;
    let workers = worker.replicas()?.saturating_add(i64::from(launcher_works));
    Some(Slots { at: container.path().clone(), processes, workers, slots: slots_per_worker(&spec)? })
}

/// How many processes each worker of an MPIJob may have.
fn slots_per_worker(spec: &Node<'_>) -> Option<i64> {
    match spec.get("slotsPerWorker").value() {
        serde_json::Value::Null => Some(1),
        value => integer(Some(value)),
    }
}

/// What the launcher of an MPIJob starts on its workers.
fn of_mpi_job(pod: &Pod<'_>, index: usize, container: &Container<'_>, catalog: &Catalog) -> Option<Processes> {
    let Started { launcher, command, whole } = launcher(pod, index)?;
    let spec = Node::root(pod.object()).get("spec");
    // Of what starts processes by itself mpirun need start only one for each worker.
    let launches = |text: &str| LAUNCHERS.iter().any(|name| text.contains(name));
    if is_on_cpu(whole) || whole.words.iter().any(|word| launches(&word.text)) {
        return None;
    }
    if launcher != Launcher::Mpi || spec.get("runLauncherAsWorker").value().as_bool() == Some(true) {
        return None;
    }
    // With hosts of its own it need not start them on the workers, or not on all.
    if ["-H", "--host", "-host", "--hosts", "-hosts"].iter().any(|flag| command.flag(flag).is_some()) {
        return None;
    }
    // The tests of NCCL use several devices in one process.
    if command.flag("-g").is_some_and(|devices| devices != Flag::Set("1")) {
        return None;
    }
    let slots = slots_per_worker(&spec)?;
    let object = Object::new(pod.object(), catalog);
    let worker = object.pods().iter().find(|pod| pod.root().as_str().contains("/Worker/"))?;
    let workers = worker.replicas().filter(|workers| *workers > 0)?;
    let each: Vec<i64> = worker.containers().iter().filter_map(|container| devices(container, catalog)).collect();
    let [devices] = each.as_slice() else { return None };
    let seen = |container: &Container<'_>| {
        let environment = Environment::of(container.value());
        VISIBLE.iter().any(|name| environment.get(name) != Setting::Unset)
    };
    if worker.containers().iter().any(seen) {
        return None;
    }
    let spread = SPREAD.iter().any(|flag| command.flag(flag).is_some());
    let devices = workers.saturating_mul(*devices);
    let (said, processes) = match ranks(&command).ok()? {
        // Who says how many each worker gets means one process to use several devices, or leaves some out.
        Some(processes) if spread && processes < devices => return None,
        Some(processes) => (format!("mpirun starts {processes} (`-np`)"), processes),
        None if spread => return None,
        None => {
            let all = workers.saturating_mul(slots);
            (format!("mpirun starts {all} ({workers} workers of {slots} slots)"), all)
        }
    };
    let place = format!("the {workers} workers have");
    // A script may start more of them.
    let script = whole.words.iter().any(|word| word.text.contains(".sh"));
    let alone = !script && is_alone(pod, index);
    Some(Processes { at: container.path().clone(), said, processes, devices, place, alone })
}

/// Whether variables tell that several processes may share a device.
pub(crate) fn shares_devices(pod: &Pod<'_>) -> bool {
    let environment = |container: &Container<'_>| {
        list(container.value(), "env")
            .iter()
            .filter_map(|variable| text(variable, "name"))
            .any(|name| name.starts_with("CUDA_MPS_") || name == "NCCL_MULTI_RANK_GPU_ENABLE")
    };
    pod.containers().iter().any(environment)
}
