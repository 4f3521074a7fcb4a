//! `parallelism-over-slices`: one model is to be spread over slices or shares of GPUs.

use crate::catalog::Counting;
use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::demand;
use crate::workload::Pod;

use super::spread;

/// The rule.
pub static RULE: Rule = Rule {
    name: "parallelism-over-slices",
    summary: "a model is spread over slices or time-sliced shares of GPUs",
    category: Category::Resources,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
Tensor and pipeline parallel processes talk to each other by NCCL, each on a device of its own. MIG slices cannot: a process sees one \
of them, and there is [no peer to peer between slices](https://docs.nvidia.com/datacenter/tesla/mig-user-guide/). Two time-sliced \
shares may be of one GPU, which NCCL refuses as a duplicate, and give no more compute where it does not \
([device plugin: shared access](https://github.com/NVIDIA/k8s-device-plugin#shared-access-to-gpus)). Ask for one larger slice, or \
for whole devices.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --tensor-parallel-size, \"2\"]
      resources:
        limits:
          nvidia.com/mig-1g.10gb: 2
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
      resources:
        limits:
          nvidia.com/mig-2g.20gb: 1
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let catalog = context.catalog();
    spread::all(pod, catalog, |devices| matches!(devices.counts, Counting::Mig | Counting::Shared))
        .into_iter()
        .filter(|(_, _, found)| {
            let together = found.spread.tensor > 1 || found.spread.pipeline > 1;
            together && found.alone && !found.spread.elsewhere && found.spread.nodes == 1 && !found.sees_others
        })
        .filter(|_| !demand::is_dealt_out_by_others(pod, catalog))
        .filter_map(|(container, known, found)| {
            let what = match found.devices.counts {
                Counting::Mig => "slices, of which a process sees one and which NCCL cannot join",
                Counting::Shared => "shares, which may be of one GPU: NCCL refuses that",
                _ => return None,
            };
            let message = format!(
                "{} spreads one model by {} over {} {what}; ask for one larger slice or for whole GPUs",
                container.title(),
                known.runtime.as_ref()?.name,
                found.devices.resource
            );
            let place = container.get("resources").get("limits").get(found.devices.resource);
            Some(RULE.finding(place.path().clone(), message))
        })
        .collect()
}
