//! The Job from which the pods of a template come: how many run at a time, how often it tries again, and what of that the
//! API server fills in.

use serde_json::Value;

use crate::node::{Node, integer, list, text};
use crate::path::Path;
use crate::workload::Pod;

/// Kinds that hold a JobSpec around their pod templates, and how many steps below the root the template lies.
const KINDS: [(&str, &str, usize); 3] =
    [("batch", "Job", 2), ("batch", "CronJob", 4), ("jobset.x-k8s.io", "JobSet", 6)];

/// A JobSpec and what stands around it.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    spec: Node<'a>,
    owner: &'a Value,
    kind: &'a str,
    /// The entry of a JobSet that it stands in.
    entry: &'a Value,
    embedded: bool,
}

impl<'a> Job<'a> {
    /// The Job of which `pod` is the template; `None` for pods that come from elsewhere.
    pub fn of(pod: &Pod<'a>) -> Option<Self> {
        let owner = pod.owner();
        let (_, kind, depth) = KINDS.into_iter().find(|(group, kind, _)| owner.is(group, kind))?;
        let root = pod.root().as_str();
        // What is embedded in another object lies deeper, by the way that leads to it.
        let start = root.rmatch_indices('/').nth(depth - 1)?.0;
        let relative = root[start..].strip_suffix("/template")?;
        let spec = pod.object().pointer(relative)?;
        let path = Path::parse(root.strip_suffix("/template")?);
        let entry = relative.strip_suffix("/template/spec").filter(|_| kind == "JobSet");
        let entry = entry.and_then(|entry| pod.object().pointer(entry)).unwrap_or(&Value::Null);
        Some(Self { spec: Node::placed(spec, path), owner: pod.object(), kind, entry, embedded: start > 0 })
    }

    /// The JobSpec.
    pub fn spec(&self) -> &Node<'a> {
        &self.spec
    }

    /// Whether it is a Job of its own, made by nothing else.
    pub fn is_job(&self) -> bool {
        self.kind == "Job"
    }

    /// Whether a schedule makes it.
    pub fn is_scheduled(&self) -> bool {
        self.kind == "CronJob"
    }

    /// Whether it is one of a JobSet.
    pub fn is_in_set(&self) -> bool {
        self.kind == "JobSet"
    }

    /// Whether it lies in another object, such as an AppWrapper, which has retries of its own.
    pub fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// The number under `field`, or `default` where there is none; `None` for what is no number.
    fn number(&self, field: &str, default: i64) -> Option<i64> {
        match self.spec.value().get(field) {
            None | Some(Value::Null) => Some(default),
            value => integer(value),
        }
    }

    /// How many pods may run at a time, by its own count.
    pub fn parallelism(&self) -> Option<i64> {
        self.number("parallelism", 1)
    }

    /// How many pods must succeed, where it says so. Without it a Job with `parallelism` is a work queue.
    pub fn completions(&self) -> Option<i64> {
        integer(self.spec.value().get("completions"))
    }

    /// How many pods run at a time: no more than are still to succeed.
    pub fn pods(&self) -> Option<i64> {
        let most = match self.spec.value().get("completions") {
            None | Some(Value::Null) => None,
            value => Some(integer(value)?),
        };
        let parallelism = self.parallelism()?;
        Some(most.map_or(parallelism, |most| parallelism.min(most)))
    }

    /// How many such Jobs there are: several only in a JobSet.
    pub fn copies(&self) -> Option<i64> {
        match self.entry.get("replicas") {
            None | Some(Value::Null) => Some(1),
            value => integer(value),
        }
    }

    /// How many failures of a pod it forgives: of each index where it counts them so, of all pods together else.
    pub fn backoff_limit(&self) -> Option<i64> {
        match self.spec.value().get("backoffLimitPerIndex") {
            None | Some(Value::Null) => self.number("backoffLimit", 6),
            value => integer(value),
        }
    }

    /// The restart policy of its pods, as the API server or the JobSet's own webhook fills it in.
    pub fn restart_policy(&self, pod: &Pod<'a>) -> &'a str {
        let default = if self.is_in_set() { "OnFailure" } else { "Always" };
        text(pod.spec().value(), "restartPolicy").unwrap_or(default)
    }

    /// Whether the JobSet starts all of its Jobs anew when one fails, or says what else is to be done then.
    pub fn is_restarted(&self) -> bool {
        let Some(policy) = self.owner.pointer("/spec/failurePolicy").filter(|_| self.is_in_set()) else { return false };
        policy.get("maxRestarts").is_some_and(|restarts| integer(Some(restarts)) != Some(0))
            || !list(policy, "rules").is_empty()
    }

    /// Whether the JobSet may end before this Job does.
    pub fn may_be_left(&self) -> bool {
        let Some(policy) = self.owner.pointer("/spec/successPolicy").filter(|_| self.is_in_set()) else { return false };
        let name = text(self.entry, "name");
        let targets = list(policy, "targetReplicatedJobs");
        text(policy, "operator").is_some_and(|operator| operator != "All")
            || !targets.is_empty() && !targets.iter().any(|target| target.as_str() == name)
    }
}

/// How many pods run together of the template `pod`, of a Job or of another kind that runs to its end; `None` when it is
/// not known.
pub fn pods_together(pod: &Pod<'_>) -> Option<i64> {
    if let Some(job) = Job::of(pod) {
        return Some(job.pods()?.saturating_mul(job.copies()?));
    }
    // Kubeflow's training operator takes one where nothing is said, but none of MPI's workers.
    let one = pod.owner().group == "kubeflow.org" && pod.owner().kind != "MPIJob";
    if pod.is_pod() || !pod.sets_replicas() && one { Some(1) } else { pod.replicas() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;
    use crate::object::Object;

    fn first(object: &Value) -> (String, Option<i64>, Option<i64>, bool) {
        let object = Object::new(object, Catalog::builtin());
        let job = Job::of(&object.pods()[0]).unwrap();
        (job.spec().path().to_string(), job.pods(), job.copies(), job.is_embedded())
    }

    #[test]
    fn a_job_is_found_wherever_it_lies() {
        let template = json!({"spec": {"containers": [{"name": "a"}]}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"parallelism": 4, "template": template}});
        assert_eq!(first(&job), ("/spec".to_owned(), Some(4), Some(1), false));
        let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"completions": 1, "parallelism": 3, "template": template}}}});
        assert_eq!(first(&cron), ("/spec/jobTemplate/spec".to_owned(), Some(1), Some(1), false));
        let set = json!({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "spec": {"replicatedJobs": [
            {"name": "w", "replicas": 2, "template": {"spec": {"parallelism": "{{ n }}", "template": template}}}]}});
        assert_eq!(first(&set), ("/spec/replicatedJobs/0/template/spec".to_owned(), None, Some(2), false));
        let wrapper = json!({"apiVersion": "workload.codeflare.dev/v1beta2", "kind": "AppWrapper", "spec": {"components": [{"template": job}]}});
        assert_eq!(first(&wrapper), ("/spec/components/0/template/spec".to_owned(), Some(4), Some(1), true));
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}});
        assert!(Job::of(&Object::new(&deployment, Catalog::builtin()).pods()[0]).is_none());
    }
}
