//! A rule is a value: what is wrong, why it matters, examples, and one function that finds it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::Sight;
use crate::object::Object;
use crate::path::Path;
use crate::profile::Profile;
use crate::workload::Pod;

/// One rule. Reference, reports and tests read these fields, so none of them can drift from the code.
pub struct Rule {
    /// Kebab-case, at most 57 characters, names the defect: "allow missing-startup-probe" reads well.
    pub name: &'static str,
    /// What is wrong, in one line of at most 80 characters.
    pub summary: &'static str,
    /// What it is about.
    pub category: Category,
    /// How bad the worst that it finds is, unless the Policy says otherwise.
    pub severity: Severity,
    /// Which pods it is given; a check on whole objects is given all of them.
    pub scope: Scope,
    /// The release that first had it: what an older `edition` is protected from.
    pub since: &'static str,
    /// Whether its verdict needs more than the object at hand, such as the budgets or autoscalers around it.
    pub needs: Needs,
    /// Why it matters, in Markdown, with a link to a primary source.
    pub rationale: &'static str,
    /// An example, as JSON-compatible YAML, that breaks it.
    pub bad: &'static str,
    /// Exactly what the fix makes of `bad` with this rule alone selected; without a fix, what a person would write.
    pub good: &'static str,
    /// Whether what it finds can be repaired.
    pub fixable: Fixable,
    /// What finds it.
    pub check: Check,
}

/// The function of a rule.
#[derive(Clone, Copy)]
pub enum Check {
    /// Looks at an object as a whole, whatever its kind.
    Object(fn(&Object<'_>, &Context<'_>) -> Vec<Finding>),
    /// Looks at one pod, or one template that pods are made from.
    Pod(fn(&Pod<'_>, &Context<'_>) -> Vec<Finding>),
}

/// What a rule must see to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// The pod alone, so that the pod of a repaired workload is admitted unpatched.
    Pod,
    /// The object that makes the pods, its replicas for instance.
    Object,
    /// Other objects too.
    Inventory,
}

/// Whether a rule has a repair. It is told in the reference and held by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixable {
    /// A repair is safe wherever there is one.
    Safe,
    /// A repair is unsafe wherever there is one.
    Unsafe,
    /// Safe where the value is given by the object or the Policy, unsafe where it is a built-in one.
    Either,
    /// A person must decide.
    No,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Starting, serving and healing.
    Reliability,
    /// Which node a pod can run on.
    Scheduling,
    /// CPU, memory, accelerators, shared memory.
    Resources,
    /// Drains, evictions and budgets.
    Disruption,
    /// A control of the Pod Security Standards.
    PodSecurity,
    /// Other holes.
    Security,
    /// Image references.
    Images,
    /// Credentials in clear text.
    Secrets,
    /// Rights in the cluster.
    Rbac,
    /// Services and network policies.
    Network,
    /// Versions of the Kubernetes API.
    Api,
    /// What Kubernetes would refuse or ignore.
    Correctness,
    /// Money spent for nothing.
    Cost,
}

impl Category {
    /// Every category, in the order of the reference.
    pub const ALL: &[Category] = &[
        Self::Reliability,
        Self::Scheduling,
        Self::Resources,
        Self::Disruption,
        Self::PodSecurity,
        Self::Security,
        Self::Images,
        Self::Secrets,
        Self::Rbac,
        Self::Network,
        Self::Api,
        Self::Correctness,
        Self::Cost,
    ];

    /// The name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reliability => "reliability",
            Self::Scheduling => "scheduling",
            Self::Resources => "resources",
            Self::Disruption => "disruption",
            Self::PodSecurity => "pod-security",
            Self::Security => "security",
            Self::Images => "images",
            Self::Secrets => "secrets",
            Self::Rbac => "rbac",
            Self::Network => "network",
            Self::Api => "api",
            Self::Correctness => "correctness",
            Self::Cost => "cost",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad a finding is; the greater, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Advice,
    /// Will hurt some day.
    Warning,
    /// Broken or dangerous now.
    Error,
}

impl Severity {
    /// The name as users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which pods a rule is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every pod.
    Any,
    /// Pods that run AI: a known runtime, or an accelerator.
    Ai,
    /// Pods that serve a model.
    Inference,
}

impl Scope {
    /// The name in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Ai => "AI",
            Self::Inference => "inference",
        }
    }

    /// Whether a rule of this scope is given `pod`.
    pub(crate) fn covers(self, pod: &Pod<'_>, context: &Context<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Ai if pod.profile().claims_alone => claims_accelerator(pod, context),
            Self::Ai => pod.profile().ai,
            Self::Inference => pod.profile().serves(),
        }
    }
}

/// Whether a pod that nothing but its claims tells of asks for a device that a model may run on: what is in sight may say
/// that they are all network interfaces, or channels between devices.
fn claims_accelerator(pod: &Pod<'_>, context: &Context<'_>) -> bool {
    let namespace = pod.owner().namespace.or(context.namespace);
    match context.inventory.devices_of(pod, namespace) {
        Sight::Present(devices) => Profile::with_claimed(pod, context.catalog(), &devices).ai,
        Sight::Absent | Sight::Unknown => true,
    }
}

impl Rule {
    /// A finding of this rule at `at`, without a fix.
    pub fn finding(&'static self, at: Path, message: impl Into<String>) -> Finding {
        Finding { rule: self, at, message: message.into(), severity: self.severity, fix: None::<Fix> }
    }

    /// Where the reference explains it.
    pub fn url(&self) -> String {
        format!("https://github.com/buttress-dev/buttress/blob/main/policies/RULES.md#{}", self.name)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rule {}
