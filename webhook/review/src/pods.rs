//! The pods that an object would make, as its controllers would send them to the API server.

use buttress_policies::catalog::Catalog;
use buttress_policies::object::Object;
use buttress_policies::workload::Pod;
use serde_json::{Map, Value, json};

/// The uid of an owner that exists nowhere.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";
/// What stands for the hash that a controller puts into names and labels.
const HASH: &str = "0000000000";

/// The label that names the queue of a workload. Kueue copies it into the templates of Deployments and StatefulSets
/// (kubernetes-sigs/kueue `pkg/controller/jobs/deployment/deployment_webhook.go`).
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// The label by which the operators of gangs tell which pods belong together, by the group of their kinds.
const GANG_LABELS: &[(&str, &str)] = &[
    ("leaderworkerset.x-k8s.io", "leaderworkerset.sigs.k8s.io/name"),
    ("jobset.x-k8s.io", "jobset.sigs.k8s.io/jobset-name"),
    ("kubeflow.org", "training.kubeflow.org/job-name"),
    ("ray.io", "ray.io/cluster"),
    ("batch.volcano.sh", "volcano.sh/job-name"),
    ("grove.io", "grove.io/podclique"),
];

/// The pods that `object` is or makes, one for each template. Templates of which only containers are in sight make
/// none, because an operator puts the rest around them.
pub fn pods_of(object: &Value, catalog: &Catalog) -> Vec<Value> {
    let object = Object::new(object, catalog);
    object.pods().iter().filter_map(|pod| pod_of(&object, pod)).collect()
}

fn pod_of<'a>(object: &Object<'a>, pod: &Pod<'a>) -> Option<Value> {
    if pod.is_pod() {
        return Some(pod.object().clone());
    }
    let spec = pod.spec().value().as_object().filter(|_| pod.has_spec())?;
    let owner = Owner::of(object, pod);
    let template = pod.metadata().and_then(|metadata| metadata.value().as_object());
    let mut metadata = Map::new();
    for key in ["labels", "annotations"] {
        if let Some(entries) = template.and_then(|template| template.get(key)).filter(|entries| entries.is_object()) {
            metadata.insert(key.to_owned(), entries.clone());
        }
    }
    for (key, value) in owner.labels(pod) {
        let labels = metadata.entry("labels").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(labels) = labels {
            labels.entry(key).or_insert(Value::from(value));
        }
    }
    metadata.insert("generateName".to_owned(), Value::from(format!("{}-", owner.name)));
    if let Some(namespace) = object.identity().namespace {
        metadata.insert("namespace".to_owned(), Value::from(namespace));
    }
    metadata.insert("ownerReferences".to_owned(), json!([owner.reference()]));
    let mut spec = spec.clone();
    // The API server puts the default into the template already.
    if spec.get("restartPolicy").is_none_or(Value::is_null) {
        spec.insert("restartPolicy".to_owned(), Value::from("Always"));
    }
    Some(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
}

/// What the pod's owner reference names: the object itself, or what stands between it and its pods.
struct Owner<'a> {
    api_version: String,
    kind: &'a str,
    name: String,
    /// Whether its controller labels the pods with a hash of their template.
    hashed: bool,
}

