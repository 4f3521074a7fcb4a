//! Image references, read by the grammar of the container distribution project, so that a missing tag, a registry's port
//! and a digest are told apart.
//!
//! Source: `github.com/distribution/reference`, `reference.go` and `normalize.go`.

use std::fmt;

/// An image reference in its parts. They are those that were written: nothing is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// The registry with its port: the first segment if it has a `.` or `:` or is `localhost`.
    pub registry: Option<&'a str>,
    /// The repository below the registry.
    pub path: &'a str,
    /// The tag; `None` when there is none, which is not the same as `latest` written out.
    pub tag: Option<&'a str>,
    /// The digest with its algorithm: `sha256:…`.
    pub digest: Option<&'a str>,
}

/// Why a text is no image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// There is no text.
    Empty,
    /// The repository is empty or has signs or separators that it must not have, capitals among them.
    Repository,
    /// The registry is no host with an optional port.
    Registry,
    /// The tag is not 1 to 128 letters, digits, `_`, `.` and `-`, the first of them a letter, digit or `_`.
    Tag,
    /// The digest is not an algorithm, a colon and at least 32 hexadecimal digits (64 for sha256).
    Digest,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the image reference is empty",
            Self::Repository => "the repository of the image is not lowercase letters, digits and single separators",
            Self::Registry => "the registry of the image is no host name",
            Self::Tag => "the tag of the image has signs that a tag cannot have",
            Self::Digest => "the digest of the image is not an algorithm and hexadecimal digits",
        })
    }
}

impl std::error::Error for ImageError {}

impl<'a> Image<'a> {
    /// Reads a reference as it stands in a container.
    ///
    /// # Errors
    /// When the kubelet would answer `InvalidImageName`. Use [`Image::parts`] to look at such a text all the same.
    pub fn parse(reference: &'a str) -> Result<Self, ImageError> {
        if reference.is_empty() {
            return Err(ImageError::Empty);
        }
        let image = Self::parts(reference);
        if image.digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ImageError::Digest);
        }
        if image.tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ImageError::Tag);
        }
        if image.registry.is_some_and(|registry| !is_registry(registry)) {
            return Err(ImageError::Registry);
        }
        if image.path.len() > 255 || !image.path.split('/').all(is_component) {
            return Err(ImageError::Repository);
        }
        Ok(image)
    }

    /// The parts of a reference without a look at whether they are allowed: good enough to recognise an image by.
    pub fn parts(reference: &'a str) -> Self {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[last..].find(':') {
            Some(colon) => (&name[..last + colon], Some(&name[last + colon + 1..])),
            None => (name, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_capital(first) => {
                (Some(first), rest)
            }
            _ => (None, name),
        };
        Self { registry, path, tag, digest }
    }

    /// The repository with its registry, those left out that mean Docker Hub: `docker.io/library/redis` is `redis`.
    pub fn repository(&self) -> String {
        match self.registry() {
            "docker.io" => self.familiar_path().to_owned(),
            registry => format!("{registry}/{}", self.path),
        }
    }

    /// The registry, with `docker.io` for none and for its old name.
    pub fn registry(&self) -> &'a str {
        match self.registry {
            None | Some("index.docker.io" | "registry-1.docker.io" | "docker.io") => "docker.io",
            Some(registry) => registry,
        }
    }

    /// The repository without its registry, and without the `library/` of Docker Hub.
    pub fn familiar_path(&self) -> &'a str {
        match self.path.strip_prefix("library/") {
            Some(rest) if self.registry() == "docker.io" => rest,
            _ => self.path,
        }
    }

    /// The last segment of the repository.
    pub fn name(&self) -> &'a str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// The release that the tag tells, as its numbers: `[0, 11, 0]` of `v0.11.0-cu128`; `None` when it starts with none.
    pub fn release(&self) -> Option<Vec<u64>> {
        release(self.tag?)
    }

    /// Whether the image holds release `since` of its program or a later one; `None` when the tag does not tell. An image
    /// that floats at `latest`, or has neither tag nor digest, holds the newest.
    pub fn is_since(&self, since: &str) -> Option<bool> {
        match self.tag {
            None | Some("latest") => self.digest.is_none().then_some(true),
            Some(tag) => Some(release(tag)? >= release(since)?),
        }
    }

    /// Whether the reference can come to mean other contents: it has no digest, and no tag or `latest`.
    pub fn floats(&self) -> bool {
        self.digest.is_none() && self.tag.is_none_or(|tag| tag == "latest")
    }
}

impl fmt::Display for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(self.path)?;
        if let Some(tag) = self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn has_capital(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let (mut separator, mut any) = (String::new(), false);
    for character in text.chars() {
        if character.is_ascii_lowercase() || character.is_ascii_digit() {
            if !(separator.is_empty() || any && is_separator(&separator)) {
                return false;
            }
            separator.clear();
            any = true;
        } else {
            separator.push(character);
        }
    }
    any && separator.is_empty()
}

