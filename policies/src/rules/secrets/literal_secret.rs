//! `literal-secret`: a token or password written into the pod itself.

use super::reference::{is_quantity, is_switch, names_an_object, stands_for_a_value};
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

/// Where a container has handlers that run words and send headers.
const HOOKS: &[&str] =
    &["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];

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
            || named && is_real(literal) && !names_an_object(name, literal) && !is_switch(literal)
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
    for (hook, handler) in HOOKS.iter().filter_map(|hook| Some((hook, container.value().pointer(hook)?))) {
        let path = || hook.split('/').skip(1).fold(container.path().clone(), |path, key| path.key(key));
        let message = || format!("a probe or hook of {} holds a credential in clear text", container.title());
        let words = handler.get("exec").map(|exec| list(exec, "command")).unwrap_or_default();
        for (index, _) in words.iter().enumerate().filter(|(_, word)| word.as_str().is_some_and(is_credential)) {
            findings.push(RULE.finding(path().key("exec").key("command").index(index), message()));
        }
        let headers = handler.get("httpGet").map(|get| list(get, "httpHeaders")).unwrap_or_default();
        for (index, _) in headers.iter().enumerate().filter(|(_, it)| text(it, "value").is_some_and(is_credential)) {
            findings.push(RULE.finding(path().key("httpGet").key("httpHeaders").index(index).key("value"), message()));
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
        !value.starts_with('-') && is_real(value) && !is_switch(value)
    };
    let mut words = written.split_whitespace().peekable();
    while let Some(word) = words.next() {
        // A word is a slice of `written`, so its offset is what stands before it.
        let is_printed = || is_printed(&written[..word.as_ptr() as usize - written.as_ptr() as usize]);
        match word.split_once('=') {
            Some((flag, value)) if is_secret(flag) && given(value) && !is_printed() => return Some((flag, false)),
            None if is_secret(word) => match words.peek() {
                Some(value) if given(value) && !is_printed() => return Some((word, false)),
                None if next.is_some_and(given) => return Some((word, true)),
                _ => {}
            },
            _ => {}
        }
    }
    None
}

/// Whether what follows in a script is only printed, as the flag in `echo "the --token flag is required"`.
fn is_printed(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let (mut start, mut quote) = (0, None);
    for (index, sign) in line.char_indices() {
        match (quote, sign) {
            (Some(open), _) if open == sign => quote = None,
            (None, '"' | '\'') => quote = Some(sign),
            (None, ';' | '&' | '|') => start = index + 1,
            _ => {}
        }
    }
    line[start..].split_whitespace().any(|word| matches!(word.trim_start_matches(['(', '{']), "echo" | "printf"))
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

/// Whether the name is of a token of a text, and not of one that opens doors: `--stop-token`, `EOS_TOKEN`,
/// `--time-to-first-token`.
fn is_model_token(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let kind = name.strip_suffix("token").map(|rest| rest.trim_end_matches(['-', '_'])).unwrap_or_default();
    let kind = kind.rsplit(['-', '_']).next().unwrap_or_default();
    const KINDS: &[&str] = &[
        "stop", "special", "bos", "eos", "unk", "pad", "sep", "mask", "cls", "end", "start", "image", "max", "first",
        "per", "next", "output", "input", "new", "inter",
    ];
    KINDS.contains(&kind)
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
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    lower.len() >= 4
        && !lower.starts_with(['$', '<', '{', '/', '[', '%', '@', '`', '\\'])
        && !lower.contains("${")
        && !lower.contains("$(")
        && !lower.contains("{{")
        && !HINTS.iter().any(|hint| lower.contains(hint))
        && !matches!(lower.as_str(), "true" | "false" | "test" | "token" | "secret" | "password" | "key")
        && !lower.bytes().all(|byte| byte.is_ascii_digit())
        && !is_quantity(value)
        && !stands_for_a_value(value)
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
    }) || piece.strip_prefix("sk-").is_some_and(|rest| {
        // Names begin with `sk-` too, but their words are short.
        let last = rest.rsplit('-').next().unwrap_or_default();
        last.len() >= 37 && last.bytes().any(|byte| byte.is_ascii_digit()) && is_real(piece)
    })
}

/// Whether the text holds a URL such as `postgres://user:password@host`.
fn has_url_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', '"', '\'']).next().unwrap_or_default();
    // After the `@` of an image stands its digest: `docker://alpine:3.20@sha256:…`.
    let user_info = authority.rsplit_once('@').filter(|(_, host)| !host.starts_with("sha256:")).map(|(user, _)| user);
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
            "sk-0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X",
        ] {
            assert!(is_credential(text), "{text}");
        }
        for text in [
            "https://example.com/hf_models",
            "postgres://user:$(PASSWORD)@db",
            "hf_transfer",
            "redis://cache:6379/0",
            "http://user:@host/",
            "docker://busybox:1.37@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "sk-a-name-of-many-words-that-goes-on-and-on-2",
        ] {
            assert!(!is_credential(text), "{text}");
        }
        let catalog = Catalog::builtin();
        assert_eq!(secret_flag("serve m --api-key s3cr3t-pa55 --port 80", None, catalog), Some(("--api-key", false)));
        assert_eq!(secret_flag("--api-key", Some("s3cr3t-pa55"), catalog), Some(("--api-key", true)));
        assert_eq!(secret_flag("--stop-token", Some("abcdef"), catalog), None);
        assert_eq!(secret_flag("--time-to-first-token", Some("s3cr3t-pa55"), catalog), None);
        for script in [
            "hf download --token `cat /secrets/hub` org/model",
            "cat > run <<EOF\nserve --api-key \\$API_KEY\nEOF",
            "test -n \"$T\" || { echo \"no token; the --token flag is needed\"; exit 1; }",
        ] {
            assert_eq!(secret_flag(script, None, catalog), None, "{script}");
        }
        let script = "echo \"starts\" && serve --api-key s3cr3t-pa55";
        assert_eq!(secret_flag(script, None, catalog), Some(("--api-key", false)));
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
            "SLO_TIME_TO_FIRST_TOKEN",
            "COST_PER_TOKEN",
            "SECRET_NAME",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }
}
