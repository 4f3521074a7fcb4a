//! The Policy as it is written: the types of the document, which are its schema too.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::exemption::Exemption;
use super::injection::Injection;
use crate::catalog::{Accelerator, Kind, Runtime};
use crate::rule::Severity;

/// What Buttress judges, repairs and refuses, and for which namespaces.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// The version of this form.
    pub api_version: ApiVersion,
    /// What this document is.
    pub kind: DocumentKind,
    /// Its name.
    pub metadata: Metadata,
    /// What it says.
    pub spec: Spec,
    /// Written by the webhook; not read.
    #[serde(default)]
    #[schemars(with = "Option<Map<String, Value>>")]
    status: IgnoredAny,
}

/// The version of the form of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first form.
    #[serde(rename = "buttress.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DocumentKind {
    /// The only one.
    Policy,
}

/// The name of a Policy. In the cluster there is more beside it, which is not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its name, unique in the cluster.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How often its spec was changed, counted by the API server.
    #[serde(default)]
    pub generation: Option<i64>,
}

/// What a Policy says. Every key may be left out: then the layers below decide.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Spec {
    /// Policies apply in ascending order, so that the greater number has the last word. Two Policies of equal priority
    /// on one namespace are a conflict: the stricter severity holds and nothing is repaired there.
    pub priority: i32,
    /// The namespaces it is for, as globs on their names; all when left out.
    #[schemars(length(min = 1))]
    pub namespaces: Option<Vec<Glob>>,
    /// What the webhook does with what it finds; `observe` when no Policy says.
    pub enforcement: Option<Enforcement>,
    /// The release of Buttress to judge as, such as "0.1": rules newer than it only advise and repair nothing.
    pub edition: Option<Edition>,
    /// The severities to start from; `recommended` when no Policy says.
    pub preset: Option<Preset>,
    /// The Pod Security Standard to hold pods to; `baseline`, latest, when no Policy says.
    pub pod_security: Option<PodSecuritySettings>,
    /// Settings by rule or by category. A rule's own go before those of its category.
    pub rules: BTreeMap<String, RuleSettings>,
    /// Rules and categories that no later Policy and no annotation can weaken.
    pub locked: Vec<RuleName>,
    /// The values that repairs put in.
    #[schemars(with = "Injection")]
    pub(super) injection: Map<String, Value>,
    /// Runtimes that Buttress does not know, or knows otherwise: an entry replaces a built-in one of the same id.
    pub runtimes: Vec<Runtime>,
    /// Extended resources that Buttress does not know, or knows otherwise.
    pub accelerators: Vec<Accelerator>,
    /// Kinds of workload that Buttress does not know, or knows otherwise.
    pub workloads: Vec<Kind>,
    /// What is let pass, where, why and until when. Those of all Policies in force add up.
    pub exemptions: Vec<Exemption>,
    /// What the owners of workloads may decide by annotation.
    pub annotations: Annotations,
}

/// What the webhook does with what it finds; the greater, the stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// Judge and record; change and refuse nothing.
    #[default]
    Observe,
    /// Repair and warn.
    Warn,
    /// Repair, warn, and refuse what breaks a rule of severity error.
    Deny,
}

impl Enforcement {
    /// The name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The severities that a Policy starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Only rules of severity error; the others are off.
    Minimal,
    /// Every rule at its own severity.
    #[default]
    Recommended,
    /// Every rule, and every warning is an error. Advice stays advice.
    Strict,
}

impl Preset {
    /// What a rule of severity `own` is under this preset; `None` when it is off.
    pub fn severity(self, own: Severity) -> Option<Severity> {
        match (self, own) {
            (Self::Minimal, Severity::Error) => Some(Severity::Error),
            (Self::Minimal, _) => None,
            (Self::Strict, Severity::Warning) => Some(Severity::Error),
            (Self::Recommended | Self::Strict, own) => Some(own),
        }
    }
}

/// A level and version of the Pod Security Standards, each of which a lower layer may have said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSecuritySettings {
    /// The level.
    pub level: Option<PodSecurityLevel>,
    /// The Kubernetes version whose definition of the level counts: `latest` or `v1.N`.
    pub version: Option<PodSecurityVersion>,
}

/// The Pod Security Standard that pods are held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodSecurity {
    /// The level.
    pub level: PodSecurityLevel,
    /// The Kubernetes version whose definition of the level counts.
    pub version: PodSecurityVersion,
}

