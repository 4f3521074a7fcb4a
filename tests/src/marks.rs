//! What a manifest expects of itself: each line that a finding starts on carries a comment `#~ rule rule`, or the next line
//! does as `#~^ rule`.

use std::collections::{BTreeMap, BTreeSet};

use buttress_policies::check;
use buttress_policies::context::Context;
use buttress_yaml::File;

/// The names of rules, by 1-based line.
pub type Marks = BTreeMap<usize, BTreeSet<String>>;

/// The rules that a text expects.
pub fn expected(text: &str) -> Marks {
    let mut marks = Marks::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, mark)) = line.split_once("#~") else { continue };
        let (names, at) = match mark.strip_prefix('^') {
            Some(names) => (names, index),
            None => (mark, index + 1),
        };
        marks.entry(at).or_default().extend(names.split_whitespace().map(str::to_owned));
    }
    marks
}

/// The rules that find something in a file.
///
/// # Panics
/// When a document is no YAML.
pub fn found(file: &File, context: &Context<'_>) -> Marks {
    let mut marks = Marks::new();
    for document in file.documents() {
        for finding in check(document.value().expect("a marked manifest is YAML"), context) {
            let located = document.locate(&finding.at);
            let start = located.key.map_or(located.value.start, |key| key.start);
            marks.entry(file.line_column(start).line).or_default().insert(finding.rule.name.to_owned());
        }
    }
    marks
}
