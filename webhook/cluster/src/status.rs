//! The status of Policies, written by every replica alike: the same words by the same field manager change nothing, so
//! that no leader is needed for it.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use crate::crd::{GROUP, VERSION};
use crate::policies::Verdict;
use crate::watching::policy_resource;

/// Under which name the fields of the status are ours.
const FIELD_MANAGER: &str = "buttress-webhook";

/// The longest that a status may take: an API server that does not answer is not to keep all others.
const DEADLINE: Duration = Duration::from_secs(5);

/// Writes statuses, each once for a verdict: replicas of two releases may disagree, and would otherwise write for ever.
pub(crate) struct Status {
    policies: Api<DynamicObject>,
    written: HashMap<String, Verdict>,
}

impl Status {
    pub(crate) fn new(client: Client) -> Self {
        Self { policies: Api::all_with(client, &policy_resource()), written: HashMap::new() }
    }

    /// Writes what is new in `verdicts`. Returns whether all of it was written; what was not is to be tried again.
    pub(crate) async fn write(&mut self, verdicts: Vec<Verdict>) -> bool {
        self.written.retain(|name, _| verdicts.iter().any(|verdict| verdict.name == *name));
        let mut all = true;
        for verdict in verdicts {
            if self.written.get(&verdict.name) == Some(&verdict) {
                continue;
            }
            let error = match timeout(DEADLINE, self.write_one(&verdict)).await {
                Ok(Ok(())) => {
                    self.written.insert(verdict.name.clone(), verdict);
                    continue;
                }
                // It was deleted meanwhile.
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer in {} s", DEADLINE.as_secs()),
            };
            warn!(policy = verdict.name, error, "cannot write the status of a Policy; it is tried again");
            all = false;
        }
        all
    }

    async fn write_one(&self, verdict: &Verdict) -> Result<(), kube::Error> {
        let there = self.policies.get(&verdict.name).await?;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let desired = desired(verdict, there.data.get("status").unwrap_or(&Value::Null), &now);
        let Some(status) = desired else { return Ok(()) };
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Policy",
            "metadata": {"name": verdict.name}, "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.policies.patch_status(&verdict.name, &params, &Patch::Apply(patch)).await.map(drop)
    }
}

/// The status as it should be; `None` when it is so, or tells of a later generation than we have seen.
fn desired(verdict: &Verdict, there: &Value, now: &str) -> Option<Value> {
    if there["observedGeneration"].as_i64() > Some(verdict.generation) {
        return None;
    }
    let status = if verdict.is_ready { "True" } else { "False" };
    let conditions = there["conditions"].as_array();
    let old = conditions.and_then(|conditions| conditions.iter().find(|condition| condition["type"] == "Ready"));
    let since = old.filter(|old| old["status"] == status).and_then(|old| old["lastTransitionTime"].as_str());
    let mut desired = json!({
        "observedGeneration": verdict.generation,
        "conditions": [{
            "type": "Ready", "status": status, "reason": verdict.reason, "message": verdict.message,
            "observedGeneration": verdict.generation, "lastTransitionTime": since.unwrap_or(now),
        }],
    });
    if let Some((generation, spec)) = &verdict.last_valid {
        desired["lastValid"] = json!({"generation": generation, "spec": spec});
    } else if let Some(kept) = there.get("lastValid") {
        // A later release may know as good what this one does not.
        desired["lastValid"] = kept.clone();
    }
    (desired != *there).then_some(desired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(generation: i64, is_ready: bool) -> Verdict {
        Verdict {
            name: "a".to_owned(),
            uid: "1".to_owned(),
            generation,
            is_ready,
            reason: if is_ready { "InForce" } else { "Invalid" },
            message: "why".to_owned(),
            last_valid: Some((1, json!({"enforcement": "deny"}))),
        }
    }

    #[test]
    fn it_is_written_when_something_changed_and_keeps_when_that_was() {
        let first = desired(&verdict(1, true), &Value::Null, "2026-01-01T00:00:00Z").unwrap();
        assert_eq!(first["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(desired(&verdict(1, true), &first, "2026-01-02T00:00:00Z"), None);
        let second = desired(&verdict(2, true), &first, "2026-01-02T00:00:00Z").unwrap();
        assert_eq!(second["conditions"][0]["lastTransitionTime"], "2026-01-01T00:00:00Z");
        let third = desired(&verdict(3, false), &second, "2026-01-03T00:00:00Z").unwrap();
        assert_eq!(third["conditions"][0]["lastTransitionTime"], "2026-01-03T00:00:00Z");
        assert_eq!(third["lastValid"]["generation"], 1);
        assert_eq!(desired(&verdict(2, true), &third, "2026-01-04T00:00:00Z"), None, "it tells of a later generation");
    }
}
