//! `host-path-volume`: a pod that mounts a directory of its node.

use super::{in_force, is_node_agent};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, list, text};
use crate::policy::PodSecurityLevel;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "host-path-volume",
    summary: "the pod mounts a directory of its node",
    category: Category::PodSecurity,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A `hostPath` volume shows the pod its node's files, and lets it change them unless it is mounted read-only: a way out of the \
container. The data also depends on the node the pod happens to run on, fills its disk unseen by the scheduler and is gone with \
it. Models belong on a PersistentVolumeClaim, a local volume or in an image volume. It is the control *HostPath Volumes* of the \
baseline [Pod Security Standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/): an error where the Policy \
or the namespace names a level, a warning elsewhere, and advice for devices and drivers. Pods of a DaemonSet that serve no model are taken for agents of their node \
and let be until then.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/team/llm:2.3.1
      volumeMounts:
        - name: models
          mountPath: /models
  volumes:
    - name: models
      hostPath:
        path: /data/models
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: registry.example.com/team/llm:2.3.1
      volumeMounts:
        - name: models
          mountPath: /models
  volumes:
    - name: models
      persistentVolumeClaim:
        claimName: models
        readOnly: true
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !list(pod.spec().value(), "volumes")
        .iter()
        .any(|volume| volume.get("hostPath").is_some_and(|path| !path.is_null()))
    {
        return Vec::new();
    }
    let agent = is_node_agent(pod, context);
    let named = in_force(pod, context).level != PodSecurityLevel::Privileged;
    let mut findings = Vec::new();
    for volume in pod.volumes() {
        let host = volume.get("hostPath");
        if host.is_absent() || agent && !serves_from(&volume, pod) {
            continue;
        }
        let name = text(volume.value(), "name").unwrap_or_default();
        if named {
            let message =
                format!("volume `{name}` is a directory of the node, which the Pod Security level in force refuses");
            findings.push(RULE.finding(host.path().clone(), message));
            continue;
        }
        let path = text(host.value(), "path").unwrap_or_default();
        let (severity, what) = match Exposure::of(path) {
            Exposure::Everything => (Severity::Warning, "whoever breaks into the container owns the node"),
            Exposure::System => (Severity::Advice, "the container sees and may change what belongs to the node"),
            Exposure::Data => (Severity::Warning, "a way out of the container, and the data is on this node only"),
        };
        let message = format!("volume `{name}` is a directory of the node: {what}");
        findings.push(RULE.finding(host.path().clone(), message).at_most(severity));
    }
    findings
}

/// Whether a container that listens mounts this volume, and the directory is one of models: then the pod serves them,
/// whatever its image is called, and is no agent of the node.
fn serves_from(volume: &Node<'_>, pod: &Pod<'_>) -> bool {
    let path = text(volume.get("hostPath").value(), "path").unwrap_or_default();
    let named = path.split('/').any(|part| part.contains("model"));
    let name = text(volume.value(), "name").unwrap_or_default();
    named
        && pod.containers().iter().any(|container| {
            container.is_long_running()
                && container.ports().next().is_some()
                && list(container.value(), "volumeMounts").iter().any(|mount| text(mount, "name") == Some(name))
        })
}

/// What of its node a pod gets.
enum Exposure {
    /// All of it: its root, or the socket of what runs its containers.
    Everything,
    /// Devices, drivers and settings, which some programs for accelerators cannot do without.
    System,
    /// Files that the author put there.
    Data,
}

impl Exposure {
    fn of(path: &str) -> Self {
        const SYSTEM: &[&str] = &[
            "/dev",
            "/sys",
            "/proc",
            "/run",
            "/var/run",
            "/lib",
            "/lib64",
            "/usr",
            "/etc",
            "/boot",
            "/home/kubernetes/bin",
            "/var/log",
            "/var/lib/kubelet",
        ];
        if path == "/" || path.ends_with(".sock") {
            return Self::Everything;
        }
        let below =
            |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if SYSTEM.iter().any(below) { Self::System } else { Self::Data }
    }
}
