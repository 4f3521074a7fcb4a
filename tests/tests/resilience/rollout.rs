//! Replicas are replaced one after the other, as a Deployment with `maxUnavailable: 0` does it, while calls that fail refuse
//! pods.

use std::sync::Arc;

use buttress_tests::cluster::{Cluster, Registration, Webhook};

use crate::load::{Load, Record};
use crate::service::{NAME, Service, replica};
use crate::support::{cluster, policy, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_replicas_are_replaced() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let record = roll(cluster, "rollout", None).await;
    record.show("rollout");
    record.assert_no_failure();
    assert_eq!(record.repaired(), record.count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_fail_when_replicas_do_not_serve_on() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let record = roll(cluster, "rollout-at-once", Some("0")).await;
    record.show("rollout without a delay");
    // That the proof above can fail: hundreds of requests fall into the time until nobody connects to the old one any more.
    assert!(!record.failures().is_empty(), "{record}");
}

/// Replaces two replicas under 200 requests per second.
async fn roll(cluster: &Cluster, name: &str, shutdown_delay: Option<&str>) -> Record {
    let namespace = cluster.namespace(name).await;
    let start = async |number: u8| {
        let mut options = replica(&format!("{namespace}-{number}")).with_policy(&policy("warn", "warn"));
        options = options.serving_as(&[&format!("{NAME}.{namespace}.svc")]);
        if let Some(delay) = shutdown_delay {
            options = options.with_flags(["--shutdown-delay", delay]);
        }
        Arc::new(Webhook::start(cluster, options).await)
    };
    let service = Service::new(cluster, &namespace).await;
    let mut replicas = vec![start(0).await];
    service.add(&replicas[0]).await;
    Registration::new(&namespace, &[&namespace]).by_service(&namespace, NAME).apply(cluster, &replicas[0]).await;
    replicas.push(start(1).await);
    service.add(&replicas[1]).await;

    let load = Load::start(cluster, &namespace, 200).await;
    load.more(400).await;
    for number in [2, 3] {
        let new = start(number).await;
        service.add(&new).await;
        replicas.push(new);
        let old = replicas.remove(0);
        let status = service.delete(&old).await;
        assert!(status.success(), "{} did not finish what was under way: {status}", old.name());
        load.more(200).await;
    }
    for replica in &replicas {
        let asked = replica.metric("buttress_admission_requests_total", &[]).await;
        assert!(asked > 0.0, "{} was never asked", replica.name());
    }
    load.stop().await
}