impl<'a> Owner<'a> {
    fn of(object: &Object<'a>, pod: &Pod<'a>) -> Self {
        let owner = pod.owner();
        let base = match (owner.name, object.identity().name) {
            ("", "") => "pod",
            ("", name) | (name, _) => name,
        };
        // Several components of one object make pods of different names.
        let name = match pod.component() {
            Some(component) => format!("{base}-{component}"),
            None => base.to_owned(),
        };
        let own = (owner.group, owner.kind);
        let via = pod.definition().pods_via.as_slice();
        let (group, version, kind) = match (own, via) {
            (("apps", "Deployment") | ("argoproj.io", "Rollout"), _) => ("apps", "v1", "ReplicaSet"),
            (("batch", "CronJob"), _) => ("batch", "v1", "Job"),
            (_, [only]) => match only.as_str() {
                "Deployment" | "ReplicaSet" => ("apps", "v1", "ReplicaSet"),
                "StatefulSet" => ("apps", "v1", "StatefulSet"),
                "DaemonSet" => ("apps", "v1", "DaemonSet"),
                "Job" => ("batch", "v1", "Job"),
                _ => (owner.group, owner.version, owner.kind),
            },
            _ => (owner.group, owner.version, owner.kind),
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let hashed = kind == "ReplicaSet" && own != ("apps", "ReplicaSet");
        let name = if hashed { format!("{name}-{HASH}") } else { name };
        Self { api_version, kind, name, hashed }
    }

    fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": NO_UID,
            "controller": true, "blockOwnerDeletion": true,
        })
    }

    /// The labels that controllers add and verdicts depend on.
    fn labels(&self, pod: &Pod<'_>) -> Vec<(String, String)> {
        let owner = pod.owner();
        let gang = GANG_LABELS.iter().filter(|(group, _)| *group == owner.group);
        let mut labels: Vec<_> = gang.map(|(_, label)| ((*label).to_owned(), owner.name.to_owned())).collect();
        if self.hashed && owner.group == "apps" {
            labels.push(("pod-template-hash".to_owned(), HASH.to_owned()));
        }
        let own = pod.object().get("metadata").and_then(|metadata| metadata.get("labels"));
        let queue = own.and_then(|labels| labels.get(QUEUE)).and_then(Value::as_str);
        if let Some(queue) = queue.filter(|_| owner.is("apps", "Deployment") || owner.is("apps", "StatefulSet")) {
            labels.push((QUEUE.to_owned(), queue.to_owned()));
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_a_queued_workload_are_queued() {
        for (version, kind, queue) in
            [("apps/v1", "Deployment", true), ("apps/v1", "StatefulSet", true), ("batch/v1", "Job", false)]
        {
            let workload = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "llm", "labels": {QUEUE: "team"}},
                "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}});
            let pods = pods_of(&workload, Catalog::builtin());
            assert_eq!(pods[0]["metadata"]["labels"][QUEUE] == json!("team"), queue, "{kind}");
        }
    }

    #[test]
    fn a_deployment_makes_pods_through_a_replica_set() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm", "namespace": "ml", "labels": {"own": "x"}},
            "spec": {"template": {"metadata": {"labels": {"app": "llm"}, "annotations": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}}});
        let pods = pods_of(&deployment, Catalog::builtin());
        assert_eq!(
            pods,
            [json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"generateName": "llm-0000000000-", "namespace": "ml", "labels": {"app": "llm", "pod-template-hash": "0000000000"},
                    "annotations": {"a": "b"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                        "name": "llm-0000000000", "uid": NO_UID, "controller": true, "blockOwnerDeletion": true}]},
                "spec": {"containers": [{"name": "c"}], "restartPolicy": "Always"}})]
        );
    }

    #[test]
    fn jobs_own_the_pods_of_cron_jobs_and_sets_their_own() {
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}});
        let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "n"},
            "spec": {"jobTemplate": {"spec": {"template": template}}}});
        let pods = pods_of(&cron, Catalog::builtin());
        assert_eq!(pods[0]["metadata"]["ownerReferences"][0]["kind"], "Job");
        assert_eq!(pods[0]["spec"]["restartPolicy"], "Never");
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "n"}, "spec": {"template": template}});
        assert_eq!(pods_of(&set, Catalog::builtin())[0]["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
    }

    #[test]
    fn a_pod_is_its_own_and_other_objects_make_none() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c"}]}});
        assert_eq!(pods_of(&pod, Catalog::builtin()), std::slice::from_ref(&pod));
        assert!(pods_of(&json!({"apiVersion": "v1", "kind": "Service"}), Catalog::builtin()).is_empty());
        assert!(pods_of(&json!(5), Catalog::builtin()).is_empty());
    }
}
