//! `weights-per-replica`: large weights that every replica downloads for itself.

use crate::context::Context;
use crate::finding::Finding;
use crate::object::Identity;
use crate::profile::Place;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "weights-per-replica",
    summary: "each replica downloads large weights for itself",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
Where every replica downloads the weights into a directory of its own, each new pod takes minutes to hours before it serves: an \
autoscaler reacts long after the load has come, a drained node is missed as long, and many pods at once meet the hub's \
[rate limits](https://huggingface.co/docs/hub/rate-limits). Download once and share: a claim that many nodes can read \
(`ReadOnlyMany`, `ReadWriteMany`), an [image volume](https://kubernetes.io/docs/concepts/storage/volumes/#image), a cache on \
each node, or a loader that streams from a bucket near by.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 4
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-32B]
          volumeMounts:
            - name: cache
              mountPath: /root/.cache/huggingface
      volumes:
        - name: cache
          emptyDir: {}
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
spec:
  replicas: 4
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model, Qwen/Qwen3-32B]
          volumeMounts:
            - name: cache
              mountPath: /root/.cache/huggingface
      volumes:
        - name: cache
          persistentVolumeClaim:
            claimName: models-read-by-many
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// About three minutes at the 100 MB a second of a usual download.
const LARGE: u64 = 20_000_000_000;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if pod.is_pod() || !pod.profile().serves_alone() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (container, known) in pod.ai_containers() {
        let Some(download) = pod.download(known) else { continue };
        let Some(bytes) = download.bytes.filter(|bytes| *bytes >= LARGE && download.at_start) else { continue };
        let own = match &download.place {
            Place::Container => true,
            Place::Volume(volume) => !volume.get("emptyDir").is_absent() || !volume.get("ephemeral").is_absent(),
            Place::Elsewhere(_) => false,
        };
        let Some(most) = own.then(|| most_replicas(pod, context)).flatten().filter(|most| *most >= 2) else { continue };
        let message = format!(
            "each of up to {most} replicas downloads {} GB or more for itself before it serves; share the weights: a claim that \
             many nodes read, an image volume, a cache on the node or a streaming loader",
            bytes / 1_000_000_000
        );
        let place = match &download.place {
            Place::Volume(volume) => volume.path().clone(),
            _ => container.path().clone(),
        };
        findings.push(RULE.finding(place, message));
    }
    findings
}

/// As many replicas as there may be: what an autoscaler goes up to, else what is written.
fn most_replicas(pod: &Pod<'_>, context: &Context<'_>) -> Option<i64> {
    let owner = Identity::of(pod.object());
    let namespace = owner.namespace.or(context.namespace);
    let ceiling = context.inventory.autoscalers_of(owner, namespace).present();
    let ceiling = ceiling.into_iter().flatten().filter_map(|autoscaler| autoscaler.ceiling).max();
    ceiling.into_iter().chain(pod.replicas()).max()
}
