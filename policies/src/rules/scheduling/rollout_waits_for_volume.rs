//! `rollout-waits-for-volume`: a new pod that waits for the volume of the old one, which waits for the new pod.

use serde_json::json;

use super::claims::{Holder, held, stays_on_one_node};
use super::surge::Surge;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::rollout::{place_of_rolling_update, spec_of};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "rollout-waits-for-volume",
    summary: "the new pod of a rollout waits for the volume that the old one holds",
    category: Category::Scheduling,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
By default a Deployment of one replica brings the new pod up before it takes the old one away. If both mount the same \
[ReadWriteOnce](https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes) claim and the new pod lands on \
another node, as it does where the accelerators of the first are taken, it waits for the volume (Multi-Attach error) while the \
old pod waits for it to be ready: the rollout hangs until somebody deletes a pod. With ReadWriteOncePod it does so on every \
node. `type: Recreate` takes the old pod away first. The model is then away while it loads, so the repair is unsafe; a \
StatefulSet does the same by itself.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ollama
spec:
  selector:
    matchLabels:
      app: ollama
  template:
    metadata:
      labels:
        app: ollama
    spec:
      containers:
        - name: ollama
          image: ollama/ollama:0.12.0
          volumeMounts:
            - name: models
              mountPath: /root/.ollama
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: ollama
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ollama
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 100Gi
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ollama
spec:
  selector:
    matchLabels:
      app: ollama
  template:
    metadata:
      labels:
        app: ollama
    spec:
      containers:
        - name: ollama
          image: ollama/ollama:0.12.0
          volumeMounts:
            - name: models
              mountPath: /root/.ollama
      volumes:
        - name: models
          persistentVolumeClaim:
            claimName: ollama
  strategy:
    type: Recreate
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: ollama
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 100Gi
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if pod.is_pod() || pod.operator().is_some() {
        return Vec::new();
    }
    let held = held(pod, context);
    if held.is_empty() {
        return Vec::new();
    }
    // Of several pods that share the volume another rule speaks.
    if Surge::of(pod, context).is_none_or(|surge| surge.replicas != 1) {
        return Vec::new();
    }
    let findings = held.into_iter().filter_map(|claim| {
        let what = match claim.holder {
            Holder::Pod => "which is ReadWriteOncePod: the new one waits for the old one, and the old one for it",
            Holder::Node if stays_on_one_node(pod) => return None,
            Holder::Node => {
                "which is ReadWriteOnce: on another node the new one waits for the old one, and the old one for it"
            }
        };
        let message = format!(
            "a rollout starts a new pod before the old one goes, and both mount the claim `{}`, {what}",
            claim.name
        );
        let finding = RULE.finding(claim.at.path().clone(), message);
        match fix(pod, context) {
            Some(fix) => Some(finding.with_fix(fix)),
            None => Some(finding),
        }
    });
    findings.collect()
}

/// The repair that takes the old pod away first. What an autoscaler may make several of is not taken away all at once.
fn fix(pod: &Pod<'_>, context: &Context<'_>) -> Option<Fix> {
    let namespace = pod.owner().namespace.or(context.namespace);
    if let Sight::Present(_) = context.inventory.autoscalers_of(pod.owner(), namespace) {
        return None;
    }
    let title = "take the old pod away before the new one comes";
    if pod.owner().group == "argoproj.io" {
        let (rolling, _) = place_of_rolling_update(pod)?;
        let edits = vec![rolling.get("maxSurge").set(json!(0)), rolling.get("maxUnavailable").set(json!(1))];
        return Some(Fix::r#unsafe(title, edits));
    }
    let strategy = spec_of(pod)?.get("strategy");
    let mut edits = vec![strategy.get("type").set(json!("Recreate"))];
    let rolling = strategy.get("rollingUpdate");
    // The API server refuses the one with the other.
    if strategy.value().get("rollingUpdate").is_some() {
        edits.push(rolling.remove());
    }
    Some(Fix::r#unsafe(title, edits))
}
