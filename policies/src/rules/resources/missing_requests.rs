//! `missing-requests`: an AI container that tells the scheduler nothing about the CPU or memory it needs.

use serde_json::json;

use super::namespace_bounds::{Amounts, NamespaceBounds, Proposal};
use super::sizes;
use crate::catalog::Completion;
use crate::container::Container;
use crate::context::Context;
use crate::finding::{Finding, Fix, Safety};
use crate::inventory::{Given, Sight};
use crate::quantity::Quantity;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "missing-requests",
    summary: "an AI container requests no CPU or no memory",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
The scheduler reserves what is [requested](https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/), \
and nothing else. A model server without a memory request lands on a node that cannot hold its weights and is the first to \
be evicted there; without a CPU request its tokenizer and data loaders starve beside neighbours. The right size is the \
author's to know. Where the Policy gives sizes, they are put in; Buttress' own sizes (1 CPU and 4Gi, or 4 CPU and 16Gi an \
accelerator) are a guess, made only with `--unsafe-fixes`. Nothing is put in where Kueue, Ray or a vertical autoscaler \
decides on resources, nor for a resource of which a HorizontalPodAutoscaler measures the utilisation, nor what a \
[LimitRange](https://kubernetes.io/docs/concepts/policy/limit-range/) or ResourceQuota of the namespace would refuse. What a \
LimitRange gives each container is not missing.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: trainer
          image: registry.example.com/finetune:1.2
          command: [torchrun, --nproc-per-node=1, train.py]
          resources:
            limits:
              nvidia.com/gpu: 1
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: trainer
          image: registry.example.com/finetune:1.2
          command: [torchrun, --nproc-per-node=1, train.py]
          resources:
            limits:
              nvidia.com/gpu: 1
            requests:
              cpu: \"4\"
              memory: 16Gi
",
    fixable: Fixable::Either,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !pod.has_spec() || sizes::are_of_the_whole_pod(pod) || pod.is_completed(Completion::Resources) {
        return Vec::new();
    }
    let lacking = pod.ai_containers().filter_map(|(container, known)| Lack::of(container, known.index));
    let mut lacking: Vec<Lack<'_, '_>> = lacking.collect();
    if lacking.is_empty() {
        return Vec::new();
    }
    let bounds = NamespaceBounds::of(pod, context);
    for lack in &mut lacking {
        // What the namespace gives each container is requested like what its author wrote.
        lack.resources.retain(|resource| bounds.given(Amounts::Requests, resource) == Given::None);
    }
    lacking.retain(|lack| !lack.resources.is_empty());
    let sizes: Vec<_> = lacking.iter().map(|lack| lack.sizes(pod, context)).collect();
    let proposals: Vec<Proposal> = lacking
        .iter()
        .zip(&sizes)
        .flat_map(|(lack, sizes)| sizes.iter().flatten().map(|(resource, value, _)| lack.proposal(resource, *value)))
        .collect();
    let refusal = bounds.refusal(pod, &proposals);
    lacking.iter().zip(sizes).map(|(lack, sizes)| lack.finding(sizes, refusal.as_deref())).collect()
}

/// A container with the resources that it does not request.
struct Lack<'p, 'a> {
    container: &'p Container<'a>,
    index: usize,
    resources: Vec<&'static str>,
}

impl<'p, 'a> Lack<'p, 'a> {
    fn of(container: &'p Container<'a>, index: usize) -> Option<Self> {
        let resources = container.value().get("resources");
        let given = |list: &str, resource: &str| {
            resources.and_then(|resources| resources.get(list)?.get(resource)).is_some_and(|value| !value.is_null())
        };
        // A limit alone is a request of the same size, which the API server fills in.
        let lacks = |resource: &&str| ["requests", "limits"].iter().all(|list| !given(list, resource));
        let resources: Vec<_> = ["cpu", "memory"].into_iter().filter(lacks).collect();
        (!resources.is_empty()).then_some(Self { container, index, resources })
    }

