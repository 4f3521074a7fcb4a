//! What is in force for one namespace: the built-in preset, and over it the Policies that match, by ascending priority.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::document::{Allow, AllowWord, Edition, Enforcement, PodSecurity, Policy, Preset, RuleName, RuleSettings};
use super::exemption::{Exempt, Exemption, Subject, fits};
use super::injection::Injection;
use crate::catalog::Catalog;
use crate::rule::{Rule, Severity};

/// The Policy in force for one namespace. The engine asks nothing else.
///
/// To make one walks over all rules and, where a Policy adds to the catalog, builds that anew: keep it for as long as
/// the Policies that [`matching`] gives are the same. To ask one costs a few nanoseconds.
#[derive(Clone, Debug)]
pub struct Effective {
    table: Table,
    /// Whether rules that are not in the table are off: some were selected, and the others are not wanted.
    others_off: bool,
    base: Base,
    injection: Injection,
    /// `None` for the built-in catalog.
    catalog: Option<Arc<Catalog>>,
    exemptions: Vec<Granted>,
    sources: Vec<Source>,
    conflicts: Vec<Conflict>,
}

/// A Policy that has a part in what is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// How often its spec was changed, in a cluster.
    pub generation: Option<i64>,
}

/// Policies of equal priority on one namespace. While there are such, the stricter severity and enforcement hold, and
/// nothing is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Their priority.
    pub priority: i32,
    /// Their names, sorted.
    pub policies: Vec<String>,
}

/// The Policies that are in force for `namespace`, in the order in which they apply.
///
/// Without a namespace, be it that it is unknown or that the object has none, only those that cover all.
pub fn matching<'p>(policies: &'p [Policy], namespace: Option<&str>) -> Vec<&'p Policy> {
    let mut matching: Vec<&Policy> =
        policies.iter().filter(|policy| fits(policy.spec.namespaces.as_deref(), namespace)).collect();
    matching.sort_by(|one, other| order(one).cmp(&order(other)));
    matching
}

fn order(policy: &Policy) -> (i32, &str) {
    (policy.spec.priority, &policy.metadata.name)
}

impl Effective {
    /// What is in force without any Policy: every rule at its own severity, all safe repairs, and a webhook that only
    /// observes.
    pub fn recommended() -> Self {
        Self::for_namespace(&[], None, &[])
    }

    /// What is in force for `namespace` under `policies`; see [`matching`] for which apply.
    ///
    /// `rules` are all there are; one that is not among them is judged as if no Policy named it.
    pub fn for_namespace(policies: &[Policy], namespace: Option<&str>, rules: &[&Rule]) -> Self {
        let layers = matching(policies, namespace);
        let mut stack = Stack::new(rules);
        for group in layers.chunk_by(|one, other| one.spec.priority == other.spec.priority) {
            stack.lay(group);
        }
        let catalog = extended(&layers);
        let sources = layers
            .iter()
            .map(|policy| Source { name: policy.metadata.name.clone(), generation: policy.metadata.generation });
        Self {
            sources: sources.collect(),
            catalog,
            // Each layer was checked key by key, and to merge changes no type, so that this can always be read.
            injection: serde_json::from_value(Value::Object(std::mem::take(&mut stack.injection))).unwrap_or_default(),
            table: stack.table(),
            others_off: false,
            base: stack.base,
            exemptions: stack.exemptions,
            conflicts: stack.conflicts,
        }
    }

    /// The same, with the rules that are not in `select` off, and those in `ignore` too. An empty `select` is no
    /// restriction. What is off stays off: this chooses what to look at, while the Policy says what counts.
    #[must_use]
    pub fn with_selection(mut self, select: &[&Rule], ignore: &[&Rule]) -> Self {
        if !select.is_empty() {
            self.table = select.iter().map(|rule| (rule.name, self.state(rule))).collect();
            self.others_off = true;
        }
        self.table.extend(ignore.iter().map(|rule| (rule.name, State::OFF)));
        self
    }

    /// The same, with another Pod Security Standard, as a command line may ask for.
    #[must_use]
    pub fn with_pod_security(mut self, pod_security: PodSecurity) -> Self {
        self.base.pod_security = pod_security;
        self
    }

    /// How bad findings of `rule` are; `None` when it is off.
    pub fn severity(&self, rule: &Rule) -> Option<Severity> {
        self.state(rule).severity
    }

    /// Whether what `rule` finds may be repaired.
    pub fn repairs(&self, rule: &Rule) -> bool {
        self.state(rule).repair
    }

