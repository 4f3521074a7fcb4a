//! How layers of Policies lie over each other, lock, conflict and end.

use serde_json::json;

use super::super::SeveritySetting;
use super::super::testing::{FLOATING, HOST_PATH, NEWER, PRIVILEGED, RULES, STARTUP, SURPLUS, names, policy};
use super::*;
use crate::catalog::Role;

const ERROR: Option<Severity> = Some(Severity::Error);
const WARNING: Option<Severity> = Some(Severity::Warning);
const ADVICE: Option<Severity> = Some(Severity::Advice);

fn effective(policies: &[Policy]) -> Effective {
    Effective::for_namespace(policies, Some("ml-prod"), RULES)
}

fn severities(effective: &Effective) -> Vec<Option<Severity>> {
    RULES.iter().map(|rule| effective.severity(rule)).collect()
}

fn subject<'a>(namespace: Option<&'a str>, kind: &'a str, name: &'a str) -> Subject<'a> {
    Subject { namespace, kind, name }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn without_a_policy_every_rule_has_its_own_severity_and_the_webhook_observes() {
    let effective = Effective::recommended();
    for rule in RULES {
        assert_eq!(effective.severity(rule), Some(rule.severity));
        assert!(effective.repairs(rule) && !effective.is_locked(rule));
        assert_eq!(effective.owner_may_allow(rule), rule.severity < Severity::Error);
    }
    assert_eq!(effective.enforcement(), Enforcement::Observe);
    assert_eq!(effective.pod_security(), PodSecurity::default());
    assert_eq!(effective.injection(), &Injection::default());
    assert!(std::ptr::eq(effective.catalog(), Catalog::builtin()));
    assert!(effective.sources().is_empty() && effective.conflicts().is_empty() && effective.edition().is_none());
    assert_eq!(severities(&effective), severities(&Effective::for_namespace(&[], Some("x"), RULES)));
}

#[test]
fn presets_set_what_no_layer_set() {
    let under = |preset: &str| {
        let rules = json!({"floating-tag": {"severity": "advice"}});
        severities(&effective(&[policy("a", 0, json!({"preset": preset, "rules": rules}))]))
    };
    assert_eq!(under("minimal"), [ADVICE, None, ERROR, ERROR, ERROR, None]);
    assert_eq!(under("recommended"), [ADVICE, WARNING, ERROR, ERROR, ERROR, ADVICE]);
    assert_eq!(under("strict"), [ADVICE, ERROR, ERROR, ERROR, ERROR, ADVICE]);
    // A preset of a later layer does not undo what an earlier one said of a rule.
    let below = policy("a", 0, json!({"rules": {"floating-tag": {"severity": "error"}}}));
    let above = policy("b", 1, json!({"preset": "minimal"}));
    assert_eq!(severities(&effective(&[above, below])), [ERROR, None, ERROR, ERROR, ERROR, None]);
}

#[test]
fn layers_merge_by_priority_whatever_their_order() {
    let low = policy(
        "z",
        1,
        json!({
            "enforcement": "warn",
            "podSecurity": {"level": "restricted", "version": "v1.30"},
            "rules": {"floating-tag": {"severity": "error", "repair": false}, "host-path-volume": {"severity": "off"}},
            "injection": {
                "sizes": {"inference": {"cpu": "1", "memory": "4Gi"}},
                "memoryLimit": {"factor": 2},
                "tolerations": [{"key": "a", "operator": "Exists"}],
                "tolerationValues": {"a": "1", "b": "2"},
            },
        }),
    );
    let high = policy(
        "a",
        2,
        json!({
            "podSecurity": {"level": "baseline"},
            "rules": {"floating-tag": {"severity": "advice"}},
            "injection": {
                "sizes": {"inference": {"memory": "8Gi"}, "training": {"cpu": 2}},
                "tolerations": [{"key": "b", "value": "x", "effect": "NoSchedule"}],
                "tolerationValues": {"b": "3"},
                "startupBudget": {"maximumSeconds": 7200},
            },
        }),
    );
    for policies in [[low.clone(), high.clone()], [high, low]] {
        let effective = effective(&policies);
        assert_eq!(effective.severity(&FLOATING), ADVICE);
        assert!(!effective.repairs(&FLOATING), "what the later layer does not say stays");
        assert_eq!(effective.severity(&HOST_PATH), None);
        assert!(!effective.repairs(&HOST_PATH), "a rule that is off repairs nothing");
        assert_eq!(effective.enforcement(), Enforcement::Warn);
        assert_eq!(effective.pod_security(), "baseline:v1.30".parse().unwrap());
        let injection = effective.injection();
        let size = injection.sizes.of(Role::Inference).unwrap();
        assert_eq!((size.cpu(0).unwrap().to_string(), size.memory(0).unwrap().to_string()), ("1".into(), "8Gi".into()));
        assert_eq!(injection.memory_limit.unwrap().factor, 2.0);
        assert_eq!(injection.tolerations.len(), 1);
        assert_eq!(json!(injection.toleration_values), json!({"a": "1", "b": "3"}));
        assert_eq!(injection.startup_budget.maximum_seconds, 7_200);
        assert_eq!(injection.startup_budget.fixed_seconds, 120);
        assert_eq!(effective.sources().iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["z", "a"]);
    }
}

