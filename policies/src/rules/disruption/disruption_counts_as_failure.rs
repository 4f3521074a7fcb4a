//! `disruption-counts-as-failure`: a Job on accelerators that may not fail even once ends when its node is drained.

use serde_json::{Value, json};

use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::job::Job;
use crate::node::{list, text};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::rules::scheduling::spot;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "disruption-counts-as-failure",
    summary: "a drain or preemption counts as a failure of the Job, which forgives none",
    category: Category::Disruption,
    severity: Severity::Warning,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Object,
    rationale: "\
A pod that is drained, preempted or taken away with a spot node fails, and a Job counts that like a crash. With \
`backoffLimit: 0`, which keeps a broken program from being tried again on costly accelerators, the first drain ends the whole \
run; on spot capacity a low limit is soon used up. A \
[pod failure policy](https://kubernetes.io/docs/tasks/job/pod-failure-policy/#using-pod-failure-policy-to-ignore-pod-disruptions) \
tells the two apart: with `Ignore` on the condition `DisruptionTarget` the pod is replaced and nothing is counted, while a \
program that fails by itself still ends the Job. It needs `restartPolicy: Never`. Where several pods work together, the peers of a lost \
pod fail too, and those failures count: such a Job needs a limit as well.",
    bad: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, --nproc-per-node=8, train.py]
          resources:
            limits:
              nvidia.com/gpu: 8
",
    good: "\
apiVersion: batch/v1
kind: Job
metadata:
  name: finetune
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: train
          image: registry.example.com/finetune:1.4
          command: [torchrun, --nproc-per-node=8, train.py]
          resources:
            limits:
              nvidia.com/gpu: 8
  podFailurePolicy:
    rules:
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

/// On spot capacity nodes go so often that as many retries are soon used up.
const FEW_RETRIES: i64 = 6;

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    // The next run of a schedule is a retry by itself, and so are those of what an object is embedded in.
    let Some(job) = Job::of(pod).filter(|job| !job.is_scheduled() && !job.is_embedded() && !job.is_restarted()) else {
        return Vec::new();
    };
    if job.restart_policy(pod) != "Never" || pod.profile().accelerators.is_empty() {
        return Vec::new();
    }
    let (Some(limit), Some(pods)) = (job.backoff_limit(), job.pods()) else { return Vec::new() };
    let spot = !spot::chosen(pod, context.catalog()).is_empty();
    if limit > 0 && !(spot && limit <= FEW_RETRIES) {
        return Vec::new();
    }
    let policy = job.spec().get("podFailurePolicy");
    if names_disruption(policy.value()) {
        return Vec::new();
    }
    let by_index = !job.spec().get("backoffLimitPerIndex").is_absent();
    let message = if limit == 0 {
        let (loses, field) =
            if by_index { ("loses the index", "backoffLimitPerIndex") } else { ("ends the run", "backoffLimit") };
        format!(
            "one drain, preemption or lost node {loses}: `{field}` is 0 and no podFailurePolicy ignores `DisruptionTarget`"
        )
    } else {
        format!(
            "each spot node that is taken back uses up one of {limit} retries: let podFailurePolicy ignore `DisruptionTarget`"
        )
    };
    let mut finding = RULE.finding(policy.path().clone(), message);
    let trains = pod.profile().role == crate::catalog::Role::Training;
    if limit > 0 || by_index || !trains && !spot {
        finding = finding.at_most(Severity::Advice);
    }
    // With peers that fail too, or rules that come first, one rule more is not all that is to be decided.
    if pods != 1 || !policy.is_absent() {
        return vec![finding];
    }
    let rule = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]});
    let mut edits = vec![policy.set(json!({"rules": [rule]}))];
    // The API server takes no other replacement policy beside it.
    let replaced = job.spec().get("podReplacementPolicy");
    if !replaced.is_absent() && replaced.as_str() != Some("Failed") {
        edits.push(replaced.set(json!("Failed")));
    }
    vec![finding.with_fix(Fix::r#unsafe("replace disrupted pods without counting them as failed", edits))]
}

/// Whether a policy says what is to become of disrupted pods, whatever that is.
fn names_disruption(policy: &Value) -> bool {
    list(policy, "rules")
        .iter()
        .flat_map(|rule| list(rule, "onPodConditions"))
        .any(|condition| text(condition, "type") == Some("DisruptionTarget"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::catalog::Catalog;
    use crate::inventory::Inventory;
    use crate::object::Object;
    use crate::policy::Effective;

    #[test]
    fn an_index_that_is_lost_is_not_the_run() {
        let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sweep"},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "train",
                "image": "registry.example.com/finetune:2.1", "command": ["torchrun", "train.py"],
                "resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}});
        let (policy, inventory) = (Effective::recommended(), Inventory::whole());
        let context = Context {
            policy: &policy,
            inventory: &inventory,
            namespace: None,
            origin: "job.yaml",
            today: date(2026, 11, 22),
        };
        for (field, loses, severity) in [
            ("backoffLimit", "ends the run", Severity::Warning),
            ("backoffLimitPerIndex", "loses the index", Severity::Advice),
        ] {
            job["spec"].as_object_mut().unwrap().insert(field.to_owned(), json!(0));
            let object = Object::new(&job, Catalog::builtin());
            let found = check(&object.pods()[0], &context);
            assert!(found[0].message.contains(loses), "{field}: {}", found[0].message);
            assert_eq!(found[0].severity, severity, "{field}");
        }
    }
}