    /// Whether no later layer and no annotation can weaken `rule`.
    pub fn is_locked(&self, rule: &Rule) -> bool {
        self.state(rule).locked
    }

    /// Whether the owner of a workload may exempt it from `rule` by annotation.
    pub fn owner_may_allow(&self, rule: &Rule) -> bool {
        self.state(rule).owner_may_allow
    }

    /// The values that repairs put in.
    pub fn injection(&self) -> &Injection {
        &self.injection
    }

    /// The runtimes, accelerators and kinds that are known.
    pub fn catalog(&self) -> &Catalog {
        self.catalog.as_deref().unwrap_or_else(|| Catalog::builtin())
    }

    /// What the webhook does with what it finds.
    pub fn enforcement(&self) -> Enforcement {
        self.base.enforcement
    }

    /// The Pod Security Standard that pods are held to.
    pub fn pod_security(&self) -> PodSecurity {
        self.base.pod_security
    }

    /// The release to judge as; `None` for this one.
    pub fn edition(&self) -> Option<Edition> {
        self.base.edition
    }

    /// The Policies that have a part in this, in the order in which they apply; none when there is none.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The Policies that contradict each other here.
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// What the exemptions say of a finding of `rule` on `subject` on the day `today` (in UTC); `None` when none covers
    /// it. Where several do, the one that is best for the workload counts.
    pub fn exemption(&self, rule: &Rule, subject: &Subject<'_>, today: Date) -> Option<Exempt> {
        let covering = self.exemptions.iter().filter(|granted| granted.covers(rule, subject));
        let mut best: Option<Exempt> = None;
        for exempt in covering.map(|granted| granted.exemption.on(today)) {
            // The first of equals, so that the same reason is told each time.
            if best.as_ref().is_none_or(|best| exempt.grace() > best.grace()) {
                best = Some(exempt);
            }
        }
        best
    }

    fn state(&self, rule: &Rule) -> State {
        match self.table.get(rule.name) {
            Some(state) => *state,
            None if self.others_off => State::OFF,
            None => self.base.judge(rule, &Laid::under(self.base.preset, rule)),
        }
    }
}

/// What is said once for all rules.
#[derive(Clone, Debug)]
struct Base {
    preset: Preset,
    edition: Option<Edition>,
    enforcement: Enforcement,
    pod_security: PodSecurity,
    /// What owners may exempt themselves from: what each of these lets them. Several stand here in a conflict only.
    allow: Vec<Allow>,
    /// Whether Policies contradict each other: then nothing is repaired, as nobody knows what is wanted.
    in_conflict: bool,
}

impl Default for Base {
    fn default() -> Self {
        Self {
            preset: Preset::default(),
            edition: None,
            enforcement: Enforcement::default(),
            pod_security: PodSecurity::default(),
            allow: vec![Allow::default()],
            in_conflict: false,
        }
    }
}

impl Base {
    /// How `rule` is to be judged, given what the layers said of it.
    fn judge(&self, rule: &Rule, laid: &Laid) -> State {
        let (mut severity, mut repair) = self.unlocked(rule, laid);
        if let Some((least, repaired)) = laid.floor {
            severity = severity.max(least);
            repair |= repaired;
        }
        let locked = laid.floor.is_some();
        let is_allowed = |allow: &Allow| match allow {
            Allow::Word(AllowWord::None) => false,
            Allow::Word(AllowWord::BelowError) => severity < Some(Severity::Error),
            Allow::Rules(names) => names.iter().any(|name| is(name, rule)),
        };
        State {
            severity,
            repair: repair && severity.is_some() && !self.in_conflict,
            locked,
            owner_may_allow: !locked && self.allow.iter().all(is_allowed),
        }
    }

    /// Severity and repair as the layers say, without what was locked before.
    fn unlocked(&self, rule: &Rule, laid: &Laid) -> (Option<Severity>, bool) {
        let is_newer = self.edition.is_some_and(|edition| !edition.covers(rule.since));
        // Who names a rule wants it, whatever the edition.
        if is_newer && !laid.severity_by_name {
            return (laid.severity.map(|_| Severity::Advice), false);
        }
        (laid.severity, laid.repair)
    }
}

fn is(name: &RuleName, rule: &Rule) -> bool {
    name.0 == rule.name || name.0 == rule.category.as_str()
}

fn locks(policy: &Policy, rule: &Rule) -> bool {
    policy.spec.locked.iter().any(|name| is(name, rule))
}

