//! The webhook is gone, or answers nothing, and calls that fail are passed over: every pod gets in.

use std::time::{Duration, Instant};

use buttress_tests::cluster::{Registration, Webhook, WebhookOptions};
use tokio::time::sleep;

use crate::load::Load;
use crate::support::{cluster, policy, turn};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_is_refused_when_the_webhook_is_killed() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let namespace = cluster.namespace("killed").await;
    let options = WebhookOptions::default().named(&namespace).with_policy(&policy("warn", "warn"));
    let webhook = Webhook::start(cluster, options).await;
    Registration::new(&namespace, &[&namespace]).failing_open().apply(cluster, &webhook).await;

    let load = Load::start(cluster, &namespace, 100).await;
    load.repairs(100).await;
    webhook.process().kill();
    let killed = Instant::now();
    load.more(400).await;
    let started = Instant::now();
    webhook.process().start();
    webhook.ready().await;
    load.repairs(100).await;

    let record = load.stop().await;
    record.show("killed");
    record.assert_no_failure();
    let gap = record.within(killed, started);
    gap.show("without a webhook");
    assert!(gap.count() > 100 && gap.repaired() == 0, "{gap}");
    // Nobody listens, and that is known at once: a request need not wait for the timeout of 2 s.
    assert!(gap.took(0.1) < Duration::from_secs(2), "{gap}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pod_is_refused_when_the_webhook_hangs() {
    let _turn = turn().await;
    let cluster = cluster().await;
    let namespace = cluster.namespace("frozen").await;
    let options = WebhookOptions::default().named(&namespace).with_policy(&policy("warn", "warn"));
    let webhook = Webhook::start(cluster, options).await;
    Registration::new(&namespace, &[&namespace]).failing_open().apply(cluster, &webhook).await;

    let load = Load::start(cluster, &namespace, 50).await;
    load.repairs(100).await;
    webhook.process().freeze();
    // A thread of it may go on for a moment.
    sleep(Duration::from_millis(100)).await;
    let frozen = Instant::now();
    load.more(400).await;
    let thawed = Instant::now();
    webhook.process().thaw();
    webhook.ready().await;
    load.repairs(50).await;

    let record = load.stop().await;
    record.show("frozen");
    record.assert_no_failure();
    let gap = record.within(frozen, thawed);
    gap.show("while it hung");
    // Both hooks wait for their timeout of 2 s, one after the other; then the pod is let in.
    let waited = Duration::from_secs(4);
    assert!(gap.count() > 50 && gap.repaired() == 0 && gap.took(0.0) >= waited, "{gap}");
    assert!(gap.took(1.0) < waited + Duration::from_secs(10), "{gap}");
}
