//! From the paths that were typed to the inputs that are read: folders walked, `.gitignore` honoured, each file once.

use std::collections::HashSet;
use std::path::{Component, Path as FilePath, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use crate::session::Session;
use crate::source::{Input, Origin, Problem, read_file, read_text};

/// How inputs are called: as the user would type them from the working directory.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    directory: PathBuf,
}

impl Names {
    /// Names as typed in `directory`.
    pub(crate) fn new(directory: &FilePath) -> Self {
        Self { directory: clean(directory) }
    }

    /// The name of an absolute path: relative when it lies below, else the whole of it.
    pub(crate) fn of(&self, path: &FilePath) -> String {
        let path = clean(path);
        slashed(path.strip_prefix(&self.directory).unwrap_or(&path))
    }

    /// The name of a path that was typed, or was found below one that was.
    fn of_typed(&self, typed: &FilePath) -> String {
        let path = clean(&self.directory.join(typed));
        match path.strip_prefix(&self.directory) {
            Ok(below) => slashed(below),
            Err(_) => slashed(typed),
        }
    }
}

/// A path with `/` on every system, so that reports do not depend on it.
fn slashed(path: &FilePath) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

/// A path without `.` and `..`, by its letters alone: only to compare and to name, never to read.
pub(crate) fn clean(path: &FilePath) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// What the typed paths lead to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// What is to be read, sorted by name, each once.
    pub(crate) inputs: Vec<Input>,
    /// The folders that were walked.
    pub(crate) folders: Vec<PathBuf>,
    /// Paths that lead nowhere.
    pub(crate) problems: Vec<Problem>,
}

/// Follows the typed paths.
pub(crate) fn gather(paths: &[PathBuf], session: &mut Session) -> Gathered {
    let names = Names::new(&session.directory);
    let mut gathered = Gathered::default();
    let mut seen = HashSet::new();
    // Files first: one that is named and lies in a named folder too counts as named.
    let (mut folders, mut stdin) = (Vec::new(), false);
    for typed in paths {
        if typed.as_os_str() == "-" {
            if std::mem::replace(&mut stdin, true) {
                continue;
            }
            match read_text(&mut session.stdin, 0) {
                Ok(text) => {
                    gathered.inputs.push(Input { name: "-".to_owned(), origin: Origin::Stdin(text), named: true })
                }
                Err(failure) => gathered.problems.push(failure.of("-")),
            }
            continue;
        }
        let path = session.directory.join(typed);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => folders.push((typed, path)),
            // A pipe, as `<(helm template …)` gives one, can be read only once; it counts as stdin does.
            Ok(metadata) if !metadata.is_file() => match read_file(&path) {
                Ok(text) => {
                    gathered.inputs.push(Input { name: slashed(typed), origin: Origin::Stdin(text), named: true });
                }
                Err(failure) => gathered.problems.push(failure.of(&slashed(typed))),
            },
            Ok(_) => {
                if seen.insert(clean(&path)) {
                    gathered.inputs.push(Input {
                        name: names.of_typed(typed),
                        origin: Origin::File(path),
                        named: true,
                    });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                gathered.problems.push(Problem {
                    file: slashed(typed),
                    place: None,
                    message: "there is no such file or folder".to_owned(),
                });
            }
            Err(error) => gathered.problems.push(Problem {
                file: slashed(typed),
                place: None,
                message: format!("cannot be read: {}", crate::source::plain(&error)),
            }),
        }
    }
    for (typed, path) in folders {
        for found in walk(&path, None) {
            match found {
                Ok(entry) => {
                    let found = entry.into_path();
                    if !seen.insert(clean(&found)) {
                        continue;
                    }
                    let below = found.strip_prefix(&path).unwrap_or(&found);
                    let name = names.of_typed(&typed.join(below));
                    gathered.inputs.push(Input { name, origin: Origin::File(found), named: false });
                }
                Err(error) => {
                    gathered.problems.push(Problem { file: names.of_typed(typed), place: None, message: error });
                }
            }
        }
        gathered.folders.push(clean(&path));
    }
    gathered.inputs.sort_by(|one, other| one.name.cmp(&other.name));
    gathered
}

/// The manifests, by their names, in a folder and, down to `depth`, below it. What git ignores is left out; hidden
/// files are not, because manifests live in `.github` and the like. Links are not followed, so that nothing is read
/// twice and no walk is endless.
pub(crate) fn walk(folder: &FilePath, depth: Option<usize>) -> impl Iterator<Item = Result<DirEntry, String>> {
    WalkBuilder::new(folder)
        .hidden(false)
        .ignore(false)
        .require_git(false)
        .max_depth(depth)
        .filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git")
        .build()
        .filter_map(|found| match found {
            Ok(entry) => {
                let file = entry.file_type().is_some_and(|kind| kind.is_file());
                (file && is_manifest_name(entry.path())).then_some(Ok(entry))
            }
            Err(error) => Some(Err(format!("cannot be walked: {error}"))),
        })
}

fn is_manifest_name(path: &FilePath) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_typed_from_the_working_directory() {
        let names = Names::new(FilePath::new("/w/p"));
        assert_eq!(names.of_typed(FilePath::new("./a/../b.yaml")), "b.yaml");
        assert_eq!(names.of_typed(FilePath::new("/w/p/b.yaml")), "b.yaml");
        assert_eq!(names.of_typed(FilePath::new("../q/b.yaml")), "../q/b.yaml");
        assert_eq!(names.of(FilePath::new("/w/q/b.yaml")), "/w/q/b.yaml");
    }
}