#[test]
fn a_rule_goes_before_its_category_within_a_layer_only() {
    let rules = json!({"security": {"severity": "off"}, "host-path-volume": {"severity": "advice"}});
    let low = policy("a", 0, json!({"rules": rules}));
    let high = policy("b", 1, json!({"rules": {"security": {"severity": "warning"}}}));
    assert_eq!(effective(std::slice::from_ref(&low)).severity(&HOST_PATH), ADVICE);
    assert_eq!(effective(std::slice::from_ref(&low)).severity(&PRIVILEGED), None);
    assert_eq!(effective(&[low, high]).severity(&HOST_PATH), WARNING);
}

#[test]
fn namespaces_match_by_name_and_an_unknown_one_only_where_all_do() {
    let all = policy("all", 0, json!({}));
    let star = policy("star", 1, json!({"namespaces": ["*"]}));
    let ml = policy("ml", 2, json!({"namespaces": ["web", "ml-*"]}));
    let policies = [ml, star, all];
    let found = |namespace: Option<&str>| {
        matching(&policies, namespace).iter().map(|policy| policy.metadata.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("ml-prod")), ["all", "star", "ml"]);
    assert_eq!(found(Some("web")), ["all", "star", "ml"]);
    assert_eq!(found(Some("kube-system")), ["all", "star"]);
    assert_eq!(found(None), ["all", "star"]);
}

#[test]
fn a_lock_holds_against_later_layers_and_owners() {
    let low = policy(
        "a",
        0,
        json!({
            "rules": {"host-path-volume": {"severity": "warning"}},
            "locked": ["security", "floating-tag"],
            "exemptions": [{"rules": ["privileged-container"], "names": ["driver"], "reason": "of the same layer"}],
        }),
    );
    let high = policy(
        "b",
        1,
        json!({
            "preset": "minimal",
            "rules": {
                "host-path-volume": {"severity": "off"},
                "privileged-container": {"severity": "advice", "repair": false},
                "floating-tag": {"severity": "error"},
                "surplus-toleration": {"severity": "off"},
            },
            "annotations": {"allow": ["host-path-volume", "surplus-toleration"]},
            "exemptions": [{"rules": ["security", "missing-startup-probe"], "reason": "of a later layer"}],
        }),
    );
    let effective = effective(&[low, high]);
    assert_eq!(effective.severity(&HOST_PATH), WARNING);
    assert_eq!(effective.severity(&PRIVILEGED), ERROR);
    assert!(effective.repairs(&PRIVILEGED) && effective.is_locked(&PRIVILEGED));
    assert_eq!(effective.severity(&FLOATING), ERROR, "a later layer may be stricter");
    assert_eq!(effective.severity(&SURPLUS), None, "what is not locked follows the later layer");
    assert!(!effective.owner_may_allow(&HOST_PATH) && effective.owner_may_allow(&SURPLUS));
    let today = day("2026-01-01");
    let exempt = |rule: &Rule, name: &str| effective.exemption(rule, &subject(None, "Pod", name), today).is_some();
    assert!(exempt(&PRIVILEGED, "driver"), "the layer that locks may exempt");
    assert!(!exempt(&PRIVILEGED, "other") && !exempt(&HOST_PATH, "driver"));
    assert!(exempt(&STARTUP, "other"), "what is not locked may be exempted");
}

