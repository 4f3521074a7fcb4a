//! `undefined-variable-reference`: `$(VAR)` that the kubelet leaves as it is written.

use super::variables::{is_template, kubelet_variables, literal_arguments};
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{list, text};
use crate::profile::ContainerProfile;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "undefined-variable-reference",
    summary: "`$(VAR)` names a variable that the container does not declare before it",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Kubernetes puts a value in place of `$(VAR)` only if the container declares `VAR`: the variables of the image, such as `PATH`, \
are not known to it, and within `env` only those count that stand before \
([Kubernetes: dependent variables](https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/)). \
Any other reference is left as text, silently: the program gets a model, an address or a path that is called `$(VAR)`. Declare \
the variable, or move it up. Containers with `envFrom`, and variables that operators and Services bring, are let be.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, $(MODEL_NAME)]
      env:
        - name: MODEL
          value: Qwen/Qwen3-8B
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
      args: [--model, $(MODEL)]
      env:
        - name: MODEL
          value: Qwen/Qwen3-8B
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    // Operators bring variables of their own to the pods of their kinds, and so does whoever made a pod.
    let built_in = matches!(pod.owner().group, "" | "apps" | "batch");
    if !built_in || pod.operator().is_some() || pod.is_decided_elsewhere() {
        return Vec::new();
    }
    let containers = pod.containers().iter().zip(&pod.profile().containers);
    let findings: Vec<Finding> = containers.flat_map(|(container, known)| check_container(container, known)).collect();
    if !findings.is_empty() && is_template(pod) {
        return Vec::new();
    }
    findings
}

fn check_container(container: &Container<'_>, known: &ContainerProfile) -> Vec<Finding> {
    let env = list(container.value(), "env");
    if !list(container.value(), "envFrom").is_empty() {
        return Vec::new();
    }
    let declares = |name: &str| env.iter().any(|variable| text(variable, "name") == Some(name));
    let undefined = |word: &str| kubelet_variables(word).any(|name| is_own(name) && !declares(name));
    let mut findings = Vec::new();
    for argument in literal_arguments(container, known, undefined) {
        let Some(name) = kubelet_variables(argument.text).find(|name| is_own(name) && !declares(name)) else {
            continue;
        };
        let message = format!(
            "{} declares no variable `{name}`, so its program gets `$({name})` as text; declare it",
            container.title()
        );
        findings.push(RULE.finding(container.path().key(argument.field).index(argument.index), message));
    }
    for (index, variable) in env.iter().enumerate() {
        let Some(value) = text(variable, "value").filter(|value| value.contains("$(")) else { continue };
        let before = &env[..index];
        let known_before = |name: &str| before.iter().any(|other| text(other, "name") == Some(name));
        // One that is declared further down is a slip for sure; one that is declared nowhere may be meant for a script.
        let Some(name) = kubelet_variables(value).find(|name| declares(name) && !known_before(name)) else { continue };
        let own = text(variable, "name").unwrap_or_default();
        let message = if own == name {
            format!(
                "the variable `{name}` of {} names itself, which Kubernetes leaves as text; write its value out",
                container.title()
            )
        } else {
            format!(
                "the variable `{own}` of {} names `{name}`, which is declared after it: Kubernetes leaves it as text; move \
                 `{name}` up",
                container.title()
            )
        };
        findings.push(RULE.finding(container.path().key("env").index(index).key("value"), message));
    }
    findings
}

/// Whether only the container itself could declare a variable of this name: Services, controllers and the usual webhooks
/// bring others. What is not in capitals is a template's or a script's.
fn is_own(name: &str) -> bool {
    const BROUGHT: &[&str] = &[
        "AWS_",
        "AZURE_",
        "BATCH_",
        "DAPR_",
        "DD_",
        "GCP_",
        "GOOGLE_",
        "HOSTNAME",
        "ISTIO_",
        "JOB_",
        "K_",
        "LWS_",
        "MASTER_",
        "MEGASCALE_",
        "OTEL_",
        "PET_",
        "POD_",
        "RANK",
        "RAY_",
        "TPU_",
        "VAULT_",
        "VC_",
        "WORLD_",
        "XLA_",
    ];
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() > 1
        && name.bytes().all(capital)
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && !name.contains("_SERVICE_")
        && !name.contains("_PORT")
        && !name.contains("PROXY")
        && !BROUGHT.iter().any(|start| name.starts_with(start))
}
