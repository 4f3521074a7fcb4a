//! The Policy in force: found and read from a file, its mistakes told with line and column, and asked by namespace.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::{Arc, RwLock};

use buttress_policies::policy::{Effective, Policy, UnknownName, matching, resolve};
use buttress_policies::rule::Rule;
use buttress_policies::rules::RULES;
use buttress_yaml::File;

use crate::cli::PolicyArgs;
use crate::files::Names;
use crate::source::{Problem, read_file};

/// The name of the file that holds the Policy of a project.
pub(crate) const FILE_NAME: &str = "buttress.yaml";

/// What is in force, for each namespace.
pub(crate) struct Policies {
    policies: Vec<Policy>,
    select: Vec<&'static Rule>,
    ignore: Vec<&'static Rule>,
    /// By the positions of the Policies that apply, so that namespaces under the same ones share one.
    made: RwLock<HashMap<Vec<usize>, Arc<Effective>>>,
}

impl Policies {
    /// The Policy of the command line, else that of the project, else the built-in one.
    pub(crate) fn load(args: &PolicyArgs, directory: &FilePath) -> Result<Self, Vec<Problem>> {
        let file = match &args.policy {
            Some(path) => Some(directory.join(path)),
            None => directory.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file()),
        };
        let policies = match &file {
            Some(path) => read(path, &Names::new(directory).of(path))?,
            None => Vec::new(),
        };
        Ok(Self { policies, select: Vec::new(), ignore: Vec::new(), made: RwLock::default() })
    }

    /// The same, for some of the rules only.
    pub(crate) fn with_selection(mut self, select: &[String], ignore: &[String]) -> Result<Self, String> {
        self.select = selected(select, "--select")?;
        self.ignore = selected(ignore, "--ignore")?;
        Ok(self)
    }

    /// The Policies themselves, none where the built-in one holds.
    pub(crate) fn all(&self) -> &[Policy] {
        &self.policies
    }

    /// What is in force for `namespace`.
    pub(crate) fn of(&self, namespace: Option<&str>) -> Arc<Effective> {
        let applying = matching(&self.policies, namespace);
        let key: Vec<usize> = applying
            .iter()
            .filter_map(|one| self.policies.iter().position(|other| std::ptr::eq(*one, other)))
            .collect();
        if let Some(found) = self.made.read().ok().and_then(|made| made.get(&key).cloned()) {
            return found;
        }
        let effective = Effective::for_namespace(&self.policies, namespace, RULES);
        let effective = Arc::new(effective.with_selection(&self.select, &self.ignore));
        if let Ok(mut made) = self.made.write() {
            made.insert(key, Arc::clone(&effective));
        }
        effective
    }
}

/// The rules that `names` stand for. Blanks around them and empty ones between commas do no harm.
fn selected(names: &[String], flag: &str) -> Result<Vec<&'static Rule>, String> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    resolve(&names, RULES).map_err(|unknown| {
        let told: Vec<String> = unknown.iter().map(|unknown: &UnknownName| format!("{flag}: {unknown}")).collect();
        format!("{}\n`buttress rules` lists all", told.join("\n"))
    })
}

/// The Policies in a file; each of its mistakes is told with its place.
fn read(path: &FilePath, name: &str) -> Result<Vec<Policy>, Vec<Problem>> {
    let text = read_file(path).map_err(|failure| vec![failure.of(name)])?;
    let file = File::parse(text);
    let problem = |offset: usize, message: String| Problem {
        file: name.to_owned(),
        place: Some(file.line_column(offset)),
        message,
    };
    let (mut policies, mut problems) = (Vec::new(), Vec::new());
    for document in file.documents() {
        let value = match document.value() {
            Ok(value) => value,
            Err(error) => {
                problems.push(problem(error.offset, format!("is no YAML: {}", error.message)));
                continue;
            }
        };
        for duplicate in document.duplicate_keys() {
            let key = duplicate.path.last().unwrap_or_default();
            problems.push(problem(duplicate.second.start, format!("`{key}` stands twice; the first would be ignored")));
        }
        match Policy::from_value(value, RULES) {
            Ok(policy) => policies.push(policy),
            Err(errors) => problems.extend(errors.into_iter().map(|error| {
                let located = document.locate(&error.path);
                let offset = located.key.map_or(located.value.start, |key| key.start);
                problem(offset, error.to_string())
            })),
        }
    }
    if file.documents().is_empty() {
        problems.push(Problem {
            file: name.to_owned(),
            place: None,
            message: "holds no Policy; `buttress schema policy` describes one".to_owned(),
        });
    }
    if problems.is_empty() { Ok(policies) } else { Err(problems) }
}
