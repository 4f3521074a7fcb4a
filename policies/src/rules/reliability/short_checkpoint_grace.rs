//! `short-checkpoint-grace`: a trainer that saves its state when it is stopped is given half a minute for it.

use crate::context::Context;
use crate::finding::Finding;
use crate::node::integer;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::spot;
use crate::shell::Flag;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "short-checkpoint-grace",
    summary: "a trainer that saves its state when stopped is given half a minute for it",
    category: Category::Reliability,
    severity: Severity::Advice,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
With `--exit-signal-handler` Megatron-LM ends the step at hand and writes a checkpoint when it gets SIGTERM, and so does the \
Trainer of [Transformers](https://huggingface.co/docs/transformers/main_classes/trainer) with `--enable_jit_checkpoint`. \
Kubernetes sends SIGKILL after \
[`terminationGracePeriodSeconds`](https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination), 30 unless \
it is set: a step and a checkpoint with the state of the optimiser, several bytes for each parameter, seldom fit into that, \
and a checkpoint that is half written is worth nothing. How long it takes only the author can measure. On \
spot capacity the cloud gives no more time than that.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pretrain
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/megatron:1.4
          command: [torchrun, --nproc-per-node=8, pretrain_gpt.py, --save, /runs/gpt, --exit-signal-handler]
          resources:
            limits:
              nvidia.com/gpu: 8
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pretrain
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 600
      containers:
        - name: train
          image: registry.example.com/megatron:1.4
          command: [torchrun, --nproc-per-node=8, pretrain_gpt.py, --save, /runs/gpt, --exit-signal-handler]
          resources:
            limits:
              nvidia.com/gpu: 8
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Flags that make a trainer save its state on SIGTERM.
const SAVES: [&str; 2] = ["--exit-signal-handler", "--enable_jit_checkpoint"];

/// The grace period of pods that set none.
const DEFAULT: i64 = 30;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !pod.has_spec() || pod.operator().is_some() || pod.profile().serves() || pod.profile().devices() == 0 {
        return Vec::new();
    }
    let grace = pod.spec().get("terminationGracePeriodSeconds");
    let seconds = if grace.is_absent() { Some(DEFAULT) } else { integer(Some(grace.value())) };
    let Some(seconds) = seconds.filter(|seconds| *seconds <= DEFAULT) else { return Vec::new() };
    let set = |flag: Flag<'_>| !matches!(flag, Flag::Set(value) if value.eq_ignore_ascii_case("false"));
    let commands = pod.invocations().iter().flat_map(|told| &told.line.commands);
    let Some(flag) =
        commands.filter_map(|command| SAVES.iter().find(|flag| command.flag(flag).is_some_and(set))).next()
    else {
        return Vec::new();
    };
    // On spare capacity the cloud gives no more than that, whatever the pod says.
    if !spot::chosen(pod, context.catalog()).is_empty() {
        return Vec::new();
    }
    let message = format!(
        "`{flag}` saves a checkpoint when the pod is stopped, and the pod is killed {seconds} s after that: set \
         `terminationGracePeriodSeconds` to what a step and a checkpoint take"
    );
    vec![RULE.finding(grace.path().clone(), message)]
}