    /// What would be put in; `None` where it is not ours to decide.
    fn sizes(&self, pod: &Pod<'_>, context: &Context<'_>) -> Option<Vec<(&'static str, Quantity, Safety)>> {
        let size = |resource: &&'static str| {
            let (size, safety) = sizes::request(self.container, pod, context, resource)?;
            is_ours(pod, context, resource).then_some((*resource, size, safety))
        };
        self.resources.iter().map(size).collect()
    }

    fn proposal(&self, resource: &'static str, value: Quantity) -> Proposal {
        Proposal { container: self.index, amounts: Amounts::Requests, resource, value }
    }

    fn finding(&self, sizes: Option<Vec<(&'static str, Quantity, Safety)>>, refusal: Option<&str>) -> Finding {
        let words = match self.resources.as_slice() {
            [one] => format!("no {one}"),
            _ => "neither CPU nor memory".to_owned(),
        };
        let mut message = format!("{} requests {words}: the scheduler reserves nothing for it", self.container.title());
        let requests = self.container.node().walk(&["resources", "requests"]);
        let Some(sizes) = sizes else { return RULE.finding(requests.path().clone(), message) };
        if let Some(refusal) = refusal {
            message = format!("{message}; nothing is put in, {refusal}");
            return RULE.finding(requests.path().clone(), message);
        }
        let safety = sizes.iter().map(|(_, _, safety)| *safety).max().unwrap_or(Safety::Unsafe);
        let edits =
            sizes.iter().map(|(resource, size, _)| requests.get(resource).set(json!(size.to_string()))).collect();
        let shown =
            sizes.iter().map(|(resource, size, _)| format!("{size} {resource}")).collect::<Vec<_>>().join(" and ");
        let title = format!("request {shown}");
        let finding = RULE.finding(requests.path().clone(), message);
        finding.with_fix(if safety == Safety::Safe { Fix::safe(title, edits) } else { Fix::r#unsafe(title, edits) })
    }
}

/// Whether the request is nobody else's to decide.
fn is_ours(pod: &Pod<'_>, context: &Context<'_>, resource: &str) -> bool {
    if pod.is_queued()
        || pod.is_decided_elsewhere()
        || pod.owner().group == "ray.io"
        || pod.refuses("/containers/*/resources")
    {
        return false;
    }
    let namespace = pod.owner().namespace.or(context.namespace);
    let scaled = pod.scaled();
    if context.inventory.has_vertical_autoscaler(scaled, namespace) {
        return false;
    }
    // Nothing scales a lone pod, a Job or a DaemonSet.
    if matches!(pod.controller(), Controller::None | Controller::Job | Controller::DaemonSet) {
        return true;
    }
    match context.inventory.autoscalers_of(scaled, namespace) {
        Sight::Absent => true,
        Sight::Present(scalers) => {
            scalers.iter().all(|scaler| scaler.utilization_of.iter().all(|used| used != resource))
        }
        Sight::Unknown => context.policy.injection().requests.insist,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::catalog::Catalog;
    use crate::inventory::Inventory;
    use crate::object::Object;
    use crate::policy::Effective;

    /// The only finding on a pod of a ReplicaSet of the Deployment `llm`, with these objects in `inventory`.
    fn admitted(mut inventory: Inventory, around: &[serde_json::Value]) -> Finding {
        for object in around {
            inventory.add(object, "", Catalog::builtin());
        }
        let owner =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "llm-5d59d67564", "controller": true}]);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"generateName": "llm-5d59d67564-", "namespace": "ml", "ownerReferences": owner},
            "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai:v0.11.0", "args": ["--model", "Qwen/Qwen3-8B"]}]}});
        let policy = Effective::recommended();
        let today = date(2026, 11, 22);
        let context = Context { policy: &policy, inventory: &inventory, namespace: Some("ml"), origin: "", today };
        let object = Object::new(&pod, Catalog::builtin());
        let mut found = check(&object.pods()[0], &context);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn autoscaler(version: &str, kind: &str, name: &str, resource: &str) -> serde_json::Value {
        let target = json!({"type": "Utilization", "averageUtilization": 70});
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h", "namespace": "ml"},
            "spec": {"maxReplicas": 4, "scaleTargetRef": {"apiVersion": version, "kind": kind, "name": name},
                     "metrics": [{"type": "Resource", "resource": {"name": resource, "target": target}}]}})
    }

    #[test]
    fn a_pod_of_a_replica_set_is_repaired_where_the_cluster_tells_that_nothing_measures_it() {
        for (around, repaired) in [
            (vec![], true),
            (vec![autoscaler("apps/v1", "Deployment", "other", "cpu")], true),
            (vec![autoscaler("apps/v1", "Deployment", "llm", "nvidia.com/gpu")], true),
            (vec![autoscaler("apps/v1", "Deployment", "llm", "cpu")], false),
            (vec![autoscaler("apps/v1", "Deployment", "llm", "memory")], false),
            (vec![autoscaler("serving.example.com/v1", "Model", "other", "cpu")], false),
        ] {
            assert_eq!(admitted(Inventory::of_cluster(), &around).fix.is_some(), repaired, "{around:?}");
        }
        assert!(admitted(Inventory::unknown(), &[]).fix.is_none());
    }

    #[test]
    fn what_the_namespace_refuses_is_told_and_not_put_in() {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "namespace": "ml"},
            "spec": {"hard": {"requests.memory": "2Gi"}}});
        let found = admitted(Inventory::of_cluster(), &[quota]);
        assert!(found.fix.is_none());
        assert_eq!(
            found.message,
            "`server` requests neither CPU nor memory: the scheduler reserves nothing for it; nothing is put in, as the pod \
             would ask for 4Gi and the quota `team` allows 2Gi of `requests.memory` in all: set less"
        );
    }
}
