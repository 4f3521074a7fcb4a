//! A model server whose liveness probe is older than its model: with Kubernetes alone it never comes up.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use buttress_tests::cluster::{binary, holds};

use crate::stage::{KNOWN, ask, container, ready_since, restarts, running_since, stage, watch};

/// Seconds that the model takes to load.
const LOAD: i64 = 40;

/// The author thought of the taint and of both probes, and not of the time that a model takes to load.
fn manifest() -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: llm
  labels:
    app: llm
spec:
  replicas: 1
  selector:
    matchLabels:
      app: llm
  template:
    metadata:
      labels:
        app: llm
    spec:
      containers:
        - name: server
          image: {KNOWN}
          imagePullPolicy: Never
          args: [\"--model\", \"Qwen/Qwen3-8B\", \"--port\", \"8000\"]
          env:
            - name: LOAD_SECONDS
              value: \"{LOAD}\"
          ports:
            - containerPort: 8000
          resources:
            limits:
              nvidia.com/gpu: 1
          readinessProbe:
            httpGet:
              path: /health
              port: 8000
          livenessProbe:          # a dead server is to be noticed at once
            httpGet:
              path: /health
              port: 8000
            periodSeconds: 2
            failureThreshold: 2
      tolerations:
        - key: nvidia.com/gpu
          operator: Exists
          effect: NoSchedule
"
    )
}

#[tokio::test]
async fn a_server_that_its_liveness_probe_kills_while_it_loads_comes_up_once_its_source_is_repaired() {
    let stage = stage().await;
    let namespace = stage.cluster.namespace("impatience").await;
    let pods = stage.pods(&namespace).await;

    let source = stage.cluster.folder().join("impatient.yaml");
    fs::write(&source, manifest()).unwrap();
    let begun = Instant::now();
    stage.cluster.apply(&namespace, &manifest()).await;
    let mut backed_off = None;
    let limit = Duration::from_secs(240);
    let uid = watch("the server is killed three times", limit, &pods, "app=llm", async |pod| {
        assert_eq!(ready_since(pod), None, "it came up without Buttress");
        let waits = container(pod).and_then(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone());
        if waits.as_deref() == Some("CrashLoopBackOff") {
            backed_off.get_or_insert_with(|| begun.elapsed());
        }
        (backed_off.is_some() && restarts(pod) >= 3).then(|| pod.metadata.uid.clone())
    })
    .await;
    let (backed_off, thrice) = (backed_off.unwrap(), begun.elapsed());

    // Exit code 1 says that findings are left of which a person has to decide.
    let lint = Command::new(binary("buttress-under-test")).args(["lint", "--fix"]).arg(&source).output().unwrap();
    assert!(matches!(lint.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&lint.stderr));
    let repaired = fs::read_to_string(&source).unwrap();
    let mut lines = repaired.lines();
    for line in manifest().lines() {
        assert!(lines.any(|other| other == line), "{line:?} is lost in\n{repaired}");
    }
    assert!(repaired.contains("startupProbe:"), "{repaired}");

    let again = Instant::now();
    stage.cluster.apply(&namespace, &repaired).await;
    let limit = Duration::from_secs(240);
    let (started, ready) = watch("the repaired server is ready", limit, &pods, "app=llm", async |pod| {
        if pod.metadata.uid == uid {
            return None;
        }
        assert_eq!(restarts(pod), 0, "the repaired server was restarted: {pod:#?}");
        Some((running_since(pod)?, ready_since(pod)?))
    })
    .await;
    let came_up = again.elapsed();
    assert!(ready - started >= LOAD - 1, "ready {} s after its start, before it could be", ready - started);
    holds("its liveness probe lets it live", Duration::from_secs(6), async || {
        watch("the repaired server is the only one", limit, &pods, "app=llm", async |pod| {
            (pod.metadata.uid != uid).then_some(())?;
            Some(restarts(pod) == 0 && ready_since(pod).is_some() && ask(pod, "GET", "/health").await == Some(200))
        })
        .await
    })
    .await;
    eprintln!(
        "loads for {LOAD} s; as written: CrashLoopBackOff after {:.0} s, 3 restarts after {:.0} s; repaired: ready after {:.0} s, \
         0 restarts",
        backed_off.as_secs_f32(),
        thrice.as_secs_f32(),
        came_up.as_secs_f32()
    );
}
