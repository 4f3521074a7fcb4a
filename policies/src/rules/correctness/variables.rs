//! Variables in `command`, `args` and `env`: which of them nobody puts a value in place of.
//!
//! The kubelet knows `$(VAR)` alone, of variables that the container declares, those of `env` only where they stand before, and
//! those of Services. `$VAR` and `${VAR}` are the shell's, and where no shell runs the program gets them as text. Source:
//! `k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go`, `pkg/kubelet/kubelet_pods.go`.

use serde_json::Value;

use crate::container::Container;
use crate::node::{list, text};
use crate::profile::ContainerProfile;
use crate::shell::{Command, Word, basename};
use crate::workload::Pod;

/// Programs that take their arguments as they are and put nothing in place of a variable.
const LITERAL: &[&str] = &[
    "accelerate",
    "aws",
    "azcopy",
    "curl",
    "deepspeed",
    "gcloud",
    "git",
    "gsutil",
    "gunicorn",
    "hf",
    "huggingface-cli",
    "hypercorn",
    "mlflow",
    "python",
    "python3",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "rclone",
    "s5cmd",
    "torchrun",
    "uvicorn",
    "wget",
];

const SHELLS: &[&str] = &["sh", "bash", "ash", "dash", "zsh", "ksh", "eval", "envsubst"];

/// A word that the program of a container gets as it is written.
pub(super) struct Argument<'a> {
    /// The field, `command` or `args`.
    pub(super) field: &'static str,
    /// The position in it.
    pub(super) index: usize,
    /// The word.
    pub(super) text: &'a str,
}

/// The words of a container in which `wanted` stands and which no shell or script reads before the program does; none where
/// the program is not known to take its arguments as they are.
pub(super) fn literal_arguments<'a>(
    container: &Container<'a>,
    known: &ContainerProfile,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Argument<'a>> {
    let words = |field: &'static str| {
        let items = list(container.value(), field).iter().enumerate();
        items.filter_map(move |(index, word)| Some(Argument { field, index, text: word.as_str()? }))
    };
    let all = || words("command").chain(words("args"));
    if !all().any(|word| wanted(word.text)) || !takes_literally(container, known) {
        return Vec::new();
    }
    let mut code = false;
    let mut found = Vec::new();
    for word in all() {
        // The text behind `-c` is a program of its own.
        if !std::mem::replace(&mut code, word.text == "-c") && wanted(word.text) {
            found.push(word);
        }
    }
    found
}

fn takes_literally(container: &Container<'_>, known: &ContainerProfile) -> bool {
    let words = container.command().into_iter().chain(container.args());
    let words: Vec<Word<'_>> = words.map(|text| Word { text, known: true }).collect();
    let reads = |word: &str| SHELLS.contains(&basename(word)) || word.ends_with(".sh") || word.contains('\n');
    if words.iter().any(|word| reads(&word.text)) {
        return false;
    }
    let sure = known.sure && known.serves && known.runtime.is_some();
    if container.command().is_empty() {
        return sure && known.runtime.as_ref().is_some_and(|runtime| runtime.entrypoint.is_some());
    }
    let command = Command { words, ..Command::default() };
    sure && known.command.is_some() || command.programs().any(|at| LITERAL.contains(&basename(&command.words[at].text)))
}

/// Whether the object is one that a tool fills in before Kubernetes gets it: a shell's variable stands where no shell ever
/// reads.
pub(super) fn is_template(pod: &Pod<'_>) -> bool {
    let filled = |text: &str| shell_variables(text).next().is_some() || text.contains("{{");
    let metadata = pod.object().get("metadata").unwrap_or(&Value::Null);
    let names = ["name", "namespace", "generateName"].into_iter().filter_map(|field| text(metadata, field));
    // A variable that is to be put before itself, as a shell would have it, is an author's slip and no tool's.
    let by_tool = |variable: &Value| {
        let (name, value) = (text(variable, "name"), text(variable, "value").unwrap_or_default());
        let others = || shell_variables(value).any(|found| Some(found.name) != name);
        !value.contains(char::is_whitespace) && (value.contains("{{") || others())
    };
    let variables = || pod.containers().iter().flat_map(|container| list(container.value(), "env"));
    let images = pod.containers().iter().filter_map(Container::image);
    let labels = pod.labels().map(|(_, value)| value);
    names.chain(images).chain(labels).any(filled) || variables().any(by_tool)
}

/// A variable in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// The name.
    pub(super) name: &'a str,
    /// The variable as it is written, signs included.
    pub(super) written: &'a str,
    /// Whether the shell would do more than put the value in: `${VAR:-default}`.
    pub(super) is_expression: bool,
}

/// The shell's variables, `$VAR` and `${VAR}`, in a text.
pub(super) fn shell_variables(text: &str) -> impl Iterator<Item = Reference<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let dollar = rest.find('$')?;
            let (before, after) = (&rest[..dollar], &rest[dollar + 1..]);
            let whole = &rest[dollar..];
            rest = after;
            if before.ends_with('\\') {
                continue;
            }
            if let Some(escaped) = after.strip_prefix('$') {
                rest = escaped;
                continue;
            }
            let inner = after.strip_prefix('{').unwrap_or(after);
            let length = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let name = &inner[..length];
            if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            if !after.starts_with('{') {
                return Some(Reference { name, written: &whole[..=length], is_expression: false });
            }
            let Some(close) = inner.find('}') else { continue };
            return Some(Reference { name, written: &whole[..close + 3], is_expression: close > length });
        }
    })
}

/// The names of the kubelet's variables, `$(VAR)`, in a text.
pub(super) fn kubelet_variables(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let dollar = rest.find('$')?;
            let after = &rest[dollar + 1..];
            if let Some(escaped) = after.strip_prefix('$') {
                rest = escaped;
                continue;
            }
            rest = after;
            let Some((name, behind)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) else {
                continue;
            };
            rest = behind;
            return Some(name);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_shell_and_of_the_kubelet_are_told_apart() {
        let names = |text| shell_variables(text).map(|found| (found.name, found.written)).collect::<Vec<_>>();
        assert_eq!(names("s3://$BUCKET/${PATH}/x"), [("BUCKET", "$BUCKET"), ("PATH", "${PATH}")]);
        assert_eq!(names("$(VAR) $$ESCAPED \\$QUOTED $1 ^x$ ${open"), []);
        assert_eq!(names("${A:-b}"), [("A", "${A:-b}")]);
        assert!(shell_variables("${A:-b}").all(|found| found.is_expression));
        assert_eq!(kubelet_variables("$(A)$$(B)x$(C) $D ${E} $(open").collect::<Vec<_>>(), ["A", "C"]);
    }
}
