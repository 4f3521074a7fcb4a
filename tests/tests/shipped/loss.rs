//! That pods are created whatever becomes of the webhook's own: killed, replaced one by one, set up otherwise.

use std::cell::Cell;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::sleep;

use crate::stage::{ML, NAMESPACE, NOWHERE, Stage, WEB, injected, model_server, render};

/// Between one pod and the next.
const PACE: Duration = Duration::from_millis(150);

/// What became of pods that were created one after the other.
#[derive(Debug, Default)]
struct Tally {
    repaired: usize,
    unrepaired: usize,
}

/// Creates pods while `work` goes on, and a few after it. Each must be created.
async fn create_during<T>(stage: &Stage, work: impl Future<Output = T>) -> (T, Tally) {
    let over = Cell::new(false);
    let work = async {
        let done = work.await;
        over.set(true);
        done
    };
    let create = async {
        let mut tally = Tally::default();
        let mut left = 5;
        for number in 0.. {
            if over.get() {
                left -= 1;
            }
            if left == 0 {
                break;
            }
            let pod = stage.create(ML, &model_server(&format!("during-{number}"), NOWHERE)).await;
            let pod = pod.unwrap_or_else(|refused| panic!("pod {number} is not created: {refused}"));
            if injected(&pod).is_empty() {
                tally.unrepaired += 1
            } else {
                tally.repaired += 1
            }
            sleep(PACE).await;
        }
        tally
    };
    let both = tokio::join!(work, create);
    stage.kubectl(&["delete", "pods", "-n", ML, "--all", "--now"]).await;
    both
}

/// `kill -9` of the replica that leads. What is asked of it just then is not answered, and is let by; no create fails.
pub(crate) async fn a_killed_container_fails_no_create(stage: &Stage) {
    let bundle = stage.bundle().await;
    let mut leader = None;
    for replica in stage.replicas().await {
        if replica.metric("buttress_leader", &[]).await == Some(1.0) {
            leader = Some(replica);
        }
    }
    let leader = leader.unwrap_or_else(|| panic!("no replica leads"));
    let process = i32::try_from(leader.process(stage)).ok().and_then(Pid::from_raw).unwrap();
    let (replicas, tally) = create_during(stage, async {
        sleep(10 * PACE).await;
        kill_process(process, Signal::KILL).unwrap();
        stage
            .wait("the container is started again", async || {
                let again = stage.replicas().await.into_iter().find(|replica| replica.name == leader.name)?;
                (again.restarts == 1 && again.container != leader.container).then_some(())
            })
            .await;
        stage.rolled_out().await
    })
    .await;
    assert!(replicas.iter().any(|replica| replica.name == leader.name), "it is the same pod");
    assert!(tally.repaired > 10, "{tally:?}: the other replica goes on");
    assert_eq!(stage.bundle().await, bundle);
    eprintln!("one of two replicas killed: {tally:?}");
}

/// `kubectl rollout restart`: all replicas are replaced, and every pod that is created meanwhile is repaired.
pub(crate) async fn a_rollout_misses_no_pod(stage: &Stage) {
    let bundle = stage.bundle().await;
    let before = stage.replicas().await;
    let (after, tally) = create_during(stage, async {
        stage.kubectl(&["rollout", "restart", "-n", NAMESPACE, "deployment/buttress-webhook"]).await;
        stage.rolled_out().await
    })
    .await;
    assert!(after.iter().all(|new| before.iter().all(|old| old.name != new.name)), "{before:?} {after:?}");
    assert_eq!(tally.unrepaired, 0, "{tally:?}");
    assert_eq!(stage.bundle().await, bundle, "the authority outlives its replicas");
    eprintln!("a rollout: {tally:?}");
}

/// The chart with values of a user's, applied over what is installed, as an upgrade is.
pub(crate) async fn new_values_take_effect_and_keep_the_authority(stage: &Stage) {
    let authority = async || stage.get(&["secret", "-n", NAMESPACE, "buttress-webhook-ca"]).await["data"].clone();
    let before = (stage.bundle().await, authority().await);
    let (_, tally) = create_during(stage, async {
        upgrade(stage, &["--server-side"]).await;
        stage.rolled_out().await
    })
    .await;
    assert_eq!(tally.unrepaired, 0, "{tally:?}");
    assert_eq!((stage.bundle().await, authority().await), before);
    for replica in stage.replicas().await {
        let command = replica.kernel(stage, "cmdline");
        assert!(command.contains("--log-level=debug"), "{command}");
    }
    let policy = stage.get(&["policies.buttress.dev", "default"]).await;
    assert_eq!(policy["spec"]["enforcement"], "observe");
    let selector =
        stage.get(&["mutatingwebhookconfiguration", "buttress-webhook"]).await["webhooks"][0]["namespaceSelector"]
            .clone();
    let excluded: Vec<&str> =
        selector["matchExpressions"][0]["values"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(excluded.contains(&"legacy"), "{selector}");
    let elsewhere = stage.create(WEB, &model_server("llm", NOWHERE)).await.unwrap();
    assert!(injected(&elsewhere).is_empty() && elsewhere["spec"]["containers"][0]["startupProbe"].is_null());
    stage.delete(WEB, "llm").await;
    eprintln!("an upgrade with new values: {tally:?}");
}

/// Applies the chart with values that differ from the defaults.
pub(crate) async fn upgrade(stage: &Stage, how: &[&str]) {
    let rendered = render(&["logLevel=debug", "excludedNamespaces={legacy}", "shutdownDelaySeconds=8"]);
    let output = stage.cluster.kubectl_with(&[&["apply", "-f", "-"], how].concat(), &rendered).await;
    assert!(output.success, "{}", output.stderr);
}
