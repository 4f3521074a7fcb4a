//! Names of rules and categories as people write them, and what they may have meant.

use std::fmt;

use crate::rule::{Category, Rule};

/// A name that is neither a rule nor a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// What was written.
    pub name: String,
    /// What was meant, perhaps.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown rule or category {}", quoted(&self.name))?;
        match self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownName {}

/// The rules that `names` stand for, in the order of `rules` and each once: a category stands for all of its rules.
///
/// # Errors
/// Every name that is neither a rule nor a category.
pub fn resolve<'r, N: AsRef<str>>(names: &[N], rules: &[&'r Rule]) -> Result<Vec<&'r Rule>, Vec<UnknownName>> {
    let is = |rule: &Rule, name: &str| rule.name == name || rule.category.as_str() == name;
    let known = |name: &str| {
        Category::ALL.iter().any(|category| category.as_str() == name) || rules.iter().any(|rule| rule.name == name)
    };
    let mut unknown = Vec::new();
    for name in names.iter().map(AsRef::as_ref).filter(|name| !known(name)) {
        let suggestion = suggest(name, all(rules));
        unknown.push(UnknownName { name: name.to_owned(), suggestion });
    }
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok(rules.iter().copied().filter(|rule| names.iter().any(|name| is(rule, name.as_ref()))).collect())
}

/// Every name of a category or rule.
pub(super) fn all(rules: &[&Rule]) -> impl Iterator<Item = &'static str> {
    let categories = Category::ALL.iter().map(|category| category.as_str());
    categories.chain(rules.iter().map(|rule| rule.name))
}

/// The one of `known` that `text` was meant to be: the nearest spelling, else the shortest that has `text` in it.
pub(super) fn suggest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody types a name this long by mistake, and the distance costs time in the square of the length.
    if text.chars().count() > 80 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    let written = plain(text);
    let tolerated = (written.chars().count() / 3).max(1);
    let mut nearest: Option<((usize, usize), &str)> = None;
    for candidate in known {
        let meant = plain(candidate);
        let distance = strsim::damerau_levenshtein(&written, &meant);
        let rank = if distance <= tolerated {
            (0, distance)
        } else if written.len() >= 4 && meant.contains(&written) {
            (1, meant.len())
        } else {
            continue;
        };
        if nearest.is_none_or(|(best, _)| rank < best) {
            nearest = Some((rank, candidate));
        }
    }
    nearest.map(|(_, candidate)| candidate)
}

/// `text` as it may stand in a message: in backquotes, on one line, and not longer than a name.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    let ellipsis = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("`{short}{ellipsis}`")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{RULES, names};
    use super::*;

    #[test]
    fn names_and_categories_become_rules_once_and_in_order() {
        let resolved = resolve(&["security", "missing-startup-probe", "privileged-container"], RULES).unwrap();
        assert_eq!(names(&resolved), ["host-path-volume", "missing-startup-probe", "privileged-container"]);
        assert_eq!(resolve::<&str>(&[], RULES).unwrap(), Vec::<&Rule>::new());
    }

    #[test]
    fn every_unknown_name_is_told_with_what_was_meant() {
        let unknown =
            resolve(&["privilged-container", "images", "startup-probe", "sekurity", "zzzzzz"], RULES).unwrap_err();
        assert_eq!(
            unknown.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "unknown rule or category `privilged-container`; did you mean `privileged-container`?",
                "unknown rule or category `startup-probe`; did you mean `missing-startup-probe`?",
                "unknown rule or category `sekurity`; did you mean `security`?",
                "unknown rule or category `zzzzzz`",
            ]
        );
    }

    #[test]
    fn spelling_of_case_and_dashes_does_not_count() {
        assert_eq!(suggest("Pod_Security", ["podSecurity", "preset"].into_iter()), Some("podSecurity"));
        assert_eq!(suggest("a", ["warn"].into_iter()), None);
        assert_eq!(suggest(&"a".repeat(10_000), ["a"].into_iter()), None);
    }

    #[test]
    fn a_quoted_name_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }
}
