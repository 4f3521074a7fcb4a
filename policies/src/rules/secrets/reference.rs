//! What stands in the place of a credential without being one: references, cipher texts, placeholders, numbers, switches.

/// Whether the value refers to a credential that is kept elsewhere, is a cipher text of one, or marks the place that a
/// tool puts one into.
pub(super) fn stands_for_a_value(value: &str) -> bool {
    const CIPHERS: &[&str] = &["ENC[", "$ANSIBLE_VAULT", "!vault", "-----BEGIN AGE", "-----BEGIN PGP", "AgA"];
    const STORES: &[&str] = &["vault:", "bao:", "gcp:secretmanager:", "arn:aws", "akv:", "ref+", "<path:"];
    const ELSEWHERE: &[&str] = &["env:", "file:", "~/"];
    let value = value.trim();
    let starts = |signs: &[&str]| signs.iter().any(|sign| value.starts_with(sign));
    starts(CIPHERS)
        || !value.contains(char::is_whitespace)
            && (starts(STORES)
                || starts(ELSEWHERE)
                || value.ends_with("@azurekeyvault")
                || is_address(value)
                || is_placeholder(value))
}

/// Whether the value is a URI without user information: `op://vault/item/field`, `file:///run/secrets/token`.
fn is_address(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, rest)| {
        !rest.contains('@') && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Whether the value is one of `((password))`, `__PASSWORD__`, `#{Password}#` and `DB_PASSWORD`.
fn is_placeholder(value: &str) -> bool {
    const FRAMES: &[(&str, &str)] = &[("((", "))"), ("__", "__"), ("#{", "}"), ("#{", "}#")];
    let is_name = value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    FRAMES.iter().any(|(start, end)| value.starts_with(start) && value.ends_with(end))
        // Keys such as those of AWS are in capitals too, but without a `_`, and long or with digits.
        || is_name && (value.contains('_') || value.len() < 20 && !value.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Whether the value is a number, with a unit or without: `0.0015`, `200ms`.
pub(super) fn is_quantity(value: &str) -> bool {
    const UNITS: &[&str] = &["", "ns", "us", "ms", "s", "m", "h", "d", "%", "k", "M", "G", "Ki", "Mi", "Gi"];
    value.starts_with(|sign: char| sign.is_ascii_digit())
        && UNITS.iter().any(|unit| {
            let number = value.strip_suffix(unit).and_then(|number| number.parse::<f64>().ok());
            number.is_some_and(f64::is_finite)
        })
}

/// Whether a setting that is named like a secret only says whether there is one, or of which kind.
pub(super) fn is_switch(value: &str) -> bool {
    const SWITCHES: &[&str] = &[
        "enabled",
        "disabled",
        "required",
        "optional",
        "auto",
        "always",
        "never",
        "default",
        "bearer",
        "anonymous",
        "projected",
    ];
    SWITCHES.contains(&value)
}

/// Whether a variable such as `IMAGE_PULL_SECRET` holds the name of a Secret, or `PASSWORD_SECRET_KEY` that of a key, and
/// not what is in it.
pub(super) fn names_an_object(variable: &str, value: &str) -> bool {
    let variable = variable.to_ascii_uppercase().replace('-', "_");
    let is_name = || value.split(['-', '.', '/']).all(is_plain_word);
    if let Some(of) = variable.strip_suffix("_SECRET_KEY") {
        // A signing key has such a name as well: `WEBUI_SECRET_KEY`.
        let says_of_what = ["PASSWORD", "TOKEN", "API_KEY", "USERNAME"].iter().any(|kind| of.ends_with(kind));
        let is_of_a_key = value.split(['-', '.']).any(|word| matches!(word, "password" | "token"));
        return (says_of_what || is_of_a_key) && is_name();
    }
    variable.ends_with("SECRET") && is_name()
}

/// Whether the word has letters with at most a small number after them, and so is no part of something random.
fn is_plain_word(word: &str) -> bool {
    let letters = word.trim_end_matches(|sign: char| sign.is_ascii_digit());
    letters.bytes().all(|byte| byte.is_ascii_lowercase()) && word.len() - letters.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_ciphers_and_placeholders_stand_for_values() {
        for value in [
            "vault:kv/data/hub#token",
            "bao:kv/data/hub#token",
            "op://team/hub/token",
            "gcp:secretmanager:projects/team/secrets/hub",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:hub-a1B2c3",
            "sm://team/hub",
            "akv:team/hub",
            "hub@azurekeyvault",
            "ENC[AES256_GCM,data:Zk4tree99,iv:x,tag:y,type:str]",
            "env:HUB_TOKEN",
            "file:///run/secrets/hub",
            "file:/run/secrets/hub",
            "~/.pgpass",
            "((hub-token))",
            "__HUB_TOKEN__",
            "#{HubToken}#",
            "HUB_TOKEN",
            "HUBTOKEN",
        ] {
            assert!(stands_for_a_value(value), "{value}");
        }
        for value in [
            "k3yF0rTh3Mirr0r",
            "correct-horse",
            "JBSWY3DPEHPK3PXP",
            "AKIAQWERTYUIOPASDFGH",
            "amqp://app:s3cr3t-pa55@queue:5672",
            "Endpoint=sb://team.example.com/;SharedAccessKey=Zk4tree99",
            "environment-9x",
        ] {
            assert!(!stands_for_a_value(value), "{value}");
        }
    }

    #[test]
    fn numbers_are_told_from_what_begins_with_digits() {
        for value in ["0.0015", "1e-6", "200ms", "1.5s", "99.5%", "8Gi", "4096"] {
            assert!(is_quantity(value), "{value}");
        }
        for value in ["8f2b1c9d7e", "4e56789012", "200msx", "s3cr3t", "inf", ""] {
            assert!(!is_quantity(value), "{value}");
        }
    }

    #[test]
    fn names_of_objects_and_keys_are_told_from_secrets() {
        for (variable, value) in [
            ("IMAGE_PULL_SECRET", "regcred"),
            ("IMAGE_PULL_SECRET", "regcred2"),
            ("TLS_SECRET", "serving/gateway-tls"),
            ("HF_TOKEN_SECRET", "hub-token-v2"),
            ("PASSWORD_SECRET_KEY", "postgres-password"),
            ("DB_SECRET_KEY", "password.txt"),
        ] {
            assert!(names_an_object(variable, value), "{variable}={value}");
        }
        for (variable, value) in [
            ("CLIENT_SECRET", "x9f2k1"),
            ("CLIENT_SECRET", "minio123"),
            ("WEBUI_SECRET_KEY", "correct-horse"),
            ("DB_PASSWORD", "postgres-password"),
        ] {
            assert!(!names_an_object(variable, value), "{variable}={value}");
        }
    }
}