/// What the layers so far said of one rule.
#[derive(Clone, Copy, Debug)]
struct Laid {
    severity: Option<Severity>,
    repair: bool,
    /// Whether a layer said the severity, so that a preset above it does not.
    severity_is_set: bool,
    /// Whether it did so by the rule's own name.
    severity_by_name: bool,
    /// What a lock keeps: the least severity and whether it is repaired. `None` when the rule is not locked.
    floor: Option<(Option<Severity>, bool)>,
}

impl Laid {
    fn under(preset: Preset, rule: &Rule) -> Self {
        Self {
            severity: preset.severity(rule.severity),
            repair: true,
            severity_is_set: false,
            severity_by_name: false,
            floor: None,
        }
    }

    fn set(&mut self, settings: &RuleSettings, by_name: bool) {
        if let Some(severity) = settings.severity {
            self.severity = severity.severity();
            self.severity_is_set = true;
            self.severity_by_name = by_name;
        }
        if let Some(repair) = settings.repair {
            self.repair = repair;
        }
    }
}

/// The layers so far.
struct Stack<'r> {
    rules: Vec<(&'r Rule, Laid)>,
    base: Base,
    injection: Map<String, Value>,
    exemptions: Vec<Granted>,
    conflicts: Vec<Conflict>,
}