#[test]
fn a_lock_is_raised_by_a_later_lock_and_not_by_a_later_setting() {
    let first = policy("a", 0, json!({"locked": ["host-path-volume"]}));
    let raise =
        |locked: Value| policy("b", 1, json!({"rules": {"host-path-volume": {"severity": "error"}}, "locked": locked}));
    let lower = policy("c", 2, json!({"rules": {"host-path-volume": {"severity": "off"}}}));
    assert_eq!(effective(&[first.clone(), raise(json!([])), lower.clone()]).severity(&HOST_PATH), WARNING);
    assert_eq!(effective(&[first, raise(json!(["host-path-volume"])), lower]).severity(&HOST_PATH), ERROR);
}

#[test]
fn equal_priority_is_a_conflict_that_takes_the_stricter_and_repairs_nothing() {
    let one = policy(
        "one",
        3,
        json!({
            "enforcement": "warn",
            "rules": {"floating-tag": {"severity": "error"}, "host-path-volume": {"severity": "off"}},
        }),
    );
    let two = policy(
        "two",
        3,
        json!({
            "enforcement": "deny",
            "rules": {"floating-tag": {"severity": "advice"}, "missing-startup-probe": {"severity": "advice"}},
        }),
    );
    let elsewhere = policy("elsewhere", 3, json!({"namespaces": ["web"]}));
    for policies in [[one.clone(), two.clone(), elsewhere.clone()], [elsewhere, two, one]] {
        let effective = effective(&policies);
        assert_eq!(severities(&effective), [ERROR, WARNING, ERROR, ERROR, ERROR, ADVICE]);
        assert!(RULES.iter().all(|rule| !effective.repairs(rule)));
        assert_eq!(effective.enforcement(), Enforcement::Deny);
        assert_eq!(effective.conflicts(), [Conflict { priority: 3, policies: vec!["one".into(), "two".into()] }]);
    }
}

#[test]
fn in_a_conflict_the_stricter_holds_in_all_else_too() {
    let one = policy(
        "one",
        0,
        json!({
            "podSecurity": {"level": "restricted", "version": "latest"}, "edition": "0.2",
            "locked": ["privileged-container"], "annotations": {"allow": "none"},
            "exemptions": [{"rules": ["security"], "reason": "of the one that locks"}],
        }),
    );
    let two = policy(
        "two",
        0,
        json!({
            "podSecurity": {"level": "baseline", "version": "v1.30"}, "edition": "0.1",
            "annotations": {"allow": ["images"]},
            "exemptions": [{"rules": ["security", "reliability"], "names": ["x"], "reason": "of the other"}],
        }),
    );
    let effective = effective(&[one, two]);
    assert_eq!(effective.pod_security(), "restricted".parse().unwrap());
    assert_eq!(effective.severity(&NEWER), ERROR);
    assert!(!effective.owner_may_allow(&FLOATING));
    let reason = |rule: &Rule| {
        effective.exemption(rule, &subject(None, "Pod", "x"), day("2026-01-01")).map(|exempt| match exempt {
            Exempt::Exempted { reason, .. } | Exempt::Expired { reason, .. } => reason,
        })
    };
    assert_eq!(reason(&PRIVILEGED).as_deref(), Some("of the one that locks"));
    assert_eq!(reason(&STARTUP).as_deref(), Some("of the other"));
}

#[test]
fn a_lock_holds_against_an_older_edition() {
    let low = policy("a", 0, json!({"locked": ["newer-rule"]}));
    let effective = effective(&[low, policy("b", 1, json!({"edition": "0.1"}))]);
    assert!(effective.severity(&NEWER) == ERROR && effective.repairs(&NEWER));
}

