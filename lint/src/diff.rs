//! Repairs shown as a unified diff, in the form that `git apply` and `patch -p1` take.

use similar::{Algorithm, TextDiff};

/// The difference between the texts of the file called `name`.
pub(crate) fn unified(name: &str, before: &str, after: &str) -> String {
    let (old, new) = if name == "-" {
        ("stdin".to_owned(), "stdin".to_owned())
    } else if name.starts_with('/') || name.starts_with("..") {
        (name.to_owned(), name.to_owned())
    } else {
        (format!("a/{name}"), format!("b/{name}"))
    };
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(before, after);
    diff.unified_diff().context_radius(3).header(&old, &new).to_string()
}
