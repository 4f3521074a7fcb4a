//! What becomes of pods, from observing to denying, by namespace.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{ANYWHERE, EXCLUDED, ML, NAMESPACE, NOWHERE, Stage, WEB, injected, model_server};

/// Makes a model server while there is no Buttress: how it is stored.
pub(crate) async fn create_unseen(stage: &Stage) -> Value {
    let pod = stage.create(ML, &model_server("llm", NOWHERE)).await.unwrap();
    stage.delete(ML, "llm").await;
    pod
}

/// Without any Policy, as it is installed, a pod is stored byte for byte as without us.
pub(crate) async fn observing_changes_nothing(stage: &Stage, plain: &Value) {
    for hook in ["mutate", "validate"] {
        let labels = [&*format!("webhook=\"{hook}\""), "decision=\"observed\"", "resource=\"pods\""];
        stage
            .wait(&format!("a replica is asked to {hook}, and observes"), async || {
                let before = stage.answers(&labels).await;
                let seen = stage.create(ML, &model_server("llm", NOWHERE)).await.unwrap();
                stage.delete(ML, "llm").await;
                assert_eq!(anonymous(&seen), anonymous(plain));
                (stage.answers(&labels).await > before).then_some(())
            })
            .await;
    }
}

/// A Policy that warns, for one namespace: what is created in it is repaired and comes up; all else stays as it is written.
pub(crate) async fn warning_repairs_one_namespace(stage: &Stage) {
    apply_policy(stage, "ml", json!({"priority": 10, "namespaces": [ML], "enforcement": "warn"})).await;
    stage.settles("pods are repaired", ML, |pod| !injected(pod).is_empty()).await;
    let created = stage.create(ML, &model_server("llm", ANYWHERE)).await.unwrap();
    assert_eq!(
        injected(&created),
        ["gpu-toleration-missing", "missing-liveness-probe", "missing-readiness-probe", "missing-startup-probe"]
    );
    let elsewhere = stage.create(WEB, &model_server("llm", NOWHERE)).await.unwrap();
    assert!(injected(&elsewhere).is_empty() && elsewhere["spec"]["containers"][0]["startupProbe"].is_null());

    // And what was put in is right: the kubelet finds the server by it, not before it serves.
    stage
        .wait("the repaired server is ready", async || {
            let pods = stage.cluster.pods(ML).await;
            let status = &pods.iter().find(|pod| pod["metadata"]["name"] == "llm")?["status"]["containerStatuses"][0];
            assert_eq!(status["restartCount"], 0);
            (status["ready"] == true).then_some(())
        })
        .await;
    stage.delete(ML, "llm").await;
    stage.delete(WEB, "llm").await;
}

/// A Policy that denies where it can: an unsafe pod is refused with words that help, and where the API server does not ask
/// nothing is.
pub(crate) async fn denying_refuses_in_one_namespace(stage: &Stage) {
    let namespaces = [ML, EXCLUDED, "kube-system"];
    let deny = json!({"priority": 20, "namespaces": namespaces, "enforcement": "deny"});
    apply_policy(stage, "ml-denies", deny).await;
    let miner = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "miner"}, "spec": {
        "nodeSelector": {"kubernetes.io/hostname": NOWHERE},
        "containers": [{"name": "shell", "image": "busybox:1.37", "securityContext": {"privileged": true}}],
    }})
    .to_string();
    let create =
        async |namespace: &str| stage.cluster.kubectl_with(&["create", "-n", namespace, "-f", "-"], &miner).await;
    let told = stage
        .wait("an unsafe pod is refused", async || {
            let output = create(ML).await;
            if output.success {
                stage.delete(ML, "miner").await;
            }
            (!output.success).then_some(output.stderr)
        })
        .await;
    let expected = format!(
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \"pods.validate.buttress.dev\" denied \
         the request: Buttress refuses Pod {ML}/miner: 1 error; privileged-container: `shell` is privileged: a break-in there \
         takes the whole node (at /spec/containers/0/securityContext/privileged), how to fix it: `buttress explain \
         privileged-container`"
    );
    assert_eq!(told.trim_end(), expected);

    let asked = stage.answers(&[]).await;
    for namespace in [EXCLUDED, "kube-system"] {
        let output = create(namespace).await;
        assert!(output.success && output.stderr.is_empty(), "{namespace}: {}", output.stderr);
        stage.delete(namespace, "miner").await;
        let server = stage.create(namespace, &model_server("llm", NOWHERE)).await.unwrap();
        assert!(injected(&server).is_empty(), "{namespace}: {server}");
        stage.delete(namespace, "llm").await;
    }
    assert_eq!(stage.answers(&[]).await, asked, "it is not asked about what is left out");
    stage.kubectl(&["delete", "policies.buttress.dev", "ml-denies"]).await;
}

/// Applies a Policy and waits until its status says that it is in force.
async fn apply_policy(stage: &Stage, name: &str, spec: Value) {
    let policy =
        json!({"apiVersion": "buttress.dev/v1alpha1", "kind": "Policy", "metadata": {"name": name}, "spec": spec});
    stage.cluster.apply(NAMESPACE, &policy.to_string()).await;
    stage
        .wait(&format!("the Policy {name} is in force"), async || {
            let policy = stage.get(&["policies.buttress.dev", name]).await;
            let conditions = policy["status"]["conditions"].as_array()?.clone();
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
                .then_some(())
        })
        .await;
    // Each replica follows for itself.
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// A pod as text, without what tells it from another of the same contents.
fn anonymous(pod: &Value) -> String {
    let mut pod = pod.clone();
    let metadata = pod["metadata"].as_object_mut().unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp"] {
        metadata.remove(key);
    }
    for entry in metadata.get_mut("managedFields").and_then(Value::as_array_mut).into_iter().flatten() {
        entry.as_object_mut().unwrap().remove("time");
    }
    pod.to_string()
}
