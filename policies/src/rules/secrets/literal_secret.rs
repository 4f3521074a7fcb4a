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
        let named = names_secret(name) || catalog.is_secret_env(name, runtime);
        if is_credential(literal)
            || has_connection_password(literal)
            || named && is_real(literal) && !names_an_object(name, literal)
        {
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
            // The words of a script stand in one argument, and a flag's value may stand in the next one.
            let next = words.get(index + 1).and_then(|next| next.as_str());
            if let Some((flag, in_next)) = secret_flag(written, next, catalog) {
                let message =
                    format!("the argument `{flag}` of {} holds a credential in clear text", container.title());
                findings.push(RULE.finding(place(if in_next { index + 1 } else { index }), message));
            } else if is_credential(written) {
                let message = format!("an argument of {} holds a credential in clear text", container.title());
                findings.push(RULE.finding(place(index), message));
            }
        }
    }
    findings.dedup_by(|one, other| one.at == other.at);
    findings
}

/// The flag of an argument, or of a script in it, that is given a credential, and whether that stands in the `next` argument.
fn secret_flag<'a>(written: &'a str, next: Option<&'a str>, catalog: &Catalog) -> Option<(&'a str, bool)> {
    let is_secret = |flag: &str| {
        flag.starts_with('-') && (flag_names_secret(flag) || catalog.secret_flags().iter().any(|known| known == flag))
    };
    let given = |value: &str| {
        let value = value.trim_matches(['"', '\'']);
        !value.starts_with('-') && is_real(value)
    };
    let mut words = written.split_whitespace().peekable();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((flag, value)) if is_secret(flag) && given(value) => return Some((flag, false)),
            None if is_secret(word) => match words.peek() {
                Some(value) if given(value) => return Some((word, false)),
                None if next.is_some_and(given) => return Some((word, true)),
                _ => {}
            },
            _ => {}
        }
    }
    None
}

/// Whether an environment variable of this name is there to hold a secret.
pub(super) fn names_secret(name: &str) -> bool {
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
    if is_model_token(name) {
        return false;
    }
    ENDINGS.iter().any(|ending| {
        let Some(start) = bytes.len().checked_sub(ending.len()) else { return false };
        bytes[start..].eq_ignore_ascii_case(ending.as_bytes())
            && (start == 0 || matches!(bytes[start - 1], b'_' | b'-'))
    })
}

/// Whether the name is of a sign that a tokenizer knows, and not of one that opens doors: `--stop-token`, `EOS_TOKEN`.
fn is_model_token(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let kind = name.strip_suffix("token").map(|rest| rest.trim_end_matches(['-', '_'])).unwrap_or_default();
    let kind = kind.rsplit(['-', '_']).next().unwrap_or_default();
    matches!(
        kind,
        "stop" | "special" | "bos" | "eos" | "unk" | "pad" | "sep" | "mask" | "cls" | "end" | "start" | "image" | "max"
    )
}

/// Whether a variable such as `IMAGE_PULL_SECRET` holds the name of a Secret and not what is in it.
pub(super) fn names_an_object(variable: &str, value: &str) -> bool {
    let plain = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte == b'.');
    variable.to_ascii_uppercase().ends_with("SECRET") && plain
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
        || name.ends_with("-token") && !is_model_token(&name)
}

/// Whether a value that stands in the place of a secret is one, and not a hint at what to put there, a reference, a
/// switch or a path.
pub(super) fn is_real(value: &str) -> bool {
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

/// Whether the text holds something that is, by its shape, a credential: one that a known service hands out, or the password of
/// a URL.
pub(super) fn is_credential(text: &str) -> bool {
    let pieces = || text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_' || sign == '-'));
    text.len() >= 16 && (pieces().any(has_known_shape) || text.split_whitespace().any(has_url_password))
}

fn has_known_shape(piece: &str) -> bool {
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
        piece.strip_prefix(prefix).is_some_and(|rest| {
            rest.len() + 4 >= *least
                && rest.chars().collect::<std::collections::BTreeSet<_>>().len() > 6
                && is_real(piece)
        })
    })
}

/// Whether the text holds a URL such as `postgres://user:password@host`.
fn has_url_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', '"', '\'']).next().unwrap_or_default();
    let user_info = authority.rsplit_once('@').map(|(user_info, _)| user_info);
    user_info.and_then(|user_info| user_info.split_once(':')).is_some_and(|(_, password)| is_real(password))
}

/// Whether the text is a connection string such as `Server=db;User Id=app;Password=…` or `host=db user=app password=…`.
pub(super) fn has_connection_password(text: &str) -> bool {
    const PASSWORD: &[&str] = &["password", "pwd", "passwd"];
    const OTHERS: &[&str] = &[
        "host",
        "server",
        "data source",
        "database",
        "dbname",
        "initial catalog",
        "user",
        "username",
        "user id",
        "uid",
    ];
    if !text.contains('=') || text.contains('\n') {
        return false;
    }
    let sign = if text.contains(';') { ';' } else { ' ' };
    let pairs = || text.split(sign).filter_map(|pair| pair.split_once('='));
    let is = |names: &[&str], key: &str| names.iter().any(|name| key.trim().eq_ignore_ascii_case(name));
    pairs().any(|(key, value)| is(PASSWORD, key) && is_real(value)) && pairs().any(|(key, _)| is(OTHERS, key))
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
    fn a_connection_string_with_a_password_is_told_from_settings() {
        for text in [
            "Server=db;User Id=app;Password=s3cr3t-pa55",
            "host=db port=5432 user=app password=s3cr3t-pa55 sslmode=require",
        ] {
            assert!(has_connection_password(text), "{text}");
        }
        for text in [
            "host=db user=app password=$(PASSWORD)",
            "Server=db;Password=<your-password>",
            "password=s3cr3t-pa55",
            "max_tokens=5",
            "--password=x --host=y",
        ] {
            assert!(!has_connection_password(text), "{text}");
        }
    }

    #[test]
    fn credentials_are_found_by_shape_wherever_they_stand() {
        for text in [
            "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
            "export HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345; serve",
            "curl -H 'Authorization: Bearer hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345'",
            "postgres://user:s3cr3t-pa55@db:5432/x",
        ] {
            assert!(is_credential(text), "{text}");
        }
        for text in [
            "https://example.com/hf_models",
            "postgres://user:$(PASSWORD)@db",
            "hf_transfer",
            "redis://cache:6379/0",
            "http://user:@host/",
        ] {
            assert!(!is_credential(text), "{text}");
        }
        let catalog = Catalog::builtin();
        assert_eq!(secret_flag("serve m --api-key s3cr3t-pa55 --port 80", None, catalog), Some(("--api-key", false)));
        assert_eq!(secret_flag("--api-key", Some("s3cr3t-pa55"), catalog), Some(("--api-key", true)));
        assert_eq!(secret_flag("--stop-token", Some("abcdef"), catalog), None);
        assert!(names_an_object("IMAGE_PULL_SECRET", "regcred") && !names_an_object("CLIENT_SECRET", "x9f2k1"));
    }

    #[test]
    fn names_tell_secrets_from_paths_and_counts() {
        for name in
            ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "WEBUI_SECRET_KEY", "password"]
        {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "STOP_TOKEN",
            "EOS_TOKEN",
            "HF_TOKEN_PATH",
            "MAX_TOKENS",
            "PASSWORD_FILE",
            "TOKENIZERS_PARALLELISM",
            "MONKEY",
            "SECRET_NAME",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