/// A level of the Pod Security Standards; the greater, the stricter.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PodSecurityLevel {
    /// Anything goes, as in a namespace without a label. It is what holds until a Policy names a level.
    #[default]
    Privileged,
    /// No known way to more privileges.
    Baseline,
    /// Hardened as far as current practice goes.
    Restricted,
}

/// A version of the Pod Security Standards; the greater, the stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PodSecurityVersion {
    /// That of Kubernetes 1.N.
    Minor(u32),
    /// The newest that Buttress knows.
    #[default]
    Latest,
}

impl PodSecurityVersion {
    /// Whether a control that came with Kubernetes 1.`minor` is part of it.
    pub fn has(self, minor: u32) -> bool {
        match self {
            Self::Latest => true,
            Self::Minor(own) => own >= minor,
        }
    }
}

impl TryFrom<String> for PodSecurityVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").and_then(digits);
        minor.map(Self::Minor).ok_or("is no version of Kubernetes; write `latest` or `v1.` and a number")
    }
}

impl From<PodSecurityVersion> for String {
    fn from(version: PodSecurityVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for PodSecurityVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Minor(minor) => write!(f, "v1.{minor}"),
        }
    }
}

impl JsonSchema for PodSecurityVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PodSecurityVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "pod-security-version", "pattern": r"^(latest|v1\.[0-9]+)$"})
    }
}

impl std::str::FromStr for PodSecurity {
    type Err = String;

    /// Reads `baseline` or `baseline:v1.36`, as it stands on a command line.
    fn from_str(text: &str) -> Result<Self, String> {
        let (level, version) = text.split_once(':').unwrap_or((text, "latest"));
        let level = match level {
            "privileged" => PodSecurityLevel::Privileged,
            "baseline" => PodSecurityLevel::Baseline,
            "restricted" => PodSecurityLevel::Restricted,
            _ => return Err("is no level; write `privileged`, `baseline` or `restricted`".to_owned()),
        };
        Ok(Self { level, version: PodSecurityVersion::try_from(version.to_owned())? })
    }
}

/// A release of Buttress, as `major.minor`. A patch release brings no new rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Edition {
    major: u32,
    minor: u32,
}

impl Edition {
    /// Whether something that came with release `since` (`major.minor`, with or without a patch number) is part of it.
    /// What cannot be read is taken for old.
    pub fn covers(self, since: &str) -> bool {
        let mut numbers = since.split('.').map_while(digits);
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { return true };
        Self { major, minor } <= self
    }
}

impl TryFrom<String> for Edition {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let numbers = text.split_once('.').and_then(|(major, minor)| Some((digits(major)?, digits(minor)?)));
        let (major, minor) =
            numbers.ok_or("is no edition; write the first two numbers of a release, such as \"0.1\"")?;
        Ok(Self { major, minor })
    }
}

impl From<Edition> for String {
    fn from(edition: Edition) -> Self {
        edition.to_string()
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl JsonSchema for Edition {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Edition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "edition", "pattern": r"^[0-9]+\.[0-9]+$"})
    }
}

/// A number written in decimal digits only: `str::parse` would take `+1` too.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What a Policy says of one rule or category.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSettings {
    /// How bad its findings are, or `off`.
    pub severity: Option<SeveritySetting>,
    /// Whether what it finds may be repaired.
    pub repair: Option<bool>,
}

/// A severity, or off. YAML 1.1, which kubectl reads, takes a bare `off` for `false`: that is `off` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeveritySetting {
    /// The rule is not asked.
    Off,
    /// The rule's findings have this severity.
    On(Severity),
}

impl SeveritySetting {
    /// The severity; `None` when off.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Off => None,
            Self::On(severity) => Some(severity),
        }
    }
}

impl Serialize for SeveritySetting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.severity().map_or("off", Severity::as_str))
    }
}

impl<'de> Deserialize<'de> for SeveritySetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::Off),
            Value::String(text) if text == "off" => Ok(Self::Off),
            other => Severity::deserialize(other).map(Self::On).map_err(serde::de::Error::custom),
        }
    }
}

impl JsonSchema for SeveritySetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SeveritySetting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "severity",
            "description": "How bad a finding is. A bare `off` reaches us as `false`, because YAML 1.1 reads it so.",
            "enum": ["error", "warning", "advice", "off", false],
        })
    }
}

/// What the owners of workloads may decide by annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Annotations {
    /// The rules they may exempt themselves from with `buttress.dev/allow-<rule>: "reason"`; `below-error` when no
    /// Policy says. Never those that are locked.
    pub allow: Option<Allow>,
}