#[test]
fn a_conflict_withholds_even_locked_repairs() {
    let low = policy("low", 0, json!({"locked": ["missing-startup-probe"]}));
    let effective = effective(&[low, policy("one", 1, json!({})), policy("two", 1, json!({}))]);
    assert!(!effective.repairs(&STARTUP) && effective.is_locked(&STARTUP));
}

#[test]
fn rules_newer_than_the_edition_advise_unless_named() {
    let old = policy("a", 0, json!({"edition": "0.1"}));
    let judged = effective(std::slice::from_ref(&old));
    assert_eq!(severities(&judged), [WARNING, WARNING, ERROR, ADVICE, ERROR, ADVICE]);
    assert!(!judged.repairs(&NEWER) && judged.repairs(&STARTUP));
    let by_category = policy("b", 1, json!({"rules": {"reliability": {"severity": "warning"}}}));
    assert_eq!(effective(&[old.clone(), by_category]).severity(&NEWER), ADVICE);
    let by_name = policy("b", 1, json!({"rules": {"newer-rule": {"severity": "warning"}}}));
    let judged = effective(&[old.clone(), by_name]);
    assert!(judged.severity(&NEWER) == WARNING && judged.repairs(&NEWER));
    let off = policy("b", 1, json!({"rules": {"reliability": {"severity": "off"}}}));
    assert_eq!(effective(&[old.clone(), off]).severity(&NEWER), None);
    assert_eq!(effective(&[old, policy("b", 1, json!({"edition": "0.2"}))]).severity(&NEWER), ERROR);
}

#[test]
fn owners_may_allow_what_the_policy_says() {
    let may = |allow: Value| {
        let effective = effective(&[policy("a", 0, json!({"annotations": {"allow": allow}}))]);
        let rules: Vec<&Rule> = RULES.iter().copied().filter(|rule| effective.owner_may_allow(rule)).collect();
        names(&rules)
    };
    assert_eq!(may(json!("none")), Vec::<&str>::new());
    assert_eq!(may(json!("below-error")), ["floating-tag", "host-path-volume", "surplus-toleration"]);
    assert_eq!(may(json!(["missing-startup-probe", "images"])), ["floating-tag", "missing-startup-probe"]);
    let raised = policy("a", 0, json!({"rules": {"floating-tag": {"severity": "error"}}}));
    assert!(!effective(&[raised]).owner_may_allow(&FLOATING), "the severity in force counts");
}

#[test]
fn an_exemption_ends_after_its_last_day() {
    let exempt = |on_expiry: &str, today: &str| {
        let exemption =
            json!({"rules": ["privileged-container"], "reason": "r", "until": "2027-06-30", "onExpiry": on_expiry});
        let effective = effective(&[policy("a", 0, json!({"exemptions": [exemption]}))]);
        effective.exemption(&PRIVILEGED, &subject(None, "Pod", "x"), day(today))
    };
    let (reason, until) = ("r".to_owned(), day("2027-06-30"));
    let granted = Exempt::Exempted { reason: reason.clone(), until: Some(until) };
    assert_eq!(exempt("warn", "2027-06-30"), Some(granted));
    let expired = |severity| Some(Exempt::Expired { reason: reason.clone(), until, severity });
    assert_eq!(exempt("warn", "2027-07-01"), expired(WARNING));
    assert_eq!(exempt("deny", "2027-07-01"), expired(None));
}

#[test]
fn an_exemption_covers_only_what_it_names() {
    let exemption = json!({
        "rules": ["host-path-volume", "images"], "namespaces": ["gpu-*"], "kinds": ["DaemonSet", "Pod"],
        "names": ["*-driver-*"], "reason": "installs drivers",
    });
    let effective = effective(&[policy("a", 0, json!({"exemptions": [exemption]}))]);
    let covers = |rule: &Rule, namespace: Option<&str>, kind: &str, name: &str| {
        effective.exemption(rule, &subject(namespace, kind, name), day("2026-01-01")).is_some()
    };
    assert!(covers(&HOST_PATH, Some("gpu-operator"), "DaemonSet", "nvidia-driver-daemonset"));
    assert!(covers(&FLOATING, Some("gpu-operator"), "Pod", "nvidia-driver-"), "by category, by a generated name");
    assert!(!covers(&PRIVILEGED, Some("gpu-operator"), "Pod", "nvidia-driver-x"));
    assert!(!covers(&HOST_PATH, Some("web"), "Pod", "nvidia-driver-x"));
    assert!(!covers(&HOST_PATH, None, "Pod", "nvidia-driver-x"));
    assert!(!covers(&HOST_PATH, Some("gpu-operator"), "Deployment", "nvidia-driver-x"));
    assert!(!covers(&HOST_PATH, Some("gpu-operator"), "Pod", "web"));
    assert!(!covers(&HOST_PATH, Some("gpu-operator"), "Pod", ""));
}

