//! `small-model-cache`: weights that do not fit where they are downloaded to.

use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::nearest;
use crate::node::{Node, text};
use crate::object::Identity;
use crate::path::Path;
use crate::profile::{Download, Place};
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "small-model-cache",
    summary: "the volume or limit is smaller than the weights that are downloaded",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A server that downloads more than there is room for never comes up: on a claim it runs out of space, beyond the `sizeLimit` of \
an `emptyDir` or the limit on `ephemeral-storage` the kubelet evicts the pod, and in a memory volume it is killed for its memory \
([Kubernetes: ephemeral storage](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage)). \
It shows only after the download, and then again and again. The size of the weights is that which the model's name tells, \
by parameters and precision, rounded down; a model whose name tells neither is let be.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, meta-llama/Llama-3.1-70B-Instruct]
      volumeMounts:
        - name: cache
          mountPath: /root/.cache/huggingface
  volumes:
    - name: cache
      emptyDir:
        sizeLimit: 50Gi
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
      args: [--model, meta-llama/Llama-3.1-70B-Instruct]
      volumeMounts:
        - name: cache
          mountPath: /root/.cache/huggingface
  volumes:
    - name: cache
      emptyDir:
        sizeLimit: 200Gi
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// A border that the weights must fit in.
struct Room {
    /// What it is, such as `the sizeLimit of its volume`.
    what: &'static str,
    size: Quantity,
    at: Path,
    /// What becomes of the pod beyond it.
    then: &'static str,
}

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known) in pod.ai_containers() {
        let Some(download) = pod.download(known) else { continue };
        let Some(bytes) = download.bytes.and_then(|bytes| i64::try_from(bytes).ok()) else { continue };
        let needed = Quantity::bytes(bytes);
        let Some(room) = smallest(pod, container, download, context).filter(|room| room.size < needed) else {
            continue;
        };
        let message = format!(
            "{} downloads weights of {} GB or more, and {} is {}: {}; make it larger than the weights",
            container.title(),
            bytes / 1_000_000_000,
            room.what,
            room.size,
            room.then
        );
        findings.push(RULE.finding(room.at, message));
    }
    findings
}

/// The narrowest border around the weights that is in sight.
fn smallest(pod: &Pod<'_>, container: &Container<'_>, download: &Download<'_>, context: &Context<'_>) -> Option<Room> {
    let room = |what, node: Node<'_>, then| {
        let size = Quantity::from_value(node.value()).filter(|size| *size > Quantity::ZERO)?;
        Some(Room { what, size, at: node.path().clone(), then })
    };
    let limit = |resource: &str| container.get("resources").get("limits").get(resource);
    let evicted = "the pod is evicted before it can serve";
    let full = "the download fails for want of space";
    let rooms = match &download.place {
        Place::Container => vec![room("its limit on ephemeral-storage", limit("ephemeral-storage"), evicted)],
        Place::Elsewhere(name) => vec![claim_template(pod, name).and_then(|claim| room("its claim", claim, full))],
        Place::Volume(volume) => {
            let directory = volume.get("emptyDir");
            let in_memory = directory.get("medium").as_str() == Some("Memory");
            let sized = room("the sizeLimit of its volume", directory.get("sizeLimit"), evicted);
            let killed = "it is killed for its memory";
            let memory =
                in_memory.then(|| room("its memory limit, against which the volume counts,", limit("memory"), killed));
            // The kubelet holds what all containers of the pod may write against what is on their volumes too.
            let alone = pod.containers().len() == 1 && !directory.is_absent() && !in_memory;
            let disk = alone.then(|| room("its limit on ephemeral-storage", limit("ephemeral-storage"), evicted));
            let template = ["ephemeral", "volumeClaimTemplate", "spec", "resources", "requests", "storage"];
            let ephemeral = room("its claim", volume.walk(&template), full);
            vec![sized, memory.flatten(), disk.flatten(), ephemeral, claim(pod, volume, context, full)]
        }
    };
    rooms.into_iter().flatten().min_by_key(|room| room.size)
}

/// The claim that a volume refers to, where it is in sight and there is no doubt which one is meant.
fn claim(pod: &Pod<'_>, volume: &Node<'_>, context: &Context<'_>, then: &'static str) -> Option<Room> {
    let reference = volume.walk(&["persistentVolumeClaim", "claimName"]);
    let name = reference.as_str()?;
    let namespace = Identity::of(pod.object()).namespace.or(context.namespace);
    let found = context.inventory.claims_named(name, namespace).present()?;
    let near = nearest(found, context.origin, |claim| claim.origin.as_str());
    let size = near.first()?.request?;
    let agreed = near.iter().all(|claim| claim.request == Some(size));
    agreed.then(|| Room { what: "its claim", size, at: reference.path().clone(), then })
}

/// The storage that the claim template of this name asks for, of a StatefulSet.
fn claim_template<'a>(pod: &Pod<'a>, name: &str) -> Option<Node<'a>> {
    if !pod.owner().is("apps", "StatefulSet") {
        return None;
    }
    let templates = Node::root(pod.object()).walk(&["spec", "volumeClaimTemplates"]);
    let template = templates
        .items()
        .find(|template| template.value().get("metadata").and_then(|metadata| text(metadata, "name")) == Some(name))?;
    Some(template.walk(&["spec", "resources", "requests", "storage"]))
}
