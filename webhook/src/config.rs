//! The Policies from files, with every mistake told by file, line and column.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use buttress_policies::path::Path as Pointer;
use buttress_policies::policy::Policy;
use buttress_policies::rules::RULES;
use buttress_yaml::{Document, File};

/// What keeps the process from starting: one line for each mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    lines: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Reads the Policies of all files; each may hold several, as documents of YAML or JSON.
///
/// # Errors
/// With all mistakes of all files.
pub fn read_policies(files: &[PathBuf]) -> Result<Vec<Policy>, ConfigError> {
    let mut policies = Vec::new();
    let mut lines = Vec::new();
    for path in files {
        match fs::read_to_string(path) {
            Ok(text) => read_file(path, &File::parse(text), &mut policies, &mut lines),
            Err(error) => lines.push(format!("{}: cannot read the Policy: {error}", path.display())),
        }
    }
    if lines.is_empty() { Ok(policies) } else { Err(ConfigError { lines }) }
}

fn read_file(path: &Path, file: &File, policies: &mut Vec<Policy>, lines: &mut Vec<String>) {
    let mut tell = |offset: usize, message: &str| {
        let at = file.line_column(offset);
        lines.push(format!("{}:{}:{}: {message}", path.display(), at.line, at.column));
    };
    if file.documents().is_empty() {
        tell(0, "holds no Policy; begin with `apiVersion: buttress.dev/v1alpha1` and `kind: Policy`");
    }
    for document in file.documents() {
        match document.value() {
            Err(error) => tell(error.offset, &error.message),
            Ok(value) => match Policy::from_value(value, RULES) {
                Ok(policy) => policies.push(policy),
                Err(errors) => {
                    for error in errors {
                        tell(offset(document, &error.path), &describe(&error.path, &error.message));
                    }
                }
            },
        }
    }
}

fn offset(document: &Document, path: &Pointer) -> usize {
    let place = document.locate(path);
    place.key.unwrap_or(place.value).start
}

fn describe(path: &Pointer, message: &str) -> String {
    if path.is_root() { message.to_owned() } else { format!("{path}: {message}") }
}