impl<'r> Stack<'r> {
    fn new(rules: &[&'r Rule]) -> Self {
        let base = Base::default();
        let rules = rules.iter().map(|rule| (*rule, Laid::under(base.preset, rule))).collect();
        Self { rules, base, injection: Map::new(), exemptions: Vec::new(), conflicts: Vec::new() }
    }

    /// Lays the Policies of one priority over what there is. A single one is the usual case.
    fn lay(&mut self, group: &[&Policy]) {
        let below: Vec<(&'r Rule, Laid)> = self.rules.clone();
        let (mut enforcement, mut level, mut version, mut edition) = (None, None, None, None);
        let mut allow = Vec::new();
        let mut strictest: Option<Vec<(&'r Rule, Laid)>> = None;
        for policy in group {
            self.rules.clone_from(&below);
            self.lay_rules(policy);
            let laid = std::mem::take(&mut self.rules);
            strictest = Some(match strictest {
                None => laid,
                Some(before) => before.into_iter().zip(laid).map(|(one, other)| stricter(one, other)).collect(),
            });
            let spec = &policy.spec;
            enforcement = enforcement.max(spec.enforcement);
            level = level.max(spec.pod_security.and_then(|settings| settings.level));
            edition = edition.max(spec.edition);
            version = version.max(spec.pod_security.and_then(|settings| settings.version));
            self.base.preset = spec.preset.unwrap_or(self.base.preset);
            allow.extend(spec.annotations.allow.clone());
            merge(&mut self.injection, &spec.injection);
            self.grant(policy, group, &below);
        }
        self.rules = strictest.unwrap_or(below);
        self.base.enforcement = enforcement.unwrap_or(self.base.enforcement);
        self.base.pod_security.level = level.unwrap_or(self.base.pod_security.level);
        self.base.pod_security.version = version.unwrap_or(self.base.pod_security.version);
        if !allow.is_empty() {
            self.base.allow = allow;
        }
        self.base.edition = edition.or(self.base.edition);
        if let [first, _, ..] = group {
            self.base.in_conflict = true;
            let policies = group.iter().map(|policy| policy.metadata.name.clone()).collect();
            self.conflicts.push(Conflict { priority: first.spec.priority, policies });
        }
        self.lock(group);
    }

    fn lay_rules(&mut self, policy: &Policy) {
        let spec = &policy.spec;
        for (rule, laid) in &mut self.rules {
            if let Some(preset) = spec.preset.filter(|_| !laid.severity_is_set) {
                laid.severity = preset.severity(rule.severity);
            }
            if spec.rules.is_empty() {
                continue;
            }
            if let Some(settings) = spec.rules.get(rule.category.as_str()) {
                laid.set(settings, false);
            }
            if let Some(settings) = spec.rules.get(rule.name) {
                laid.set(settings, true);
            }
        }
    }

    /// Adds the exemptions of `policy`, which do not reach what was locked before or by a Policy of equal priority.
    fn grant(&mut self, policy: &Policy, group: &[&Policy], below: &[(&'r Rule, Laid)]) {
        if policy.spec.exemptions.is_empty() {
            return;
        }
        let is_out_of_reach = |rule: &Rule, laid: &Laid| {
            laid.floor.is_some() || group.iter().any(|other| !std::ptr::eq(*other, policy) && locks(other, rule))
        };
        let except: Arc<[&'static str]> =
            below.iter().filter(|(rule, laid)| is_out_of_reach(rule, laid)).map(|(rule, _)| rule.name).collect();
        let exemptions = policy.spec.exemptions.iter();
        self.exemptions
            .extend(exemptions.map(|exemption| Granted { exemption: exemption.clone(), except: Arc::clone(&except) }));
    }

    /// Locks what `group` locks as it is now. What was locked before is kept, and raised to what this group made of it.
    fn lock(&mut self, group: &[&Policy]) {
        for (rule, laid) in &mut self.rules {
            if group.iter().any(|policy| locks(policy, rule)) {
                let (severity, repair) = self.base.unlocked(rule, laid);
                let (least, repaired) = laid.floor.unwrap_or((None, false));
                laid.floor = Some((least.max(severity), repaired || repair));
            }
        }
    }

    fn table(&self) -> Table {
        self.rules.iter().map(|(rule, laid)| (rule.name, self.base.judge(rule, laid))).collect()
    }
}

/// The stricter of what two Policies of equal priority say of one rule.
fn stricter<'r>((rule, one): (&'r Rule, Laid), (_, other): (&'r Rule, Laid)) -> (&'r Rule, Laid) {
    let laid = Laid {
        severity: one.severity.max(other.severity),
        repair: one.repair && other.repair,
        severity_is_set: one.severity_is_set || other.severity_is_set,
        severity_by_name: one.severity_by_name || other.severity_by_name,
        floor: one.floor,
    };
    (rule, laid)
}

/// Lays `over` on `map`: mappings merge, all else is replaced.
fn merge(map: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (map.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => {
                map.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The catalog with what the layers add, the later ones last; `None` when they add nothing.
fn extended(layers: &[&Policy]) -> Option<Arc<Catalog>> {
    let adding: Vec<&Policy> = layers
        .iter()
        .copied()
        .filter(|policy| {
            let spec = &policy.spec;
            !(spec.runtimes.is_empty() && spec.accelerators.is_empty() && spec.workloads.is_empty())
        })
        .collect();
    if adding.is_empty() {
        return None;
    }
    let mut catalog = Catalog::builtin().clone();
    for policy in adding {
        let spec = &policy.spec;
        catalog = catalog.with(&spec.runtimes, &spec.accelerators, &spec.workloads);
    }
    Some(Arc::new(catalog))
}

/// An exemption and the rules that a lower layer had locked before, which it does not reach.
#[derive(Clone, Debug)]
struct Granted {
    exemption: Exemption,
    except: Arc<[&'static str]>,
}

impl Granted {
    fn covers(&self, rule: &Rule, subject: &Subject<'_>) -> bool {
        self.exemption.covers(rule, subject) && !self.except.contains(&rule.name)
    }
}

/// How one rule is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    severity: Option<Severity>,
    repair: bool,
    locked: bool,
    owner_may_allow: bool,
}

impl State {
    const OFF: Self = Self { severity: None, repair: false, locked: false, owner_may_allow: false };
}

/// How each rule is judged, by its name.
type Table = HashMap<&'static str, State, BuildHasherDefault<NameHasher>>;

/// Hashes the names of rules. They are the program's own, so that nobody can choose them to collide and the safe but
/// slow hash of the standard library is not needed: every rule is looked up for every object.
#[derive(Clone, Copy, Debug, Default)]
struct NameHasher(u64);

impl NameHasher {
    fn mix(&mut self, word: u64) {
        // Multiplying by 2^64 over the golden ratio spreads every bit upwards.
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        // The last eight bytes, some of them for the second time: quicker than to go through the odd ones one by one.
        match bytes.last_chunk::<8>() {
            Some(word) => self.mix(u64::from_le_bytes(*word)),
            None => bytes.iter().for_each(|byte| self.mix(u64::from(*byte))),
        }
    }

    fn write_u8(&mut self, _: u8) {
        // The mark at the end of a text, which tells apart what is hashed with more behind it. Nothing is here.
    }

    fn finish(&self) -> u64 {
        // The map takes the lowest bits for its place, and the spread went upwards.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(
                (size.cpu(0).unwrap().to_string(), size.memory(0).unwrap().to_string()),
                ("1".into(), "8Gi".into())
            );
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
        let raise = |locked: Value| {
            policy("b", 1, json!({"rules": {"host-path-volume": {"severity": "error"}}, "locked": locked}))
        };
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
}
