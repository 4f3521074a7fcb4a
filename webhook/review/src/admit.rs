//! Admission of a pod that nobody sent: what the two hooks would make of it.

use std::borrow::Cow;

use buttress_policies::check;
use buttress_policies::context::Context;
use buttress_policies::finding::Finding;
use buttress_policies::policy::Enforcement;
use jiff::civil::Date;
use serde_json::Value;

use crate::mutate::{mutate, warning};
use crate::settings::Settings;
use crate::summary::Doubt;
use crate::validate::{judge, potential_name, unjudged};

/// A pod as it would come out of admission.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The pod as it would be stored, or refused.
    pub pod: Value,
    /// The JSON Patch that makes it of what came in; an empty list when nothing is repaired.
    pub patch: Value,
    /// The findings that the patch repairs.
    pub repaired: Vec<Finding>,
    /// Why a patch was not made although there is something to repair.
    pub doubt: Option<Doubt>,
    /// What is wrong with the pod as it came out.
    pub findings: Vec<Finding>,
    /// Whether it is let in.
    pub allowed: bool,
    /// Why not.
    pub message: Option<String>,
    /// What is said about it although it is let in.
    pub warnings: Vec<String>,
    /// What was in force.
    pub enforcement: Enforcement,
}

/// Admits `pod` as a request to create it would be; its namespace is the one that it names.
pub fn admit_pod(pod: &Value, settings: &Settings, today: Date) -> Admitted {
    let namespace =
        pod.pointer("/metadata/namespace").and_then(Value::as_str).filter(|namespace| !namespace.is_empty());
    let policy = settings.effective(namespace);
    let enforcement = settings.enforcement(&policy);
    let inventory = settings.inventory(namespace);
    let context = Context { policy: &policy, inventory: &inventory, namespace, origin: "", today };
    let mutation = mutate(pod, &context, |pod| Cow::Borrowed(pod));
    // Who only observes changes nothing.
    let (pod, patch, repaired) = match enforcement {
        Enforcement::Observe => (pod.clone(), Value::Array(Vec::new()), Vec::new()),
        _ if mutation.doubt.is_some() => (pod.clone(), Value::Array(Vec::new()), Vec::new()),
        _ => {
            let patch = serde_json::to_value(&mutation.patch).unwrap_or_default();
            (mutation.pod.unwrap_or_else(|| pod.clone()), patch, mutation.applied)
        }
    };
    let subject = match (namespace, potential_name(&pod)) {
        (Some(namespace), name) => format!("Pod {namespace}/{name}"),
        (None, name) => format!("Pod {name}"),
    };
    let (findings, response) = if mutation.doubt == Some(Doubt::Oversized) {
        (Vec::new(), unjudged(true, enforcement, &subject).0)
    } else {
        let findings = check(&pod, &context);
        let judged = judge(&findings, true, enforcement, &policy, &subject);
        (findings, judged.response)
    };
    let mut warnings = response.warnings;
    if enforcement != Enforcement::Observe {
        warnings.splice(0..0, mutation.doubt.map(warning));
    }
    Admitted {
        pod,
        patch,
        repaired,
        doubt: mutation.doubt,
        findings,
        allowed: response.denial.is_none(),
        message: response.denial,
        warnings,
        enforcement,
    }
}
