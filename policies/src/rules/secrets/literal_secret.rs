//! `literal-secret`: a token or password written into the pod itself.

use crate::catalog::{Catalog, Runtime};
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "literal-secret",
    summary: "a token or password stands in clear text in the pod",
    category: Category::Secrets,
    severity: Severity::Error,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
What stands in a pod's environment or arguments is in Git, in etcd, in the output of `kubectl describe` and in the \
process list, and everybody who may read pods may read it. Put the value into a Secret and refer to it with \
[`valueFrom.secretKeyRef`](https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-environment-variables), \
and change the credential: it is known by now. Model hubs, NGC and experiment trackers hand out long-lived tokens, so \
AI pods carry more of them than others. There is no repair, as the Secret must be made elsewhere.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: download
spec:
  containers:
    - name: download
      image: registry.example.com/team/download:1.0
      env:
        - name: HF_TOKEN
          value: hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: download
spec:
  containers:
    - name: download
      image: registry.example.com/team/download:1.0
      env:
        - name: HF_TOKEN
          valueFrom:
            secretKeyRef:
              name: huggingface
              key: token
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let runtimes = pod.profile().containers.iter().map(|known| known.runtime.as_deref());
    let containers = pod.containers().iter().zip(runtimes);
    containers.flat_map(|(container, runtime)| check_container(container, runtime, context.catalog())).collect()
}

fn check_container(container: &Container<'_>, runtime: Option<&Runtime>, catalog: &Catalog) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, variable) in list(container.value(), "env").iter().enumerate() {
        let Some((name, literal)) = text(variable, "name").zip(text(variable, "value")) else { continue };
        if is_credential(literal) || (names_secret(name) || catalog.is_secret_env(name, runtime)) && is_real(literal) {
            // The name alone: the value must not travel on into logs and reports.
            let message =
                format!("the environment variable `{name}` of {} holds a credential in clear text", container.title());
            findings.push(RULE.finding(container.path().key("env").index(index).key("value"), message));
        }
    }
    for field in ["command", "args"] {
        let words = list(container.value(), field);
        for (index, word) in words.iter().enumerate() {
            let Some(written) = word.as_str() else { continue };
            let place = |index: usize| container.path().key(field).index(index);
            let (flag, attached) = written.split_once('=').map_or((written, None), |(flag, value)| (flag, Some(value)));
            let (value, at) = match attached {
                Some(value) => (Some(value), index),
                None => (words.get(index + 1).and_then(|next| next.as_str()), index + 1),
            };
            let given = flag.starts_with('-')
                && (flag_names_secret(flag) || catalog.secret_flags().iter().any(|known| known == flag))
                && value.is_some_and(|value| !value.starts_with('-') && is_real(value));
            if given {
                let message =
                    format!("the argument `{flag}` of {} holds a credential in clear text", container.title());
                findings.push(RULE.finding(place(at), message));
            } else if written.split_whitespace().any(is_credential) {
                let message = format!("an argument of {} holds a credential in clear text", container.title());
                findings.push(RULE.finding(place(index), message));
            }
        }
    }
    findings.dedup_by(|one, other| one.at == other.at);
    findings
}

/// Whether an environment variable of this name is there to hold a secret.
fn names_secret(name: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "SECRET_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "SECRET_ACCESS_KEY",
        "MASTER_KEY",
        "SALT_KEY",
        "STORAGE_KEY",
        "CONNECTION_STRING",
        "CREDENTIALS_JSON",
    ];
    let bytes = name.as_bytes();
    // A variable of counts and limits is named after tokens too, but in the plural: MAX_TOKENS.
    ENDINGS.iter().any(|ending| {
        let Some(start) = bytes.len().checked_sub(ending.len()) else { return false };
        bytes[start..].eq_ignore_ascii_case(ending.as_bytes())
            && (start == 0 || matches!(bytes[start - 1], b'_' | b'-'))
    })
}

fn flag_names_secret(flag: &str) -> bool {
    const FLAGS: &[&str] = &[
        "api-key",
        "api-keys",
        "admin-api-key",
        "hf-token",
        "auth-token",
        "password",
        "secret-key",
        "token",
        "client-secret",
    ];
    let name = flag.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    FLAGS.contains(&name.as_str())
        || name.ends_with("-password")
        || name.ends_with("-api-key")
        || name.ends_with("-token") && !name.ends_with("eos-token") && !name.ends_with("pad-token")
}

/// Whether a value that stands in the place of a secret is one, and not a hint at what to put there, a reference, a
/// switch or a path.
fn is_real(value: &str) -> bool {
    const HINTS: &[&str] = &[
        "your",
        "replace",
        "change",
        "example",
        "placeholder",
        "insert",
        "todo",
        "dummy",
        "fake",
        "xxx",
        "***",
        "...",
        "redacted",
        "none",
        "null",
        "not-needed",
        "not_needed",
        "notneeded",
        "unused",
        "empty",
        "sk-no-key",
    ];
    let lower = value.trim().to_ascii_lowercase();
    lower.len() >= 4
        && !lower.starts_with(['$', '<', '{', '/', '[', '%', '@'])
        && !lower.contains("${")
        && !lower.contains("$(")
        && !lower.contains("{{")
        && !HINTS.iter().any(|hint| lower.contains(hint))
        && !matches!(lower.as_str(), "true" | "false" | "test" | "token" | "secret" | "password" | "key")
        && !lower.bytes().all(|byte| byte.is_ascii_digit())
        && (!lower.starts_with("http") || lower.contains('@'))
        && lower.chars().collect::<std::collections::BTreeSet<_>>().len() > 2
}

/// Whether the text is, by its shape, a credential that a known service hands out.
fn is_credential(value: &str) -> bool {
    const SHAPES: &[(&str, usize)] = &[
        ("hf_", 30),
        ("nvapi-", 40),
        ("sk-proj-", 40),
        ("sk-ant-", 40),
        ("AKIA", 16),
        ("ASIA", 16),
        ("ghp_", 36),
        ("github_pat_", 40),
        ("glpat-", 20),
        ("xoxb-", 30),
        ("AIza", 35),
    ];
    SHAPES.iter().any(|(prefix, least)| {
        value.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() + 4 >= *least
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
                && rest.chars().collect::<std::collections::BTreeSet<_>>().len() > 6
                && is_real(value)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_references_and_switches_are_no_secrets() {
        for value in [
            "<your-token>",
            "$(HF_TOKEN)",
            "${TOKEN}",
            "changeme",
            "YOUR_API_KEY",
            "true",
            "{{ .Values.token }}",
            "/run/secrets/token",
            "EMPTY",
            "4096",
            "xxxxxxxx",
            "",
        ] {
            assert!(!is_real(value), "{value}");
        }
        for value in ["s3cr3t-pa55", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345", "minio123"] {
            assert!(is_real(value), "{value}");
        }
    }

    #[test]
    fn names_tell_secrets_from_paths_and_counts() {
        for name in
            ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "WEBUI_SECRET_KEY", "password"]
        {
            assert!(names_secret(name), "{name}");
        }
        for name in ["HF_TOKEN_PATH", "MAX_TOKENS", "PASSWORD_FILE", "TOKENIZERS_PARALLELISM", "MONKEY", "SECRET_NAME"]
        {
            assert!(!names_secret(name), "{name}");
        }
    }
}