/// The rules that the owners of workloads may exempt themselves from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Allow {
    /// As far as a word says.
    Word(AllowWord),
    /// These rules and categories, whatever their severity.
    Rules(Vec<RuleName>),
}

/// How far the owners of workloads may exempt themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AllowWord {
    /// From no rule.
    None,
    /// From rules whose severity in force is below error.
    BelowError,
}

impl Default for Allow {
    fn default() -> Self {
        Self::Word(AllowWord::BelowError)
    }
}

/// The name of a rule or of a category.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RuleName(pub String);

/// A glob on a name: `*` for any characters, `?` for one, `[a-z]` for one of these, `{a,b}` for either.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob(String);

impl Glob {
    /// Whether `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        fast_glob::glob_match(&self.0, name)
    }

    /// Whether every name fits, even one that is not known.
    pub fn is_all(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(glob: String) -> Result<Self, String> {
        if glob.is_empty() {
            return Err("is empty; `*` fits every name".to_owned());
        }
        if glob.starts_with('!') {
            // A list of globs is an "or": an excluding one in it would let in nearly everything.
            return Err("a glob here cannot exclude names; give them a Policy of higher priority instead".to_owned());
        }
        match fast_glob::validate(&glob) {
            Ok(()) => Ok(Self(glob)),
            Err(error) => Err(format!("is no glob: {error}")),
        }
    }
}

impl JsonSchema for Glob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "name-glob",
            "minLength": 1,
            "description": "A glob on a name: `*` for any characters, `?` for one, `[a-z]` for one of these, `{a,b}` for either.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editions_compare_by_number_and_ignore_patches() {
        let edition = Edition::try_from("0.10".to_owned()).unwrap();
        for (since, covered) in [("0.2", true), ("0.10", true), ("0.10.7", true), ("0.11", false), ("1.0", false)] {
            assert_eq!(edition.covers(since), covered, "{since}");
        }
        assert!(edition.covers("unreadable"));
        for bad in ["", "1", "0.1.2", "v0.1", "+0.1", "0.+1", "0.", "99999999999.0"] {
            assert!(Edition::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pod_security_reads_as_on_a_command_line() {
        let read = |text: &str| text.parse::<PodSecurity>();
        let (level, version) = (PodSecurityLevel::Restricted, PodSecurityVersion::Minor(30));
        assert_eq!(read("restricted:v1.30"), Ok(PodSecurity { level, version }));
        let baseline = PodSecurity { level: PodSecurityLevel::Baseline, ..PodSecurity::default() };
        assert_eq!(read("baseline"), Ok(baseline));
        assert!(read("baselin").is_err() && read("baseline:1.30").is_err() && read("baseline:v2.1").is_err());
        assert!(version.has(30) && !version.has(31) && PodSecurityVersion::Latest.has(999));
    }

    #[test]
    fn globs_are_held_to_names() {
        let glob = |text: &str| Glob::try_from(text.to_owned());
        assert!(glob("ml-*").unwrap().matches("ml-prod") && !glob("ml-*").unwrap().matches("web-ml-prod"));
        assert!(glob("{a,b}-?").unwrap().matches("b-1") && !glob("[ab]").unwrap().matches("c"));
        assert!(glob("*-driver-*").unwrap().matches("nvidia-driver-"));
        assert!(glob("*").unwrap().is_all() && glob("**").unwrap().is_all() && !glob("a*").unwrap().is_all());
        assert!(glob("system:*").unwrap().matches("system:node"));
        for bad in ["", "!kube-*", "{a", "[a", "a\\"] {
            assert!(glob(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bare_off_is_off() {
        let read = |value: Value| serde_json::from_value::<SeveritySetting>(value);
        assert_eq!(read(false.into()).unwrap(), SeveritySetting::Off);
        assert_eq!(read("off".into()).unwrap(), SeveritySetting::Off);
        assert_eq!(read("advice".into()).unwrap(), SeveritySetting::On(Severity::Advice));
        assert!(read(true.into()).is_err() && read("fatal".into()).is_err());
    }

    #[test]
    fn presets_are_functions_of_the_severity() {
        let all = [Severity::Advice, Severity::Warning, Severity::Error];
        let under = |preset: Preset| all.map(|severity| preset.severity(severity));
        assert_eq!(under(Preset::Minimal), [None, None, Some(Severity::Error)]);
        assert_eq!(under(Preset::Recommended), all.map(Some));
        assert_eq!(under(Preset::Strict), [Some(Severity::Advice), Some(Severity::Error), Some(Severity::Error)]);
    }
}
