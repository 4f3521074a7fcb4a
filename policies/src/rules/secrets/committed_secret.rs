//! `committed-secret`: a credential in a Secret or ConfigMap that stands in a file.

use serde_json::Value;

use super::literal_secret::{has_connection_password, is_credential, is_real, names_secret};
use super::reference::{is_switch, names_an_object, stands_for_a_value};
use crate::context::Context;
use crate::finding::Finding;
use crate::node::{Node, text};
use crate::object::Object;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};

/// The rule.
pub static RULE: Rule = Rule {
    name: "committed-secret",
    summary: "a Secret or ConfigMap in the files holds a credential in clear text",
    category: Category::Secrets,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
The values of a Secret are [encoded, not encrypted](https://kubernetes.io/docs/concepts/configuration/secret/): who can read the \
repository can read the password, and its history keeps it. A ConfigMap does not even pretend. Let an operator bring the values \
(External Secrets, Sealed Secrets, SOPS, the secrets store driver), and change the credential, as it is known by now. Placeholders, \
encrypted values and objects that come from a cluster are let be.",
    bad: "\
apiVersion: v1
kind: Secret
metadata:
  name: database
stringData:
  password: correct-horse-battery
",
    good: "\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: database
spec:
  secretStoreRef:
    kind: ClusterSecretStore
    name: vault
  data:
    - secretKey: password
      remoteRef:
        key: database
        property: password
",
    fixable: Fixable::No,
    check: Check::Object(check),
};

fn check(object: &Object<'_>, _: &Context<'_>) -> Vec<Finding> {
    let identity = object.identity();
    let is_secret = identity.is("", "Secret");
    if !is_secret && !identity.is("", "ConfigMap") {
        return Vec::new();
    }
    let metadata = object.value().get("metadata").unwrap_or(&Value::Null);
    // An object out of a cluster was not committed by anyone, and one that SOPS encrypted says so.
    if metadata.get("uid").is_some()
        || metadata.get("resourceVersion").is_some()
        || object.value().get("sops").is_some()
    {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for field in ["data", "stringData"] {
        let Some(entries) = object.value().get(field).and_then(Value::as_object) else { continue };
        for (key, value) in entries {
            let Some(written) = value.as_str() else { continue };
            let decoded = if is_secret && field == "data" { decode(written) } else { Some(written.to_owned()) };
            if decoded.is_some_and(|clear| is_secret_value(key, &clear, is_secret)) {
                findings.push(finding(&object.root().get(field).get(key), key, is_secret));
            }
        }
    }
    findings
}

/// The key alone: the value must not travel on into reports.
fn finding(node: &Node<'_>, key: &str, is_secret: bool) -> Finding {
    let message = match is_secret {
        true => format!("`{key}` holds a credential that everybody who reads this file has: base64 is no encryption"),
        false => format!(
            "`{key}` holds a credential, and a ConfigMap keeps no secrets: move it into a Secret that is not committed"
        ),
    };
    RULE.finding(node.path().clone(), message)
}

fn is_secret_value(key: &str, clear: &str, in_secret: bool) -> bool {
    if stands_for_a_value(clear) {
        return false;
    }
    if matches!(key, ".dockerconfigjson" | ".dockercfg") {
        return holds_registry_password(clear);
    }
    let trimmed = clear.trim();
    if holds_private_key(trimmed) {
        return in_secret;
    }
    if is_credential(clear) || has_connection_password(trimmed) {
        return true;
    }
    let name = key.replace(['.', '-'], "_");
    !trimmed.contains(['\n', ' '])
        && names_secret(&name)
        && is_real(trimmed)
        && (in_secret || !names_an_object(&name, trimmed) && !is_switch(trimmed))
}

/// Whether a whole private key stands here, and not the frame of one with a hint in it.
fn holds_private_key(clear: &str) -> bool {
    let Some((_, body)) = clear.split_once("PRIVATE KEY-----") else { return false };
    clear.starts_with("-----BEGIN")
        && body.split("-----END").next().is_some_and(|body| body.trim().len() > 100 && is_real(body))
}

/// Whether a Docker configuration has a password for some registry.
fn holds_registry_password(clear: &str) -> bool {
    let Ok(config) = serde_json::from_str::<Value>(clear) else { return false };
    let registries = config.get("auths").unwrap_or(&config);
    registries.as_object().into_iter().flatten().any(|(_, registry)| {
        let password = text(registry, "password").is_some_and(is_real);
        let auth = text(registry, "auth").and_then(decode);
        password
            || auth.as_deref().and_then(|auth| auth.split_once(':')).is_some_and(|(_, password)| is_real(password))
            || text(registry, "identitytoken").is_some_and(is_real)
    })
}

/// Base64 as the API server reads it; nothing where it is no text.
fn decode(written: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0);
    for sign in written.bytes().filter(|sign| !sign.is_ascii_whitespace()) {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_and_what_is_none_is_not() {
        assert_eq!(decode("aHVudGVyMi1odW50ZXI=").as_deref(), Some("hunter2-hunter"));
        assert_eq!(decode("YQ==").as_deref(), Some("a"));
        assert_eq!(decode("").as_deref(), Some(""));
        assert_eq!(decode("<your-token>"), None);
        assert_eq!(decode("{{ .Values.x }}"), None);
        assert_eq!(decode("/////w=="), None, "no text");
    }

    #[test]
    fn a_registry_password_is_found_in_both_forms() {
        for config in [
            r#"{"auths":{"r.example.com":{"username":"ci","password":"Zk4-tree-99"}}}"#,
            r#"{"auths":{"r.example.com":{"auth":"Y2k6Wms0LXRyZWUtOTk="}}}"#,
            r#"{"r.example.com":{"username":"ci","password":"Zk4-tree-99"}}"#,
        ] {
            assert!(holds_registry_password(config), "{config}");
        }
        for config in [r#"{"auths":{}}"#, r#"{"auths":{"r.example.com":{"password":"<password>"}}}"#, "text", "[]"] {
            assert!(!holds_registry_password(config), "{config}");
        }
    }
}
