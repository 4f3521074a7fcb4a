//! `unwritable-model-directory`: directories that a model server writes to, on a root filesystem that is read-only.

use serde_json::Value;

use super::read_only_root_with_accelerator::has_read_only_root;
use crate::container::{Container, covers};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{list, text};
use crate::profile::{Start, is_from_hub};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::Setting;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unwritable-model-directory",
    summary: "a model server cannot write to directories that it works in",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
With `readOnlyRootFilesystem: true` a container can write to volumes alone \
([Kubernetes: security context](https://kubernetes.io/docs/tasks/configure-pod-container/security-context/)). Model servers \
download weights, compile kernels and unpack files into a cache and `/tmp`; where these lie on the root they fail at the start, \
or with the first model. Mount an `emptyDir`, or a claim that keeps the weights, on the directories that are named, or point \
the server's variables (`HF_HOME`, `TMPDIR` …) to a volume.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: embeddings
spec:
  containers:
    - name: server
      image: ollama/ollama:0.12.3
      securityContext:
        readOnlyRootFilesystem: true
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: embeddings
spec:
  containers:
    - name: server
      image: ollama/ollama:0.12.3
      securityContext:
        readOnlyRootFilesystem: true
      volumeMounts:
        - name: models
          mountPath: /root/.ollama
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: models
      persistentVolumeClaim:
        claimName: models
    - name: tmp
      emptyDir: {}
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    if !pod.has_spec() || pod.operator().is_some() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (container, known) in pod.ai_containers() {
        let Some(runtime) = known.runtime.as_ref().filter(|_| known.sure && known.is_server()) else { continue };
        if runtime.writes.is_empty() || !has_read_only_root(container) {
            continue;
        }
        let Some(start) = pod.start(known) else { continue };
        // Nothing is downloaded of a model that is there; names of one part are a hub's too.
        let is_there = |name: &str| name.contains('/') && !is_from_hub(container, name);
        let loads = !known.model.as_ref().is_some_and(|model| is_there(&model.name));
        let blocked: Vec<String> = runtime
            .writes
            .iter()
            .filter(|path| is_used(path, pod, container, &start) && !is_writable(path, pod, container))
            .filter(|path| loads || !runtime.model_cache.paths.iter().any(|cache| covers(cache, path)))
            .map(|path| format!("`{path}`"))
            .collect();
        if blocked.is_empty() {
            continue;
        }
        let message = format!(
            "{} has a read-only root filesystem and no writable volume on {}, where {} writes; mount an `emptyDir` or a claim \
             there",
            container.title(),
            blocked.join(" and "),
            runtime.name
        );
        findings.push(RULE.finding(container.path().key("securityContext").key("readOnlyRootFilesystem"), message));
    }
    findings
}

/// Whether the server surely writes there: container runtimes always bring a `/dev/shm` of their own, and variables and
/// users move the other directories.
fn is_used(path: &str, pod: &Pod<'_>, container: &Container<'_>, start: &Start<'_, '_>) -> bool {
    let unset = |name: &str| start.environment.get(name) == Setting::Unset;
    if start.environment.is_open() || covers("/dev/shm", path) {
        return false;
    }
    if covers("/tmp", path) {
        return unset("TMPDIR");
    }
    // Whatever tells of a directory may be the one that moves this: HF_HOME, OLLAMA_MODELS, XDG_CACHE_HOME …
    const MOVES: &[&str] = &["HOME", "CACHE", "MODELS", "_DIR", "_PATH"];
    let moved = start.environment.names().any(|name| MOVES.iter().any(|word| name.contains(word)));
    !(moved || covers("/root", path) && has_other_user(pod, container))
}

/// Whether the container runs as another user than root, whose home lies elsewhere.
fn has_other_user(pod: &Pod<'_>, container: &Container<'_>) -> bool {
    let own = container.value().get("securityContext");
    let of_pod = pod.spec().value().get("securityContext");
    let user = [own, of_pod].into_iter().flatten().find_map(|context| context.get("runAsUser").and_then(Value::as_i64));
    let non_root =
        [own, of_pod].into_iter().flatten().any(|context| context.get("runAsNonRoot") == Some(&Value::Bool(true)));
    user.map_or(non_root, |user| user != 0)
}

/// Whether a volume that can be written to is mounted at `path`, above or below it.
fn is_writable(path: &str, pod: &Pod<'_>, container: &Container<'_>) -> bool {
    const READ_ONLY: &[&str] = &["configMap", "secret", "projected", "downwardAPI", "image"];
    list(container.value(), "volumeMounts").iter().any(|mount| {
        let near = text(mount, "mountPath").is_some_and(|mounted| covers(mounted, path) || covers(path, mounted));
        near && mount.get("readOnly").and_then(Value::as_bool) != Some(true)
            && !text(mount, "name")
                .and_then(|name| pod.volume(name))
                .is_some_and(|volume| READ_ONLY.iter().any(|source| !volume.get(source).is_absent()))
    })
}
