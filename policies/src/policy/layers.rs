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
mod tests;
