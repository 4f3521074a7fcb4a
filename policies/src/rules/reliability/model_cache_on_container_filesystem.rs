//! `model-cache-on-container-filesystem`: weights that are downloaded anew whenever the container restarts.

use serde_json::json;

use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::Node;
use crate::profile::{ContainerProfile, Download, Place};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "model-cache-on-container-filesystem",
    summary: "downloaded weights are lost whenever the container restarts",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
What a container writes outside of volumes is gone when it restarts \
([Kubernetes: volumes](https://kubernetes.io/docs/concepts/storage/volumes/)). A server that keeps its downloads there takes the \
time of the whole download, and depends on the hub, after each crash; meanwhile the weights fill the filesystem on which the \
node keeps its images and logs, and the kubelet evicts pods when it runs full. An `emptyDir` outlives the container, though not \
the pod; a claim outlives both and spares new pods the download. The repair mounts an `emptyDir` on the directory, on request, \
as it hides what the image may have there.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B]
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B]
      volumeMounts:
        - name: model-cache
          mountPath: /root/.cache/huggingface
  volumes:
    - name: model-cache
      emptyDir: {}
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// Weights that are there again within seconds are not worth a word.
const SMALL: u64 = 2_000_000_000;

/// The volume that the repair adds.
const VOLUME: &str = "model-cache";

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    // What does not restart loses nothing by it.
    if pod.restart_policy() == "Never" || pod.definition().runs_to_completion {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (container, known) in pod.ai_containers() {
        let Some(download) = pod.download(known) else { continue };
        let large = download.bytes.is_none_or(|bytes| bytes >= SMALL);
        let read_only = container.value().pointer("/securityContext/readOnlyRootFilesystem") == Some(&json!(true));
        if !large || read_only || !matches!(download.place, Place::Container) {
            continue;
        }
        let finding = RULE.finding(container.path().clone(), message(pod, container, known, download));
        // Two servers of a pod may not be meant to share what they download.
        let fix = findings.is_empty().then(|| fix(pod, container, known, download)).flatten();
        findings.push(match fix {
            Some(fix) => finding.with_fix(fix),
            None => finding,
        });
    }
    findings
}

fn message(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile, download: &Download<'_>) -> String {
    let title = container.title();
    let size = download.bytes.map(|bytes| format!(" of {} GB or more", bytes / 1_000_000_000)).unwrap_or_default();
    // A directory that a variable names is the author's to know.
    let usual = known.runtime.as_ref().and_then(|runtime| runtime.model_cache.paths.first());
    let place = usual.filter(|path| download.directory.as_ref() == Some(path));
    let place = place.map(|path| format!(" (`{path}`)")).unwrap_or_default();
    // Gangs are made anew as a whole, with new volumes.
    let volume = if pod.is_gang() { "a claim" } else { "a claim or an `emptyDir`" };
    if download.at_start {
        format!(
            "{title} downloads weights{size} to the container's own filesystem{place}: each restart downloads them again, and \
             they fill the node's disk; mount {volume} there"
        )
    } else {
        format!(
            "{title} keeps the models that it pulls on the container's own filesystem{place}: each restart loses them, and \
             they fill the node's disk; mount {volume} there"
        )
    }
}

fn fix(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile, download: &Download<'_>) -> Option<Fix> {
    let usual = &known.runtime.as_ref()?.model_cache.paths;
    let directory = download.directory.as_ref().filter(|path| usual.contains(path) || is_for_data(path))?;
    if pod.is_gang() || pod.volume(VOLUME).is_some() || is_claim_template(pod) {
        return None;
    }
    let edits = vec![
        pod.spec().get("volumes").append(json!({"name": VOLUME, "emptyDir": {}})),
        container.get("volumeMounts").append(json!({"name": VOLUME, "mountPath": directory})),
    ];
    Some(Fix::r#unsafe("keep the weights in an `emptyDir`", edits))
}

/// Whether a directory is one where images keep data alone: an empty volume over any other may hide programs.
fn is_for_data(path: &str) -> bool {
    let mut parts = path.strip_prefix('/').unwrap_or_default().trim_end_matches('/').split('/');
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(':');
    let of_data = match parts.next() {
        Some("data" | "models" | "cache") => true,
        Some("mnt") => parts.clone().next().is_some(),
        Some("root") => parts.next() == Some(".cache"),
        Some("home") => parts.next().is_some_and(plain) && parts.next() == Some(".cache"),
        _ => false,
    };
    of_data && parts.all(plain)
}

/// Whether each replica has a claim of the name that the repair gives its volume.
fn is_claim_template(pod: &Pod<'_>) -> bool {
    let templates = Node::root(pod.object()).walk(&["spec", "volumeClaimTemplates"]);
    templates.items().any(|template| template.walk(&["metadata", "name"]).value().as_str() == Some(VOLUME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_volume_hides_no_programs() {
        for path in ["/data", "/models/", "/cache/hf", "/mnt/disk", "/root/.cache/huggingface", "/home/vllm/.cache"] {
            assert!(is_for_data(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/mnt",
            "/mnt/",
            "/root",
            "/home/vllm",
            "/home//.cache",
            "/usr/local",
            "/opt/conda",
            "/etc",
            "/vllm-workspace",
            "/data/../usr",
            "/models/a:b",
            "/data//hf",
            "models",
        ] {
            assert!(!is_for_data(path), "{path}");
        }
    }
}
