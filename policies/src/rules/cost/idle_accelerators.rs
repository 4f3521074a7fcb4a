//! `idle-accelerators`: a server gets more devices than it is told to use.

use crate::context::Context;
use crate::finding::Finding;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::resources::spread::{self, Spreading};
use crate::rules::scheduling::demand;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "idle-accelerators",
    summary: "a server gets more accelerators than its flags let it use",
    category: Category::Cost,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
vLLM, SGLang, LMDeploy and TensorRT-LLM use as many devices as their tensor, pipeline and data parallel degrees multiply to, which is \
one unless a flag says otherwise ([vLLM: parallelism](https://docs.vllm.ai/en/latest/serving/parallelism_scaling.html)). The rest of \
what the container asks for is reserved, paid for and never touched. Either the degree is missing or the request is too large; which \
of the two, only the author knows.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-32B]
      resources:
        limits:
          nvidia.com/gpu: 4
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
    let idle = |found: &Spreading<'_>| {
        let all_seen = found.alone && found.told && !found.open && !found.sees_others;
        let Spreading { spread, devices, .. } = found;
        let used = spread.exact && !spread.elsewhere && spread.nodes == 1 && spread.here > 0;
        all_seen && used && spread.here < devices.count
    };
    spread::all(pod, catalog, |devices| devices.count > 1)
        .into_iter()
        .filter(|(_, known, found)| {
            known.runtime.as_ref().is_some_and(|runtime| runtime.parallelism.one_by_default) && idle(found)
        })
        .filter(|_| !demand::is_dealt_out_by_others(pod, catalog))
        .filter_map(|(container, known, Spreading { spread, devices, .. })| {
            let runtime = known.runtime.as_ref()?;
            let flag =
                runtime.parallelism.tensor.first().filter(|_| spread.here == 1 && devices.count.is_power_of_two());
            let raise = flag.map(|flag| format!("say `{flag} {}` or ", devices.count)).unwrap_or_default();
            let message = format!(
                "{} asks for {} {}, of which {} uses {} by its flags, and the rest is idle; {raise}ask for {}",
                container.title(),
                devices.count,
                devices.resource,
                runtime.name,
                spread.here,
                spread.here
            );
            Some(RULE.finding(container.get("resources").get("limits").get(devices.resource).path().clone(), message))
        })
        .collect()
}
