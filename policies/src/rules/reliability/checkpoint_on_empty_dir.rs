//! `checkpoint-on-empty-dir`: training that is tried again keeps its checkpoints where the next try does not find them.

use serde_json::Value;

use crate::catalog::Role;
use crate::container::{Container, ContainerRole, covers};
use crate::context::Context;
use crate::finding::Finding;
use crate::job::Job;
use crate::node::{integer, list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::{Flag, Setting};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "checkpoint-on-empty-dir",
    summary: "checkpoints lie on an emptyDir, which a new try of the run does not see",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
An [emptyDir](https://kubernetes.io/docs/concepts/storage/volumes/#emptydir) outlives a container and not its pod. A \
container that is restarted in its pod (`restartPolicy: OnFailure`) finds its checkpoints again; the pod that takes the place \
of one that was drained, preempted, evicted or lost with its node does not, and begins from nothing, as often as the Job \
tries. And when the run is over, what it made goes with the pod. Checkpoints belong on a PersistentVolumeClaim or in an object \
store. A directory that another container of the pod mounts too, or that the program or a hook uploads, is let be.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  backoffLimit: 4
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, train.py, --output_dir, /checkpoints]
          resources:
            limits:
              nvidia.com/gpu: 1
          volumeMounts:
            - name: checkpoints
              mountPath: /checkpoints
      volumes:
        - name: checkpoints
          emptyDir: {}
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  backoffLimit: 4
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, train.py, --output_dir, /checkpoints]
          resources:
            limits:
              nvidia.com/gpu: 1
          volumeMounts:
            - name: checkpoints
              mountPath: /checkpoints
      volumes:
        - name: checkpoints
          persistentVolumeClaim:
            claimName: checkpoints
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Flags that say where checkpoints, or what a trainer makes, are written.
const FLAGS: [&str; 10] = [
    "--output-dir",
    "--checkpoint-dir",
    "--checkpoint-path",
    "--checkpoints-dir",
    "--ckpt-dir",
    "--ckpt-path",
    "--save-dir",
    "--save-path",
    "--save",
    "--default-local-dir",
];

/// Variables that say so.
const VARIABLES: [&str; 7] =
    ["CHECKPOINT_DIR", "CHECKPOINT_PATH", "CHECKPOINTS_DIR", "CKPT_DIR", "OUTPUT_DIR", "SAVE_DIR", "MODEL_OUTPUT_DIR"];

/// What in a command tells that the program, or its script, takes what it made elsewhere.
const UPLOADS: [&str; 12] = [
    "://",
    "gsutil",
    "rclone",
    "s5cmd",
    "azcopy",
    "aws s3",
    "upload",
    "push_to_hub",
    "push-to-hub",
    "hub_model_id",
    "rsync",
    "mc cp",
];

/// How the addresses of object stores begin.
const STORES: [&str; 10] =
    ["s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://", "wasbs://", "oss://", "hdfs://", "hf://"];

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    if pod.profile().role != Role::Training || pod.is_pod() {
        return Vec::new();
    }
    let mut volumes = pod.volumes().filter(|volume| !volume.get("emptyDir").is_absent()).peekable();
    if volumes.peek().is_none() || !is_tried_again(pod) {
        return Vec::new();
    }
    let empty: Vec<&str> = volumes.filter_map(|volume| text(volume.value(), "name")).collect();
    let mut found: Vec<Finding> = Vec::new();
    for (index, container) in pod.containers().iter().enumerate() {
        if container.role() != ContainerRole::Regular || takes_elsewhere(container) {
            continue;
        }
        let Some((mount, why)) = place(pod, index, container, &empty) else { continue };
        let Some(name) = text(mount, "name").filter(|name| !is_shared(pod, container, name)) else { continue };
        let Some(volume) = pod.volumes().find(|volume| text(volume.value(), "name") == Some(name)) else { continue };
        let at = volume.get("emptyDir").path().clone();
        if found.iter().any(|finding| finding.at == at) {
            continue;
        }
        let message = format!(
            "{why} lies on an emptyDir, which is gone with its pod: a try after a drain or a lost node starts from nothing; \
             use a PersistentVolumeClaim or an object store"
        );
        found.push(RULE.finding(at, message));
    }
    found
}

