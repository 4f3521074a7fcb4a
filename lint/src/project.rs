//! What else is in sight: the projects that the inputs belong to, their other files, and the inventory of each.

use std::collections::{HashMap, HashSet};
use std::path::{Path as FilePath, PathBuf};

use buttress_policies::catalog::Catalog;
use buttress_policies::inventory::Inventory;
use buttress_yaml::File;

use crate::files::{Gathered, Names, clean, walk};
use crate::objects::objects;
use crate::policy::FILE_NAME;
use crate::source::{Input, Origin};

/// How many files beside the named ones are looked at for what they say of others, such as budgets and autoscalers.
const MAX_FILES: usize = 20_000;
/// How many bytes of them.
const MAX_BYTES: u64 = 256 << 20;
/// The largest of them that is looked at. Larger JSON is data; larger YAML makes us unsure.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A folder whose manifests belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Root {
    folder: PathBuf,
    /// Whether what lies deeper belongs to it too.
    deep: bool,
}

impl Root {
    fn holds(&self, path: &FilePath) -> bool {
        if self.deep { path.starts_with(&self.folder) } else { path.parent() == Some(&self.folder) }
    }
}

/// The projects of a run.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    roots: Vec<Root>,
    /// The files that are read for what they say of others, not to be judged.
    pub(crate) others: Vec<Input>,
    /// Whether there were too many of them, so that what was not seen may well be there.
    pub(crate) bounded: bool,
}

impl Projects {
    /// The projects that `gathered` belongs to. A project is the nearest folder above an input with `.git` or a Policy;
    /// without one it is the folder that was named, or that a named file lies in.
    pub(crate) fn of(gathered: &Gathered, names: &Names) -> Self {
        let mut projects = Self::default();
        let mut known: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
        let mut given = HashSet::new();
        for path in gathered.inputs.iter().filter_map(Input::path) {
            let path = clean(path);
            let Some(parent) = path.parent() else { continue };
            let root = match above(parent, &mut known) {
                Some(folder) => Root { folder, deep: true },
                None => match gathered.folders.iter().find(|folder| path.starts_with(folder)) {
                    Some(folder) => Root { folder: folder.clone(), deep: true },
                    None => Root { folder: parent.to_owned(), deep: false },
                },
            };
            if !projects.roots.contains(&root) {
                projects.roots.push(root);
            }
            given.insert(path);
        }
        projects.index(gathered, &given, names);
        projects
    }

    fn index(&mut self, gathered: &Gathered, given: &HashSet<PathBuf>, names: &Names) {
        let mut bytes = 0;
        for root in &self.roots {
            // What lies in a folder that was walked for the inputs, or in a project around this one, is known already.
            let walked = gathered.folders.iter().any(|folder| root.folder.starts_with(folder));
            let inside =
                self.roots.iter().any(|other| other != root && other.deep && root.folder.starts_with(&other.folder));
            if walked || inside {
                continue;
            }
            for entry in walk(&root.folder, (!root.deep).then_some(1)).flatten() {
                let path = clean(entry.path());
                if given.contains(&path) {
                    continue;
                }
                let length = entry.metadata().map_or(0, |metadata| metadata.len());
                if length > MAX_FILE_BYTES {
                    self.bounded |= path.extension().is_none_or(|extension| extension != "json");
                    continue;
                }
                bytes += length;
                if self.others.len() >= MAX_FILES || bytes > MAX_BYTES {
                    self.bounded = true;
                    self.others.clear();
                    return;
                }
                self.others.push(Input {
                    name: names.of(&path),
                    origin: Origin::File(entry.into_path()),
                    named: false,
                });
            }
        }
        self.others.sort_by(|one, other| one.name.cmp(&other.name));
        self.others.dedup_by(|one, other| one.origin == other.origin);
    }

    /// The inventories, from what each input says.
    pub(crate) fn inventories<'f>(&self, facts: impl Iterator<Item = (&'f Input, Inventory)>) -> Inventories {
        let mut found = Inventories { roots: Vec::new(), lone: Inventory::unknown() };
        for root in &self.roots {
            let inventory = if self.bounded { Inventory::unknown() } else { Inventory::whole() };
            found.roots.push((root.clone(), inventory));
        }
        for (input, facts) in facts {
            let path = input.path().map(clean);
            for (root, inventory) in &mut found.roots {
                // What comes by stdin is meant to stand beside what is named.
                if path.as_deref().is_none_or(|path| root.holds(path)) {
                    inventory.merge(facts.clone());
                }
            }
            found.lone.merge(facts);
        }
        found
    }
}

/// The nearest of `folder` and the folders above it that holds `.git` or a Policy.
fn above(folder: &FilePath, known: &mut HashMap<PathBuf, Option<PathBuf>>) -> Option<PathBuf> {
    if let Some(found) = known.get(folder) {
        return found.clone();
    }
    let found = if folder.join(".git").exists() || folder.join(FILE_NAME).is_file() {
        Some(folder.to_owned())
    } else {
        folder.parent().and_then(|parent| above(parent, known))
    };
    known.insert(folder.to_owned(), found.clone());
    found
}

/// The inventory of each project.
#[derive(Debug)]
pub(crate) struct Inventories {
    roots: Vec<(Root, Inventory)>,
    /// What stdin sees: all that is there, and no certainty about the rest.
    lone: Inventory,
}

impl Inventories {
    /// What an input sees: its own project, which is the innermost that holds it.
    pub(crate) fn of(&self, input: &Input) -> &Inventory {
        let path = input.path().map(clean);
        let holding = path.iter().flat_map(|path| self.roots.iter().filter(move |(root, _)| root.holds(path)));
        holding.max_by_key(|(root, _)| root.folder.components().count()).map_or(&self.lone, |(_, inventory)| inventory)
    }
}

/// What the objects of a file say of others.
pub(crate) fn facts(file: &File, name: &str, catalog: &Catalog) -> Inventory {
    let mut inventory = Inventory::unknown();
    for value in file.documents().iter().filter_map(|document| document.value().ok()) {
        for item in objects(value) {
            inventory.add(&item.value, name, catalog);
        }
    }
    inventory
}
