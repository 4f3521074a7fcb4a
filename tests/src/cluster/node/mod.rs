//! A real node for a cluster: a kubelet and a containerd of its own on this machine, on which pods really run and probes really
//! restart them. It needs Linux, root and some packages of the distribution, and shares nothing with what else runs here.

mod confines;
mod containerd;
mod groups;
mod image;
mod kubelet;
mod program;
mod service;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node as Object;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use self::confines::Confines;
use self::containerd::Containerd;
use self::groups::ControlGroups;
pub use self::image::Image;
use self::kubelet::Settings;
pub use self::program::{Program, static_program};
use self::service::ApiService;
use super::networks::PODS;
use super::process::Process;
use super::start::Cluster;
use super::tools::KUBELET;

/// Programs that must be there, with the Debian package that has them.
const NEEDED: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("unshare", "util-linux"),
];

/// Plugins for the network of pods that must be there, all of one Debian package.
const NEEDED_PLUGINS: &[&str] = &["host-local", "loopback", "ptp"];
const PLUGINS_PACKAGE: &str = "containernetworking-plugins";

/// How long a node may take to become ready, once its programs are built.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node with GPUs, as far as the scheduler can tell, on which only pods run that tolerate its taint. Pods have addresses that
/// this machine reaches, and reach the API server at its address in the cluster. Everything of it ends when this is dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    folder: PathBuf,
    kubelet: Process,
    containerd: Containerd,
    _service: ApiService,
    // These go in the order in which they stand: first all processes, pods and all, then the groups in which they were.
    _confines: Confines,
    _groups: ControlGroups,
}

impl Node {
    /// Starts a node with so many GPUs for `cluster`, which must have no kwok: that one would take the node for its own.
    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it cannot be started; the message says what to install, or shows what the kubelet said.
    pub async fn start(cluster: &Cluster, gpus: u32) -> Self {
        demand();
        let program = KUBELET.path("kubelet");
        let pause = static_program(Program::Pause);
        let begun = Instant::now();
        let node = Self::run(cluster, &program, &pause);
        let node = node.unwrap_or_else(|error| panic!("cannot start a node: {error}"));
        let nodes: Api<Object> = Api::all(cluster.client().await);
        node.wait(&nodes, "is not registered", |_| true).await;
        let count = json!([{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": gpus.to_string()}]);
        let patch = serde_json::from_value(count).unwrap_or_else(|error| panic!("not a patch: {error}"));
        let patched = nodes.patch_status(&node.name, &PatchParams::default(), &Patch::<()>::Json(patch)).await;
        patched.unwrap_or_else(|error| panic!("cannot give GPUs to the node: {error}"));
        node.wait(&nodes, "is not ready with its GPUs", |node| is_ready(node) && has_gpus(node, gpus)).await;
        eprintln!("the node {} is ready after {:.1} s", node.name, begun.elapsed().as_secs_f32());
        node
    }

    fn run(cluster: &Cluster, program: &Path, pause: &Path) -> io::Result<Self> {
        let name = groups::free_name()?;
        let folder = cluster.folder().join(&name);
        fs::create_dir(&folder)?;
        let kubeconfig = cluster.user_kubeconfig(&format!("system:node:{name}"), Some("system:nodes"));
        let groups = ControlGroups::new(&name)?;
        let confines = Confines::new(&folder)?;
        let gateway = cluster.service_address();
        let containerd = Containerd::start(&folder, &confines, PODS.free()?, gateway)?;
        let service = ApiService::start(gateway, cluster.address());
        let entrypoint = &["/pause"];
        containerd.import(&Image {
            name: containerd::PAUSE_IMAGE,
            path: "pause",
            program: pause,
            entrypoint,
            user: "",
        })?;
        let runtime = &containerd.socket();
        let settings = Settings { name: &name, program, kubeconfig: &kubeconfig, runtime, group: &name };
        let kubelet = kubelet::start(&folder, &confines, &settings)?;
        Ok(Self { name, folder, kubelet, containerd, _service: service, _confines: confines, _groups: groups })
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes `image` known to it; pods ask for it with `imagePullPolicy: Never`.
    ///
    /// # Panics
    /// When the image cannot be written or is not taken.
    pub fn import(&self, image: &Image<'_>) {
        self.containerd.import(image).unwrap_or_else(|error| panic!("cannot import {}: {error}", image.name));
    }

    /// The processes of a container, by what its pod's status calls its id, as this machine counts processes.
    #[must_use]
    pub fn processes(&self, container: &str) -> Vec<u32> {
        let id = container.rsplit('/').next().unwrap_or(container);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_of_it = |process: &u32| {
            let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
            groups.lines().any(|group| group.contains(&format!("/{}/", self.name)) && group.contains(id))
        };
        ids.filter(is_of_it).collect()
    }

    /// What the containers of a namespace's pods wrote so far, those that ended too, as long as their pods are there.
    #[must_use]
    pub fn pod_logs(&self, namespace: &str) -> String {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_of_it = |pod: &PathBuf| {
            let name = pod.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('_'))
        };
        // Pods, their containers, and a file for each start.
        let pods = entries(self.folder.join("logs")).filter(is_of_it);
        pods.flat_map(entries).flat_map(entries).filter_map(|file| fs::read_to_string(file).ok()).collect()
    }

    /// The ends of the logs of kubelet and container runtime.
    #[must_use]
    pub fn logs(&self) -> String {
        self.kubelet.tail() + &self.containerd.tail()
    }

    /// Waits until the node is as it has to be.
    async fn wait(&self, nodes: &Api<Object>, why_not: &str, holds: impl Fn(&Object) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = nodes.get_opt(&self.name).await;
            if let Ok(Some(node)) = &seen
                && holds(node)
            {
                return;
            }
            let in_time = self.kubelet.is_running() && Instant::now() < deadline;
            assert!(in_time, "the node {} {why_not}: {seen:?}\n{}", self.name, self.logs());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn is_ready(node: &Object) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn has_gpus(node: &Object, gpus: u32) -> bool {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    allocatable
        .is_some_and(|resources| resources.get("nvidia.com/gpu").is_some_and(|count| count.0 == gpus.to_string()))
}

/// Looks whether a node can run here at all; to be asked before anything that takes long.
///
/// # Panics
/// When it cannot; the message says what is missing, all of it at once.
pub fn demand() {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    assert!(root, "the tests on a real node need Linux and root: containers and their networks are made");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let present = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let mut missing = Vec::new();
    let mut packages = Vec::new();
    for (program, package) in NEEDED {
        if !present(program) {
            missing.push((*program).to_owned());
            packages.push(*package);
        }
    }
    for plugin in NEEDED_PLUGINS {
        let plugin = Path::new(containerd::PLUGINS).join(plugin);
        if !plugin.is_file() {
            missing.push(plugin.display().to_string());
            packages.push(PLUGINS_PACKAGE);
        }
    }
    packages.sort_unstable();
    packages.dedup();
    assert!(
        missing.is_empty(),
        "the tests on a real node need {}: apt-get install {}",
        missing.join(", "),
        packages.join(" ")
    );
}