/// Whether a new pod takes the place of one that is lost, as far as the object says.
fn is_tried_again(pod: &Pod<'_>) -> bool {
    if let Some(job) = Job::of(pod) {
        return !job.is_scheduled() && (job.is_restarted() || job.backoff_limit().is_some_and(|limit| limit > 0));
    }
    let there = |pointer: &str| pod.object().pointer(pointer).is_some_and(|value| !value.is_null());
    match (pod.owner().group, pod.owner().kind) {
        ("kubeflow.org", _) => {
            let limit = pod.object().pointer("/spec/runPolicy/backoffLimit");
            let replica = pod.root().parent().and_then(|path| path.get(pod.object())).unwrap_or(&Value::Null);
            let policy = text(replica, "restartPolicy");
            integer(limit) != Some(0)
                && (there("/spec/elasticPolicy") || matches!(policy, Some("ExitCode" | "Always" | "OnFailure")))
        }
        ("batch.volcano.sh", "Job") => {
            integer(pod.object().pointer("/spec/maxRetry")) != Some(0)
                && list(pod.object().get("spec").unwrap_or(&Value::Null), "policies")
                    .iter()
                    .any(|policy| text(policy, "action").is_some_and(|action| action.starts_with("Restart")))
        }
        _ => false,
    }
}

/// The mount of an emptyDir on which the container writes its checkpoints, and what tells so.
fn place<'a>(pod: &Pod<'a>, index: usize, container: &Container<'a>, empty: &[&str]) -> Option<(&'a Value, String)> {
    let mounts = list(container.value(), "volumeMounts");
    let on = |path: &str| {
        let nearest = mounts
            .iter()
            .filter(|mount| text(mount, "mountPath").is_some_and(|at| covers(at, path)))
            .max_by_key(|mount| text(mount, "mountPath").map(|at| at.trim_end_matches('/').len()))?;
        is_candidate(nearest, empty).then_some(nearest)
    };
    let told = pod.invocations().get(index)?;
    for command in &told.line.commands {
        for flag in FLAGS {
            match command.flag(flag) {
                Some(Flag::Set(path)) if path.starts_with('/') => {
                    if let Some(mount) = on(path) {
                        return Some((mount, format!("what `{flag}` names")));
                    }
                }
                _ => {}
            }
        }
    }
    for variable in VARIABLES {
        match told.environment.get(variable) {
            Setting::Set(path) if path.starts_with('/') => {
                if let Some(mount) = on(path) {
                    return Some((mount, format!("what `{variable}` names")));
                }
            }
            _ => {}
        }
    }
    let named = mounts.iter().find(|mount| {
        let last = text(mount, "mountPath").and_then(|at| at.trim_end_matches('/').rsplit('/').next());
        is_candidate(mount, empty) && [text(mount, "name"), last].into_iter().flatten().any(tells_of_checkpoints)
    })?;
    Some((named, format!("the volume `{}`", text(named, "name").unwrap_or_default())))
}

/// Whether the name of a volume or directory is that of a place for checkpoints, and not of one that was fetched.
fn tells_of_checkpoints(name: &str) -> bool {
    matches!(name, "checkpoint" | "checkpoints" | "ckpt" | "ckpts")
        || ["checkpoint-", "checkpoints-", "training-", "train-"].iter().any(|start| name.starts_with(start))
            && ["-dir", "-vol", "-volume", "-storage", "-checkpoint", "-checkpoints", "-ckpt"]
                .iter()
                .any(|end| name.ends_with(end))
            && (name.contains("checkpoint") || name.contains("ckpt"))
}

/// Whether a mount is that of an emptyDir that can be written to, and none that is scratch by its place.
fn is_candidate(mount: &Value, empty: &[&str]) -> bool {
    let at = text(mount, "mountPath").unwrap_or_default();
    let scratch = covers("/tmp", at) || covers("/dev/shm", at) || covers("/var/tmp", at) || at.contains("cache");
    !scratch
        && mount.get("readOnly").and_then(Value::as_bool) != Some(true)
        && text(mount, "name").is_some_and(|name| empty.contains(&name))
}

/// Whether another container mounts the volume too: to fill it, or to take what is in it elsewhere.
fn is_shared(pod: &Pod<'_>, own: &Container<'_>, volume: &str) -> bool {
    pod.containers()
        .iter()
        .filter(|other| other.path() != own.path())
        .any(|other| list(other.value(), "volumeMounts").iter().any(|mount| text(mount, "name") == Some(volume)))
}

/// Whether the container's command or hooks speak of taking things elsewhere, or a variable names an object store.
fn takes_elsewhere(container: &Container<'_>) -> bool {
    let uploads = |text: &str| UPLOADS.iter().any(|upload| text.contains(upload));
    let hook = |name: &str| {
        let exec = container.value().get("lifecycle").and_then(|hooks| hooks.get(name)?.get("exec"));
        let words: Vec<&str> =
            exec.map(|exec| list(exec, "command")).unwrap_or_default().iter().filter_map(Value::as_str).collect();
        uploads(&words.join(" "))
    };
    container.command().iter().chain(&container.args()).any(|word| uploads(word))
        || ["preStop", "postStart"].into_iter().any(hook)
        || list(container.value(), "env")
            .iter()
            .filter_map(|variable| text(variable, "value"))
            .any(|value| STORES.iter().any(|store| value.contains(store)))
}
