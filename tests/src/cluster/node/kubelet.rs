//! The kubelet of a node and its configuration.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::super::ports::{free_port, host_address};
use super::super::process::Process;
use super::confines::Confines;

/// What a kubelet is started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    /// The name of the node.
    pub(super) name: &'a str,
    /// The program.
    pub(super) program: &'a Path,
    /// Who may speak with the API server, and where it is.
    pub(super) kubeconfig: &'a Path,
    /// Where the container runtime listens.
    pub(super) runtime: &'a Path,
    /// The control group under which it makes those of its pods.
    pub(super) group: &'a str,
}

/// Starts a kubelet with all that it has under `folder`.
///
/// # Errors
/// When its configuration cannot be written.
pub(super) fn start(folder: &Path, confines: &Confines, settings: &Settings<'_>) -> io::Result<Process> {
    let configuration = folder.join("kubelet.json");
    fs::write(&configuration, self::configuration(folder, settings).to_string())?;
    let mut kubelet = confines.process("kubelet", settings.program, folder).args([
        format!("--config={}", configuration.display()),
        format!("--kubeconfig={}", settings.kubeconfig.display()),
        format!("--root-dir={}", folder.join("kubelet").display()),
        format!("--hostname-override={}", settings.name),
    ]);
    // Else it asks the name servers of this machine for the name, which nobody has given.
    if let Some(address) = host_address() {
        kubelet = kubelet.args([format!("--node-ip={address}")]);
    }
    kubelet.start();
    Ok(kubelet)
}

fn configuration(folder: &Path, settings: &Settings<'_>) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": Ipv4Addr::LOCALHOST,
        "port": free_port(),
        "healthzPort": 0,
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{}", settings.runtime.display()),
        "podLogsDir": folder.join("logs"),
        // From the first moment on, so that no pod comes before the taint.
        "registerWithTaints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", settings.group),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        // Less than its usual score may not be given to it without CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        // The disk of who runs the tests may be as full as it likes, and no image is fetched again.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "resolvConf": "",
        // What is patched into the status shows in what pods may have as soon as the kubelet looks again.
        "nodeStatusUpdateFrequency": "2s",
    })
}