fn is_separator(text: &str) -> bool {
    matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let words = algorithm.split(['+', '.', '-', '_']).all(|word| {
        word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let length = match algorithm {
        "sha256" => hex.len() == 64,
        "sha384" => hex.len() == 96,
        "sha512" => hex.len() == 128,
        _ => hex.len() >= 32,
    };
    words && length && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_registry(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((host, port)) = rest.split_once(']') else { return false };
        let address = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
        return address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The numbers that a tag starts with. A single number may be a date, a build or a size, and tells no release.
fn release(tag: &str) -> Option<Vec<u64>> {
    let digits = tag.strip_prefix('v').unwrap_or(tag);
    let end = digits.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(digits.len());
    let numbers: Vec<u64> =
        digits[..end].trim_end_matches('.').split('.').map_while(|part| part.parse().ok()).collect();
    (numbers.len() >= 2).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_tag_tells_the_release() {
        let is_since = |image: &str, since: &str| Image::parts(image).is_since(since);
        for (image, expected) in [
            ("vllm/vllm-openai:v0.18.0", Some(true)),
            ("vllm/vllm-openai:v0.18.1rc1-cu128", Some(true)),
            ("vllm/vllm-openai:0.18", Some(true)),
            ("vllm/vllm-openai:1.0", Some(true)),
            ("vllm/vllm-openai:v0.11.0", Some(false)),
            ("vllm/vllm-openai:v0.9", Some(false)),
            ("vllm/vllm-openai:latest", Some(true)),
            ("vllm/vllm-openai", Some(true)),
            ("vllm/vllm-openai:latest@sha256:0", None),
            ("vllm/vllm-openai@sha256:0", None),
            ("vllm/vllm-openai:nightly", None),
            ("vllm/vllm-openai:20250901", None),
            ("vllm/vllm-openai:99999999999999999999999.1", None),
        ] {
            assert_eq!(is_since(image, "0.18"), expected, "{image}");
        }
        assert_eq!(is_since("qdrant/qdrant:v1.7.3", "1.7.3"), Some(true));
        assert_eq!(is_since("qdrant/qdrant:v1.7.2-unprivileged", "1.7.3"), Some(false));
    }

    #[test]
    fn references_come_apart_as_the_grammar_says() {
        let digested = format!("ghcr.io/team/app:1@{DIGEST}");
        for (text, registry, path, tag, digest) in [
            ("redis", None, "redis", None, None),
            ("redis:7", None, "redis", Some("7"), None),
            ("redis:latest", None, "redis", Some("latest"), None),
            ("vllm/vllm-openai:v0.11.0", None, "vllm/vllm-openai", Some("v0.11.0"), None),
            ("registry:5000/img", Some("registry:5000"), "img", None, None),
            ("registry:5000/img:1", Some("registry:5000"), "img", Some("1"), None),
            ("registry:5000", None, "registry", Some("5000"), None),
            ("localhost/img", Some("localhost"), "img", None, None),
            ("localhost:80/a/b:c", Some("localhost:80"), "a/b", Some("c"), None),
            ("docker.io/library/redis", Some("docker.io"), "library/redis", None, None),
            ("nvcr.io/nvidia/tritonserver:25.08-py3", Some("nvcr.io"), "nvidia/tritonserver", Some("25.08-py3"), None),
            (
                "harbor.example.com/proxy/vllm/vllm-openai",
                Some("harbor.example.com"),
                "proxy/vllm/vllm-openai",
                None,
                None,
            ),
            ("[2001:db8::1]:5000/app:2", Some("[2001:db8::1]:5000"), "app", Some("2"), None),
            ("[::1]/app", Some("[::1]"), "app", None, None),
            (&digested, Some("ghcr.io"), "team/app", Some("1"), Some(DIGEST)),
            ("a/b__c-d---e.f_g", None, "a/b__c-d---e.f_g", None, None),
            ("EXAMPLE/app", Some("EXAMPLE"), "app", None, None),
        ] {
            let expected = Image { registry, path, tag, digest };
            assert_eq!(Image::parse(text), Ok(expected), "{text}");
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn what_the_kubelet_refuses_is_refused() {
        for (text, error) in [
            ("", ImageError::Empty),
            ("Redis", ImageError::Repository),
            ("team/App", ImageError::Repository),
            (":tag", ImageError::Repository),
            ("app:", ImageError::Tag),
            ("app:-1", ImageError::Tag),
            ("app:a:b", ImageError::Tag),
            ("app:{{ .Values.tag }}", ImageError::Tag),
            ("/app", ImageError::Repository),
            ("a//b", ImageError::Repository),
            ("a..b", ImageError::Repository),
            ("a-/b", ImageError::Repository),
            ("-a", ImageError::Repository),
            ("a___b", ImageError::Repository),
            ("a b", ImageError::Repository),
            (" app", ImageError::Repository),
            ("https://example.com/app", ImageError::Registry),
            ("exa_mple.com/app", ImageError::Registry),
            ("app@sha256:0000", ImageError::Digest),
            ("app@", ImageError::Digest),
            ("app@latest", ImageError::Digest),
            ("ünïcode", ImageError::Repository),
        ] {
            assert_eq!(Image::parse(text), Err(error), "{text}");
        }
        assert!(Image::parse(&"a".repeat(256)).is_err());
        assert!(Image::parse(&format!("a:{}", "b".repeat(129))).is_err());
    }

    #[test]
    fn docker_hub_has_one_name() {
        for text in
            ["redis", "library/redis", "docker.io/redis", "docker.io/library/redis:7", "index.docker.io/library/redis"]
        {
            assert_eq!(Image::parts(text).repository(), "redis", "{text}");
        }
        assert_eq!(Image::parts("quay.io/library/redis:7").repository(), "quay.io/library/redis");
        assert_eq!(Image::parts("nvcr.io/nim/meta/llama:1").name(), "llama");
    }

    #[test]
    fn a_missing_tag_and_latest_float_and_a_digest_holds() {
        assert!(Image::parts("redis").floats());
        assert!(Image::parts("redis:latest").floats());
        assert!(!Image::parts("redis:7").floats());
        assert!(!Image::parts("redis:latest@sha256:00").floats());
    }
}
