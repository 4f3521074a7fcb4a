//! Fixtures hold their own expectation. `tests/fixtures/<rule>/<case>.yaml` is judged by that rule alone, and
//! `tests/fixtures/all/<case>.yaml` by all: each line that a finding starts on carries a comment `#~ rule rule`, or the next
//! line does as `#~^ rule`. What the safe repair makes of it lies beside it as `<case>.fixed.yaml`, and what the unsafe one
//! makes as `<case>.unsafe.yaml`, where they change anything. `<case>.policy.yaml` is the Policy, if there is one.

use std::fs;
use std::path::{Path, PathBuf};

use buttress_policies::finding::Safety;
use buttress_policies::policy::{Effective, Policy};
use buttress_policies::rules::{self, RULES};
use buttress_tests::{laws, manifests, marks};
use buttress_yaml::File;

fn cases() -> Vec<PathBuf> {
    let all = manifests::files(&manifests::repository().join("tests/fixtures"), &["yaml"]);
    all.into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().matches('.').count() == 1))
        .collect()
}

fn policy_of(case: &Path) -> Effective {
    let folder =
        case.parent().and_then(Path::file_name).expect("a fixture lies in a folder").to_string_lossy().into_owned();
    let policies = match fs::read_to_string(case.with_extension("policy.yaml")) {
        Ok(text) => {
            let file = File::parse(text);
            let value = file.documents()[0].value().expect("the Policy is YAML");
            vec![Policy::from_value(value, RULES).unwrap_or_else(|errors| panic!("{}: {errors:?}", case.display()))]
        }
        Err(_) => Vec::new(),
    };
    let effective = Effective::for_namespace(&policies, None, RULES);
    match folder.as_str() {
        "all" => effective,
        name => {
            let rule = rules::find(name).unwrap_or_else(|| panic!("{}: no rule is called {name}", case.display()));
            effective.with_selection(&[rule], &[])
        }
    }
}

#[test]
fn findings_are_where_the_fixture_says() {
    let cases = cases();
    assert!(cases.len() >= RULES.len(), "each rule has a fixture");
    for case in cases {
        let text = fs::read_to_string(&case).expect("a fixture is UTF-8");
        let policy = policy_of(&case);
        let inventory = manifests::inventory(&text, policy.catalog());
        let context = laws::context(&policy, &inventory);
        assert_eq!(
            marks::found(&File::parse(text.as_str()), &context),
            marks::expected(&text),
            "{}: found on the left, expected on the right",
            case.display()
        );
    }
}

#[test]
fn repairs_are_those_beside_the_fixture() {
    for case in cases() {
        let text = fs::read_to_string(&case).expect("a fixture is UTF-8");
        let policy = policy_of(&case);
        let inventory = manifests::inventory(&text, policy.catalog());
        let context = laws::context(&policy, &inventory);
        let safe = manifests::repaired(&text, &context, Safety::Safe);
        let r#unsafe = manifests::repaired(&text, &context, Safety::Unsafe);
        compare(&case.with_extension("fixed.yaml"), (safe != text).then_some(safe.as_str()));
        compare(&case.with_extension("unsafe.yaml"), (r#unsafe != safe).then_some(r#unsafe.as_str()));
    }
}

/// Compares the file at `path` with `expected`, or writes it with `UPDATE=1`. No file is a repair that changes nothing.
fn compare(path: &Path, expected: Option<&str>) {
    if std::env::var_os("UPDATE").is_some() {
        match expected {
            Some(text) => fs::write(path, text).expect("the fixture can be written"),
            None => {
                // A file that is not there need not be taken away.
                let _ = fs::remove_file(path);
            }
        }
        return;
    }
    let found = fs::read_to_string(path).ok();
    assert_eq!(found.as_deref(), expected, "{}: the file on the left, the repair on the right", path.display());
}

#[test]
fn every_rule_has_cases_that_it_finds_and_one_that_it_lets_be() {
    for rule in RULES {
        let folder = manifests::repository().join("tests/fixtures").join(rule.name);
        let texts: Vec<_> = cases()
            .into_iter()
            .filter(|case| case.starts_with(&folder))
            .map(|case| fs::read_to_string(case).unwrap_or_default())
            .collect();
        assert!(texts.iter().any(|text| text.contains("#~")), "{}: no fixture expects a finding", rule.name);
        assert!(texts.iter().any(|text| !text.contains("#~")), "{}: no fixture is to be let be", rule.name);
    }
}
