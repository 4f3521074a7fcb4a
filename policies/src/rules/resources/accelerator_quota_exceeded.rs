//! `accelerator-quota-exceeded`: a workload that alone asks for more accelerators than its namespace may have.

use serde_json::Value;

use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{Quota, Sight, is_beside, nearest};
use crate::node::{Node, integer, text};
use crate::object::Object;
use crate::path::Path;
use crate::quantity::Quantity;
use crate::rollout::Strategy;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::surge::{Surge, fewest, is_near};
use crate::workload::{Controller, Pod};

/// The rule.
pub static RULE: Rule = Rule {
    name: "accelerator-quota-exceeded",
    summary: "the workload alone asks for more accelerators than the quota allows",
    category: Category::Resources,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A [ResourceQuota](https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-for-extended-resources) with \
`requests.nvidia.com/gpu` counts the accelerators of all pods of its namespace, those that are Pending among them. Pods beyond it \
are not created at all: the Deployment looks well, and its events tell of `exceeded quota`. It is an error where the replicas \
times what each asks for is more than the quota, or not even one pod of a job has room; a warning where the pods of a job have \
no room side by side, where the most that an autoscaler may make is more, or where there is no room for the new pod with which \
each rollout begins. Either the quota or the numbers are wrong, which a person must tell.",
    bad: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  replicas: 3
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
          args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"4\"]
          resources:
            limits:
              nvidia.com/gpu: 4
---
apiVersion: v1
kind: ResourceQuota
metadata:
  name: gpus
  namespace: ml
spec:
  hard:
    requests.nvidia.com/gpu: 8
",
    good: "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  namespace: ml
spec:
  replicas: 3
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
          args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"4\"]
          resources:
            limits:
              nvidia.com/gpu: 4
---
apiVersion: v1
kind: ResourceQuota
metadata:
  name: gpus
  namespace: ml
spec:
  hard:
    requests.nvidia.com/gpu: 16
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

/// Controllers that a kind names as its own in `managedBy`.
const OWN_CONTROLLERS: &[&str] = &[
    "jobset.sigs.k8s.io/jobset-controller",
    "kubeflow.org/mpi-operator",
    "kubeflow.org/training-operator",
    "kubernetes.io/job-controller",
    "ray.io/kuberay-operator",
    "trainer.kubeflow.org/trainjob-controller",
];

fn check(object: &Object<'_>, context: &Context<'_>) -> Vec<Finding> {
    let Some(namespace) = object.identity().namespace.or(context.namespace) else { return Vec::new() };
    if object.pods().iter().all(|pod| pod.containers().iter().all(|one| one.accelerators(context.catalog()).is_empty()))
        || object.definition().is_some_and(|kind| kind.never_mutate)
    {
        return Vec::new();
    }
    let Sight::Present(quotas) = context.inventory.quotas_of(Some(namespace)) else { return Vec::new() };
    let quotas = nearest(quotas, context.origin, |quota| &quota.origin);
    let quotas: Vec<_> = quotas.into_iter().filter(|quota| is_beside(context.origin, &quota.origin)).collect();
    let mut resources: Vec<&str> = Vec::new();
    for asked in object.pods().iter().flat_map(|pod| &pod.profile().accelerators) {
        if !resources.contains(&asked.resource.as_str()) {
            resources.push(&asked.resource);
        }
    }
    resources.into_iter().filter_map(|resource| check_resource(object, resource, &quotas, context)).collect()
}

fn check_resource(object: &Object<'_>, resource: &str, quotas: &[&Quota], context: &Context<'_>) -> Option<Finding> {
    let key = format!("requests.{resource}");
    // One that is about some pods only may not be about these; several of one name are variants, of which the
    // largest counts. All names must be kept to.
    let known: Vec<_> =
        quotas.iter().filter(|quota| !quota.scoped).filter_map(|quota| Some((quota.most(&key)?, quota))).collect();
    let is_largest =
        |most: Quantity, quota: &Quota| !known.iter().any(|(other, one)| one.name == quota.name && *other > most);
    let largest = known.iter().filter(|(most, quota)| is_largest(*most, quota));
    let (most, quota) = *largest.min_by(|one, other| one.0.cmp(&other.0))?;
    let allowed = most.value();
    let exceeds = |count: i64| Quantity::units(count) > most;
    let total = total(object, resource, context);
    let at = place(object, resource)?;
    let name = &quota.name;
    if exceeds(total) {
        // Where pods end, or others start them, they may run in turns, unless not even one has room.
        let is_certain = |pod: &Pod<'_>| {
            let lasts = pod.is_pod() || matches!(pod.controller(), Controller::ReplicaSet | Controller::StatefulSet);
            count(pod, context) > 0 && (lasts || exceeds(asked(pod, resource)))
        };
        let certain = object.pods().iter().any(is_certain);
        let follows = if certain { "those beyond it are never created" } else { "some wait until others have ended" };
        let message =
            format!("its pods ask for {total} `{resource}` in all and the quota `{name}` allows {allowed}: {follows}");
        let finding = RULE.finding(at, message);
        return Some(if certain { finding } else { finding.at_most(Severity::Warning) });
    }
    let [pod] = object.pods() else { return None };
    let each = asked(pod, resource);
    let namespace = object.identity().namespace.or(context.namespace);
    if let Sight::Present(scalers) = context.inventory.autoscalers_of(object.identity(), namespace) {
        let near = scalers.iter().filter(|scaler| is_near(scaler, namespace, context));
        let ceiling = near.map(|scaler| scaler.ceiling).min().flatten().unwrap_or(0);
        let wanted = ceiling.saturating_mul(each);
        if exceeds(wanted) {
            let message = format!(
                "the autoscaler may make {ceiling} pods of {each} `{resource}`, {wanted} in all, and the quota `{name}` allows \
                 {allowed}"
            );
            return Some(RULE.finding(at, message).at_most(Severity::Warning));
        }
    }
    let more = match Strategy::of(pod)? {
        Strategy::Recreate => return None,
        Strategy::Beside => fewest(pod, context)?,
        Strategy::Rolling(_) => Surge::of(pod, context).map(|_| 1)?,
    };
    let wanted = total.saturating_add(more.saturating_mul(each));
    exceeds(wanted).then(|| {
        let message = format!(
            "a rollout starts {} before an old one may go, which makes {wanted} `{resource}`, and the quota `{name}` allows \
             {allowed}: it hangs",
            if more == 1 { "a new pod".to_owned() } else { format!("{more} new pods") }
        );
        RULE.finding(at, message).at_most(Severity::Warning)
    })
}

