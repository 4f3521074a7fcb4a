//! Finds the entry about an extended resource: exact names by binary search, then the families in their order.

use super::Accelerator;

/// The extended resources, laid out for lookup.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources {
    /// Sorted by name.
    exact: Vec<Accelerator>,
    /// In order: the first that matches counts.
    families: Vec<Accelerator>,
}

impl Resources {
    /// These and more. A new family stands before the older ones, so that a Policy can overrule what is built in.
    pub(super) fn with(&self, more: &[Accelerator]) -> Self {
        let mut all = self.clone();
        let mut families = Vec::new();
        for entry in more {
            if entry.is_glob() {
                all.families.retain(|known| known.resource != entry.resource);
                families.push(entry.clone());
                continue;
            }
            match all.exact.binary_search_by(|known| known.resource.cmp(&entry.resource)) {
                Ok(at) => all.exact[at] = entry.clone(),
                Err(at) => all.exact.insert(at, entry.clone()),
            }
        }
        families.append(&mut all.families);
        all.families = families;
        all
    }

    pub(super) fn get(&self, name: &str) -> Option<&Accelerator> {
        // Kubernetes' own resources have no domain: they are asked for most and cost nothing here.
        if !name.contains('/') {
            return None;
        }
        match self.exact.binary_search_by(|known| known.resource.as_str().cmp(name)) {
            Ok(at) => Some(&self.exact[at]),
            Err(_) => self.families.iter().find(|family| same_start(&family.resource, name) && family.matches(name)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Accelerator> {
        self.exact.iter().chain(&self.families)
    }
}

/// Whether `name` begins as the glob does before its first sign: cheaper than matching, and mostly false.
fn same_start(glob: &str, name: &str) -> bool {
    let literal = glob.find(['*', '?', '[', '{']).unwrap_or(glob.len());
    name.as_bytes().starts_with(&glob.as_bytes()[..literal])
}