#[test]
fn exemptions_add_up_and_the_best_counts() {
    let exemption = |reason: &str, until: &str, on_expiry: &str| json!({"rules": ["images"], "reason": reason, "until": until, "onExpiry": on_expiry});
    let low = policy("a", 0, json!({"exemptions": [exemption("old", "2020-01-01", "deny")]}));
    let high = policy(
        "b",
        1,
        json!({"exemptions": [
            exemption("warned", "2021-01-01", "warn"), exemption("good", "2030-01-01", "deny"), exemption("too", "2031-01-01", "deny"),
        ]}),
    );
    let effective = effective(&[low, high]);
    let reason = |today: &str| match effective.exemption(&FLOATING, &subject(None, "Pod", "x"), day(today)) {
        Some(Exempt::Exempted { reason, .. } | Exempt::Expired { reason, .. }) => reason,
        None => String::new(),
    };
    assert_eq!(reason("2019-01-01"), "old");
    assert_eq!(reason("2026-01-01"), "good");
    assert_eq!(reason("2030-06-01"), "too");
    assert_eq!(reason("2040-01-01"), "warned");
}

#[test]
fn a_selection_turns_the_others_off_and_nothing_on() {
    let off = policy(
        "a",
        0,
        json!({"rules": {"floating-tag": {"severity": "off"}, "host-path-volume": {"severity": "error"}}}),
    );
    for effective in [Effective::recommended(), effective(&[off])] {
        let own = effective.severity(&FLOATING);
        let selected = effective.clone().with_selection(&[&FLOATING, &HOST_PATH, &PRIVILEGED], &[&PRIVILEGED]);
        assert_eq!(selected.severity(&FLOATING), own);
        assert_eq!(selected.severity(&HOST_PATH), effective.severity(&HOST_PATH));
        assert!(selected.repairs(&HOST_PATH));
        for rule in [&PRIVILEGED, &STARTUP, &NEWER, &SURPLUS] {
            assert_eq!(selected.severity(rule), None);
            assert!(!selected.repairs(rule));
        }
        let ignoring = effective.clone().with_selection(&[], &[&STARTUP]);
        assert_eq!(ignoring.severity(&STARTUP), None);
        assert_eq!(ignoring.severity(&PRIVILEGED), ERROR);
    }
}

#[test]
fn a_command_line_may_ask_for_another_pod_security_standard() {
    let asked = "restricted:v1.31".parse().unwrap();
    assert_eq!(Effective::recommended().with_pod_security(asked).pod_security(), asked);
}

#[test]
fn a_rule_is_found_by_its_name_and_a_stranger_is_judged_by_the_preset() {
    let copy = Rule { severity: Severity::Advice, ..copied(&HOST_PATH) };
    let quiet = policy("a", 0, json!({"preset": "minimal", "rules": {"host-path-volume": {"severity": "error"}}}));
    let effective = effective(&[quiet]);
    assert_eq!(effective.severity(&copy), ERROR);
    let stranger = Rule { name: "stranger", ..copied(&HOST_PATH) };
    assert_eq!(effective.severity(&stranger), None);
    assert_eq!(SeveritySetting::Off.severity(), None);
}

fn copied(rule: &Rule) -> Rule {
    Rule {
        name: rule.name,
        summary: rule.summary,
        category: rule.category,
        severity: rule.severity,
        scope: rule.scope,
        since: rule.since,
        needs: rule.needs,
        rationale: rule.rationale,
        bad: rule.bad,
        good: rule.good,
        fixable: rule.fixable,
        check: rule.check,
    }
}