/// What all pods that are surely made ask for in all.
fn total(object: &Object<'_>, resource: &str, context: &Context<'_>) -> i64 {
    let wanted = object.pods().iter().map(|pod| count(pod, context).saturating_mul(asked(pod, resource)));
    // Of templates of pods that come in groups some may stand for no pod at all, and some may wait for the end of others.
    let grouped = object.definition().is_some_and(|kind| kind.templates.iter().any(|one| one.group_size.is_some()))
        || object.pods().iter().any(waits);
    if grouped { wanted.max().unwrap_or(0) } else { wanted.fold(0, i64::saturating_add) }
}

/// How many pods of a template there are at the least at a time; none where that is not known.
fn count(pod: &Pod<'_>, context: &Context<'_>) -> i64 {
    if is_held(pod) {
        return 0;
    }
    let declared = fewest(pod, context);
    if pod.controller() != Controller::Job || pod.is_pod() {
        return declared.unwrap_or(0).max(0);
    }
    let job = pod.root().parent().and_then(|spec| spec.get(pod.object()));
    let completions = job.and_then(|job| integer(job.get("completions"))).unwrap_or(i64::MAX);
    declared.unwrap_or(1).min(completions).max(0)
}

/// What stands above the pod in its object, from the nearest on.
fn above<'a>(pod: &Pod<'a>) -> impl Iterator<Item = &'a Value> + use<'a> {
    let object = pod.object();
    std::iter::successors(pod.root().parent(), Path::parent).filter_map(move |path| path.get(object))
}

/// Whether the pod is not made for now, or in another cluster: it is suspended, or somebody else's to make.
fn is_held(pod: &Pod<'_>) -> bool {
    above(pod).any(|level| {
        [Some(level), level.get("runPolicy")].into_iter().flatten().any(|level| {
            level.get("suspend") == Some(&Value::Bool(true))
                || text(level, "managedBy").is_some_and(|name| !OWN_CONTROLLERS.contains(&name))
        })
    })
}

/// Whether the pod is made when others have come so far.
fn waits(pod: &Pod<'_>) -> bool {
    above(pod).any(|level| level.get("dependsOn").is_some_and(|others| !others.is_null()))
}

/// How much of `resource` one pod asks for.
fn asked(pod: &Pod<'_>, resource: &str) -> i64 {
    pod.profile().accelerators.iter().find(|asked| asked.resource == resource).map_or(0, |asked| asked.count)
}

/// Where the first of the containers that ask for `resource` does so.
fn place(object: &Object<'_>, resource: &str) -> Option<Path> {
    let containers = object.pods().iter().flat_map(Pod::containers);
    containers
        .flat_map(|container| {
            let resources = container.get("resources");
            [resources.get("limits").get(resource), resources.get("requests").get(resource)]
        })
        .find(|node: &Node<'_>| !node.is_absent())
        .map(|node| node.path().clone())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;
    use crate::inventory::Inventory;
    use crate::policy::Effective;

    /// How grave it is under a quota of eight that a Job runs so many pods at a time, with so many accelerators each.
    fn severity(parallelism: i64, each: i64) -> Option<Severity> {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpus", "namespace": "ml"},
            "spec": {"hard": {"requests.nvidia.com/gpu": "8"}}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "embed", "namespace": "ml"},
            "spec": {"parallelism": parallelism, "completions": 100, "template": {"spec": {"containers": [
                {"name": "embed", "resources": {"limits": {"nvidia.com/gpu": each}}}]}}}});
        let mut inventory = Inventory::whole();
        inventory.add(&quota, "", Catalog::builtin());
        let policy = Effective::recommended();
        let today = date(2026, 11, 22);
        let context = Context { policy: &policy, inventory: &inventory, namespace: None, origin: "", today };
        check(&Object::new(&job, Catalog::builtin()), &context).first().map(|finding| finding.severity)
    }

    #[test]
    fn pods_of_a_job_may_run_in_turns() {
        assert_eq!(severity(8, 1), None);
        assert_eq!(severity(16, 1), Some(Severity::Warning));
        assert_eq!(severity(1, 16), Some(Severity::Error));
    }
}
