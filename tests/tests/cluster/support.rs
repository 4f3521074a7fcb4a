//! What the proofs share: a model server as people write it, and how pods are looked at.

use buttress_tests::cluster::{Cluster, eventually};
use serde_json::{Value, json};

/// A Policy that repairs and warns.
pub(crate) const WARN: &str = "
apiVersion: buttress.dev/v1alpha1
kind: Policy
metadata: {name: warn}
spec: {enforcement: warn}
";

/// A Policy that also refuses.
pub(crate) const DENY: &str = "
apiVersion: buttress.dev/v1alpha1
kind: Policy
metadata: {name: deny}
spec: {enforcement: deny}
";

/// A model server on two accelerators, without a toleration, probes, memory for its processes to share, or spread.
pub(crate) const LLM: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  replicas: 2
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
        - name: server
          image: vllm/vllm-openai:v0.11.0
          args: [--model=meta-llama/Llama-3.1-8B-Instruct, --tensor-parallel-size=2]
          ports: [{containerPort: 8000}]
          resources: {limits: {nvidia.com/gpu: 2, memory: 64Gi}, requests: {cpu: 4, memory: 64Gi}}
";

/// A bare pod with the same server.
pub(crate) fn llm_pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": {"containers": [{
        "name": "server",
        "image": "vllm/vllm-openai:v0.11.0",
        "args": ["--model=meta-llama/Llama-3.1-8B-Instruct", "--tensor-parallel-size=2"],
        "ports": [{"containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": 2, "memory": "64Gi"}, "requests": {"cpu": 4, "memory": "64Gi"}},
    }]}})
}

/// The path of the pods of a namespace.
pub(crate) fn pods_of(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// Waits until a namespace has `count` pods of which all are in `phase`.
pub(crate) async fn pods_in(cluster: &Cluster, namespace: &str, count: usize, phase: &str) -> Vec<Value> {
    eventually(&format!("{count} pods of {namespace} are {phase}"), async || {
        let pods = cluster.pods(namespace).await;
        (pods.len() == count && pods.iter().all(|pod| pod["status"]["phase"] == phase)).then_some(pods)
    })
    .await
}

/// An object without what tells one stored object from another of the same contents.
pub(crate) fn anonymous(mut object: Value) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp", "namespace"] {
        metadata.remove(key);
    }
    for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        entry.as_object_mut().unwrap().remove("time");
    }
    object
}

/// The rules whose repairs the annotation of a pod tells of.
pub(crate) fn injected(pod: &Value) -> Vec<String> {
    let Some(text) = pod.pointer("/metadata/annotations/buttress.dev~1injected").and_then(Value::as_str) else {
        return Vec::new();
    };
    let injected: Value = serde_json::from_str(text).unwrap();
    let rules =
        injected["repairs"].as_array().unwrap().iter().map(|repair| repair["rule"].as_str().unwrap().to_owned());
    rules.collect()
}
