//! The reference of the rules is generated from the rules: `policies/RULES.md` and the table in `README.md`. Run with
//! `UPDATE=1` to write them; without it, a stale file fails the test. And every rule keeps its own word: names, lengths,
//! sources and examples.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use buttress_policies::check;
use buttress_policies::finding::{Finding, Safety};
use buttress_policies::policy::Effective;
use buttress_policies::rule::{Category, Fixable, Rule, Scope};
use buttress_policies::rules::{self, RULES};
use buttress_tests::{laws, manifests};

/// The chapter on AI workloads, which tells of the rules in the order in which a pod meets them.
const AI_WORKLOADS: &str = include_str!("../../policies/src/rules/ai_workloads.md");

/// The effective Policy with `rule` alone.
fn alone(rule: &'static Rule) -> Effective {
    Effective::recommended().with_selection(&[rule], &[])
}

#[test]
fn rules_keep_their_form() {
    let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted, "RULES is sorted by name, each name once");
    for rule in RULES {
        let kebab = rule.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        assert!(kebab && rule.name.len() <= 57, "{}: kebab-case of at most 57 characters", rule.name);
        assert!(rule.summary.chars().count() <= 80, "{}: a summary of at most 80 characters", rule.name);
        assert!(!rule.summary.ends_with('.'), "{}: a summary is no sentence", rule.name);
        assert!(rule.rationale.contains("](https://"), "{}: the rationale links to a source", rule.name);
        assert!(rule.rationale.ends_with('.'), "{}: the rationale is made of sentences", rule.name);
        assert_eq!(rules::find(rule.name).map(|found| found.name), Some(rule.name));
    }
}

/// What `rule` alone finds in a text that is a whole project.
fn found(rule: &'static Rule, text: &str) -> Vec<Finding> {
    let policy = alone(rule);
    let inventory = manifests::inventory(text, policy.catalog());
    let context = laws::context(&policy, &inventory);
    manifests::objects(text).iter().flat_map(|object| check(object, &context)).collect()
}

#[test]
fn a_bad_example_is_found_and_repaired_into_the_good_one() {
    for rule in RULES {
        let findings = found(rule, rule.bad);
        assert!(!findings.is_empty(), "{}: its bad example is not found", rule.name);
        assert!(findings.iter().all(|finding| finding.rule == *rule));

        let policy = alone(rule);
        let inventory = manifests::inventory(rule.bad, policy.catalog());
        let context = laws::context(&policy, &inventory);
        let repaired = manifests::repaired(rule.bad, &context, Safety::Unsafe);
        if repaired == rule.bad {
            assert_ne!(rule.fixable, Fixable::Unsafe, "{}: a rule with a repair shows it", rule.name);
        } else {
            assert_ne!(rule.fixable, Fixable::No, "{}: it repairs and says that it cannot", rule.name);
            assert_eq!(repaired, rule.good, "{}: the repair of the bad example is not the good example", rule.name);
        }
        assert_eq!(found(rule, rule.good), [], "{}: its good example is found", rule.name);
    }
}

#[test]
fn the_chapter_on_ai_tells_of_every_rule_that_is_about_ai() {
    let told: BTreeSet<&str> = AI_WORKLOADS.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    for name in &told {
        assert!(rules::find(name).is_some(), "the chapter tells of {name}, which is no rule");
    }
    for rule in RULES.iter().filter(|rule| rule.scope != Scope::Any) {
        assert!(told.contains(rule.name), "the chapter does not tell of {}", rule.name);
    }
}

#[test]
fn the_reference_is_fresh() {
    let path = manifests::repository().join("policies/RULES.md");
    compare_or_write(&path, &reference());
}

#[test]
fn the_table_in_the_readme_is_fresh() {
    let path = manifests::repository().join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is there");
    let (head, rest) = readme.split_once("--test reference` -->\n").expect("README.md marks where the rules begin");
    let (_, tail) = rest.split_once("<!-- rules end -->").expect("README.md marks where the rules end");
    let fresh = format!("{head}--test reference` -->\n\n{}\n<!-- rules end -->{tail}", table());
    compare_or_write(&path, &fresh);
}

fn compare_or_write(path: &std::path::Path, fresh: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, fresh).expect("the file can be written");
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == fresh, "{} is stale: run `UPDATE=1 cargo test -p buttress-tests`", path.display());
}

fn repair_words(rule: &Rule) -> &'static str {
    match rule.fixable {
        Fixable::Safe => "safe",
        Fixable::Unsafe => "unsafe",
        Fixable::Either => "safe or unsafe",
        Fixable::No => "by hand",
    }
}

fn table() -> String {
    let mut table = String::from("| Rule | Severity | Repair | What it finds |\n|---|---|---|---|\n");
    for rule in RULES {
        let _ = writeln!(
            table,
            "| [`{0}`](policies/RULES.md#{0}) | {1} | {2} | {3} |",
            rule.name,
            rule.severity,
            repair_words(rule),
            rule.summary
        );
    }
    table
}

fn reference() -> String {
    let mut page = String::from(
        "# Rules\n\n<!-- Generated from the rules by `UPDATE=1 cargo test -p buttress-tests --test reference`. Do not edit. -->\n\n\
         A *safe* repair sets what is absent, or appends, and keeps what you wrote: `--fix` and the webhook make it. An *unsafe* one \
         may change behaviour or cost, and is made by `--unsafe-fixes` only.\n",
    );
    let used: BTreeSet<_> = RULES.iter().map(|rule| rule.category).collect();
    for category in Category::ALL.iter().filter(|category| used.contains(category)) {
        let _ = write!(page, "\n- **{category}**: ");
        let names: Vec<_> = RULES
            .iter()
            .filter(|rule| rule.category == *category)
            .map(|rule| format!("[{0}](#{0})", rule.name))
            .collect();
        page.push_str(&names.join(", "));
    }
    page.push_str("\n\n");
    page.push_str(AI_WORKLOADS);
    for rule in RULES {
        let _ = write!(
            page,
            "\n## {}\n\n{}.\n\n| Category | Severity | Looks at | Repair | Since |\n|---|---|---|---|---|\n| {} | {} | {} | {} | {} |\n\n{}\n\n\
             Bad:\n\n```yaml\n{}```\n\nGood:\n\n```yaml\n{}```\n",
            rule.name,
            capitalised(rule.summary),
            rule.category,
            rule.severity,
            scope_words(rule),
            repair_words(rule),
            rule.since,
            rule.rationale,
            rule.bad,
            rule.good
        );
    }
    page
}

fn scope_words(rule: &Rule) -> String {
    match rule.scope.as_str() {
        "any" => "all workloads".to_owned(),
        scope => format!("{scope} workloads"),
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
