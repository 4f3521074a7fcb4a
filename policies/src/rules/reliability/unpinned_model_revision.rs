//! `unpinned-model-revision`: a model whose weights, or code, are those that the hub has on the day of the start.

use crate::catalog::Runtime;
use crate::context::Context;
use crate::finding::Finding;
use crate::profile::{Start, is_from_hub, may_come_another_way};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unpinned-model-revision",
    summary: "a model is loaded from a hub in whatever revision it has that day",
    category: Category::Reliability,
    severity: Severity::Warning,
    scope: Scope::Inference,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A model on a hub is a Git repository, and its name alone means the branch `main`: weights, tokenizer and chat template of a \
restart may be others than those that were tested, and replicas of one Deployment may run different ones. A revision, best a \
commit, holds them \
([Hugging Face: download a specific version](https://huggingface.co/docs/huggingface_hub/guides/download#from-specific-version)). \
It is advice until the server also trusts remote code: then whoever may write to that repository, or takes it over, runs \
programs in the cluster. Models in directories, buckets and images are let be. There is no repair: which revision was tested, \
only the author knows.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --trust-remote-code]
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
      args: [--model, Qwen/Qwen3-8B, --trust-remote-code, --revision, 9c925d64d72725edaf899c6cb9c377fd0709d9c5]
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    if pod.operator().is_some() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (container, known) in pod.ai_containers() {
        let Some(runtime) = known.runtime.as_ref().filter(|_| known.sure && known.serves) else { continue };
        let on_hub = known.model.as_ref().is_some_and(|model| is_from_hub(container, &model.name));
        let Some(start) = pod.start(known).filter(|start| on_hub && !may_come_another_way(start)) else { continue };
        let Some(branch) = unpinned(runtime, &start) else { continue };
        let flag = runtime.model.revision.flags.first().map_or("--revision", String::as_str);
        let what = if branch { "by a branch" } else { "without a revision" };
        let trusting = start.holds(&runtime.model.remote_code) == Some(true);
        let risk = if trusting {
            "and trusts its code: whoever changes that repository runs programs here"
        } else {
            "so the next start may load other weights"
        };
        let message =
            format!("{} loads its model from the hub {what}, {risk}; name a commit by `{flag}`", container.title());
        let finding = RULE.finding(container.path().clone(), message);
        findings.push(if trusting { finding } else { finding.at_most(Severity::Advice) });
    }
    findings
}

/// Whether the revision is surely left open: `Some(true)` when it is a branch, `Some(false)` when it is not set, `None` when
/// it is pinned or cannot be told.
fn unpinned(runtime: &Runtime, start: &Start<'_, '_>) -> Option<bool> {
    let revision = &runtime.model.revision;
    if revision.flags.is_empty() && revision.env.is_empty() {
        return None;
    }
    let hidden = start.command.is_some_and(|command| {
        command.hidden.is_some() || runtime.config_flags.iter().any(|flag| command.flag(flag).is_some())
    });
    match start.value(revision) {
        Ok(None) if !hidden => Some(false),
        Ok(Some(revision)) if matches!(revision.as_str(), "main" | "master" | "refs/heads/main") => Some(true),
        _ => None,
    }
}
