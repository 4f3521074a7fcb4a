//! `parallelism-above-accelerators`: a server is told to spread its model over more devices than it has.

use crate::catalog::Catalog;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::object::Object;
use crate::profile::{ContainerProfile, Devices, Spread};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::demand;
use crate::workload::Pod;

use super::spread::{self, Spreading};

/// The rule.
pub static RULE: Rule = Rule {
    name: "parallelism-above-accelerators",
    summary: "a model is to be spread over more accelerators than its pods have",
    category: Category::Resources,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A model server starts one process for each device that its tensor, pipeline and data parallel degrees multiply to. With fewer \
devices in the container it ends before it has loaded anything: vLLM says that the \
[world size](https://docs.vllm.ai/en/latest/serving/parallelism_scaling.html) is larger than the number of GPUs, others fail in \
CUDA or NCCL, and the pod crashes for ever. Devices of other pods count only where the server joins them: by Ray, by its own \
flags for several nodes, or in a group such as a LeaderWorkerSet, of which all pods are reckoned together.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"4\"]
      resources:
        limits:
          nvidia.com/gpu: 2
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
      args: [--model, Qwen/Qwen3-32B, --tensor-parallel-size, \"4\"]
      resources:
        limits:
          nvidia.com/gpu: 4
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    spread::all(pod, catalog, |_| true)
        .into_iter()
        .filter_map(|(container, known, found)| check_one(pod, container, known, &found, catalog))
        .collect()
}

fn check_one(
    pod: &Pod<'_>,
    container: &Container<'_>,
    known: &ContainerProfile,
    found: &Spreading<'_>,
    catalog: &Catalog,
) -> Option<Finding> {
    let Spreading { spread, devices, .. } = found;
    let group = pod.group_size().filter(|size| *size > 1);
    let fits = spread.here <= devices.count;
    if fits && group.is_none() || found.sees_others || demand::is_dealt_out_by_others(pod, catalog) {
        return None;
    }
    let name = &known.runtime.as_ref()?.name;
    let at = container.get("resources").get("limits").get(devices.resource).path().clone();
    let degrees = shown(spread);
    let title = container.title();
    let resource = devices.resource;
    if !fits && spread.nodes > 1 && !spread.elsewhere {
        let message = format!(
            "{title} is one of {} nodes of {name} that spread a model over {degrees}: each needs {} {resource}, and it asks for {}",
            spread.nodes, spread.here, devices.count
        );
        return Some(RULE.finding(at, message).at_most(Severity::Warning));
    }
    if !fits && found.alone && !spread.elsewhere {
        let message = format!(
            "{title} asks for {} {resource}, and {name} is told to spread the model over {degrees}: it does not start; ask for {}",
            devices.count, spread.here
        );
        return Some(RULE.finding(at, message));
    }
    // Copies of the model may be those of other groups, and a group may be told its size by flags as well.
    let size = u64::try_from(group?).ok()?;
    if spread.data > 1 || spread.nodes > 1 {
        return None;
    }
    let have = in_group(pod, size, devices, catalog)?;
    if spread.total() <= have {
        return None;
    }
    let message = format!(
        "{title} spreads a model over {degrees}, and the {size} pods of its group have {have} {resource} together: it waits for \
         devices that never come"
    );
    Some(RULE.finding(at, message).at_most(Severity::Warning))
}

/// The degrees as a product, those of one left out.
fn shown(spread: &Spread) -> String {
    let degrees = [("tensor", spread.tensor), ("pipeline", spread.pipeline), ("data", spread.data)];
    let many: Vec<String> =
        degrees.iter().filter(|(_, degree)| *degree > 1).map(|(name, degree)| format!("{name} {degree}")).collect();
    format!("{} devices", many.join(" × "))
}

/// The devices of a leader and its workers, one of which `pod` is; `None` where those of the others are not known.
fn in_group(pod: &Pod<'_>, size: u64, devices: &Devices<'_>, catalog: &Catalog) -> Option<u64> {
    let object = Object::new(pod.object(), catalog);
    let others: Vec<_> = object.pods().iter().filter(|other| other.component() != pod.component()).collect();
    if others.is_empty() {
        return Some(devices.count.saturating_mul(size));
    }
    // Only of a leader among equal workers is the sum plain.
    let [worker] = others.as_slice() else { return None };
    if pod.component() != Some("leader") || worker.component() != Some("worker") {
        return None;
    }
    let mut each = worker.containers().iter().filter_map(|container| Devices::of(container, catalog));
    let each = each.next().filter(|_| each.next().is_none())?;
    let same = each.resource == devices.resource;
    same.then(|| devices.count.saturating_add(each.count.saturating_mul(size.saturating_sub(1))))
}
