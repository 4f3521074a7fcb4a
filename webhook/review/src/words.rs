//! What is said to people: warnings and denials as the API server lets them through and terminals show them safely.

use std::collections::BTreeSet;

use buttress_policies::finding::Finding;
use buttress_policies::path::Path;

/// The most warnings in one answer. The API server cuts all of them short once they pass 4096 characters together, and
/// other webhooks want to be heard too.
const MAX_WARNINGS: usize = 10;
/// The most characters of a warning.
const MAX_WARNING: usize = 200;
/// The most characters of a pointer within a warning, so that the message keeps its place.
const MAX_POINTER: usize = 80;
/// The most findings that a denial tells in full.
const MAX_REASONS: usize = 20;
/// The most characters of one reason of a denial.
const MAX_REASON: usize = 600;

/// The findings as warnings: the most severe first, one line each, and at the end how many were left out.
pub(crate) fn warnings(findings: &[&Finding]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all: Vec<String> =
        worst_first(findings).into_iter().map(warning).filter(|text| seen.insert(text.clone())).collect();
    if all.len() <= MAX_WARNINGS {
        return all;
    }
    let left = all.len() - (MAX_WARNINGS - 1);
    let last = format!("buttress: …and {left} more; run `buttress lint`");
    all.into_iter().take(MAX_WARNINGS - 1).chain([last]).collect()
}

/// Why the object is refused: each rule, where it is broken and what to do.
pub(crate) fn denial(subject: &str, findings: &[&Finding]) -> String {
    let count = match findings.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    let mut text = refusal(subject, &count);
    for finding in worst_first(findings).into_iter().take(MAX_REASONS) {
        text.push_str("; ");
        text.push_str(&reason(finding));
    }
    if findings.len() > MAX_REASONS {
        text.push_str(&format!("; …and {} more, see `buttress lint`", findings.len() - MAX_REASONS));
    }
    text
}

/// The beginning of every denial.
pub(crate) fn refusal(subject: &str, reason: &str) -> String {
    format!("Buttress refuses {}: {reason}", short(&clean(subject), MAX_WARNING))
}

/// A line of our own about `what` went wrong, told so that nobody takes it for a finding.
pub(crate) fn notice(what: &str) -> String {
    short(&format!("buttress: {}", clean(what)), MAX_WARNING)
}

fn warning(finding: &Finding) -> String {
    let place = place(&finding.at);
    let head = format!("{}: ", finding.rule.name);
    let room = MAX_WARNING.saturating_sub(length(&head) + length(&place));
    format!("{head}{}{place}", short(&clean(&finding.message), room))
}

fn reason(finding: &Finding) -> String {
    let remedy = match &finding.fix {
        Some(fix) => format!("to fix it, {}", clean(&fix.title)),
        None => format!("how to fix it: `buttress explain {}`", finding.rule.name),
    };
    let place = place(&finding.at);
    let room = MAX_REASON.saturating_sub(length(&remedy) + length(&place));
    format!("{}: {}{place}, {remedy}", finding.rule.name, short(&clean(&finding.message), room))
}

fn place(at: &Path) -> String {
    let pointer = if at.is_root() { "/" } else { at.as_str() };
    format!(" (at {})", short(&clean(pointer), MAX_POINTER))
}

/// By severity, then as the engine ordered them.
fn worst_first<'f>(findings: &[&'f Finding]) -> Vec<&'f Finding> {
    let mut sorted = findings.to_vec();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    sorted
}

/// The text without characters that are invisible, move the cursor or turn the direction of writing: a header with one
/// is dropped by the API server, and a terminal would obey it.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|character| if is_unfit(character) { ' ' } else { character }).collect()
}

fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The first `most` characters, the last of them an ellipsis where something is left out.
pub(crate) fn short(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut shortened: String = text.chars().take(most.saturating_sub(1)).collect();
    shortened.push('…');
    shortened
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use buttress_policies::rule::Severity;
    use buttress_policies::rules::RULES;

    use super::*;

    fn finding(message: &str, severity: Severity) -> Finding {
        let mut finding = RULES[0].finding(Path::parse("/spec/containers/0"), message);
        finding.severity = severity;
        finding
    }

    #[test]
    fn warnings_are_few_short_and_clean_with_the_worst_first() {
        let long = format!("a\n\u{1b}[31m\u{202e}{}", "é".repeat(1000));
        let mut all: Vec<Finding> = (0..30).map(|n| finding(&format!("{n}{long}"), Severity::Advice)).collect();
        all.push(finding("the worst", Severity::Error));
        let warnings = warnings(&all.iter().collect::<Vec<_>>());
        assert_eq!(warnings.len(), MAX_WARNINGS);
        assert!(warnings[0].contains("the worst (at /spec/containers/0)"), "{}", warnings[0]);
        assert_eq!(warnings[9], "buttress: …and 22 more; run `buttress lint`");
        for warning in &warnings {
            assert!(length(warning) <= MAX_WARNING && !warning.chars().any(is_unfit), "{warning}");
        }
    }

    #[test]
    fn the_same_warning_is_given_once() {
        let one = finding("same", Severity::Warning);
        assert_eq!(warnings(&[&one, &one]).len(), 1);
        assert!(warnings(&[]).is_empty());
    }

    #[test]
    fn a_denial_names_rules_places_and_what_to_do() {
        let one = finding("bad\r\nvalue", Severity::Error);
        let text = denial("Pod ml/llm", &[&one]);
        let rule = RULES[0].name;
        assert_eq!(
            text,
            format!(
                "Buttress refuses Pod ml/llm: 1 error; {rule}: bad  value (at /spec/containers/0), how to fix it: `buttress explain {rule}`"
            )
        );
        let many = vec![&one; 50];
        assert!(denial("Pod", &many).ends_with("; …and 30 more, see `buttress lint`"));
    }

    #[test]
    fn a_long_pointer_leaves_room_for_the_message() {
        let mut long = finding("the message", Severity::Error);
        long.at = Path::root().key(&"k".repeat(500));
        assert!(warning(&long).contains("the message (at /kkk"));
        assert!(length(&warning(&long)) <= MAX_WARNING);
    }
}
