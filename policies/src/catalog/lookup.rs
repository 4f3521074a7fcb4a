//! Finds the entry about an extended resource: exact names by binary search, then the families in their order.

use super::Accelerator;

/// The extended resources, laid out for lookup.
#[derive(Clone, Debug, Default)]
pub(super) struct Resources {
    /// Sorted by name.
    exact: Vec<Accelerator>,
    /// In order: the first that matches counts. Before each one how many bytes of it are no glob.
    families: Vec<(usize, Accelerator)>,
}

impl Resources {
    /// These and more. A new family stands before the older ones, so that a Policy can overrule what is built in.
    pub(super) fn with(&self, more: &[Accelerator]) -> Self {
        let mut all = self.clone();
        let mut families = Vec::new();
        for entry in more {
            if entry.is_glob() {
                all.families.retain(|(_, known)| known.resource != entry.resource);
                families.push((literal(&entry.resource), entry.clone()));
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
            Err(_) => {
                // Most families begin differently, which is cheaper to see than to match.
                let begins = |literal: usize, family: &Accelerator| {
                    name.as_bytes().starts_with(&family.resource.as_bytes()[..literal])
                };
                let mut families = self.families.iter();
                families
                    .find(|(literal, family)| begins(*literal, family) && family.matches(name))
                    .map(|(_, family)| family)
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Accelerator> {
        self.exact.iter().chain(self.families.iter().map(|(_, family)| family))
    }
}

/// How many bytes of a glob stand before its first sign.
fn literal(glob: &str) -> usize {
    glob.find(['*', '?', '[', '{']).unwrap_or(glob.len())
}
