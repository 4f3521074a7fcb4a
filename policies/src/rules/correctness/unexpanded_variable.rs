//! `unexpanded-variable`: a variable of the shell where no shell reads it.

use serde_json::json;

use super::variables::{is_template, literal_arguments, shell_variables};
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::node::{list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unexpanded-variable",
    summary: "a program gets `${VAR}` as text, because no shell reads its arguments",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Kubernetes starts `command` and `args` without a shell, and puts values in place of `$(VAR)` alone \
([Kubernetes: arguments](https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/#use-environment-variables-to-define-arguments)). \
Of `${VAR}` or `$VAR` the program gets the very signs: a server looks for a model of that name, a download for such a bucket. \
It is reported where the container declares the variable and runs a program that is known to take its arguments as they are. \
The repair writes `$(VAR)`; it is made on request alone, as a tool may fill the manifest in before.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, \"${MODEL}\"]
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
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, _: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known) in pod.containers().iter().zip(&pod.profile().containers) {
        let declared =
            |name: &str| list(container.value(), "env").iter().any(|variable| text(variable, "name") == Some(name));
        let wanted = |word: &str| word.contains('$') && shell_variables(word).any(|found| declared(found.name));
        for argument in literal_arguments(container, known, wanted) {
            let found: Vec<_> = shell_variables(argument.text).filter(|found| declared(found.name)).collect();
            let Some(first) = found.first() else { continue };
            let message = format!(
                "{} gets the variable `{}` as text: no shell reads its arguments; Kubernetes puts the value in for `$({})`",
                container.title(),
                first.name,
                first.name
            );
            let word = container.get(argument.field).items().nth(argument.index);
            let Some(word) = word else { continue };
            let mut finding = RULE.finding(word.path().clone(), message);
            if !found.iter().any(|found| found.is_expression) && !argument.text.contains("$$") {
                let written = rewritten(argument.text, &declared);
                finding = finding.with_fix(Fix::r#unsafe("write `$(VAR)`", vec![word.set(json!(written))]));
            }
            findings.push(finding);
        }
    }
    if !findings.is_empty() && is_template(pod) {
        return Vec::new();
    }
    findings
}

/// The text with the kubelet's signs around each of the declared variables.
fn rewritten(text: &str, declared: &impl Fn(&str) -> bool) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len() + 4), text);
    for found in shell_variables(text).filter(|found| declared(found.name)) {
        // Each is found behind the one before, so the first place in the rest is its own.
        let Some(at) = place(rest, found.written) else { continue };
        out.push_str(&rest[..at]);
        out.push_str(&format!("$({})", found.name));
        rest = &rest[at + found.written.len()..];
    }
    out.push_str(rest);
    out
}

/// Where the variable stands: `$A` is no part of `$AB`, nor of an escaped `\$A`.
fn place(text: &str, written: &str) -> Option<usize> {
    let whole = |end: usize| {
        written.ends_with('}') || !text[end..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    };
    text.match_indices(written).map(|(at, _)| at).find(|at| whole(at + written.len()) && !text[..*at].ends_with('\\'))
}
