//! Replicas of the webhook behind a Service, whose endpoints follow their readiness.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use buttress_tests::cluster::{Cluster, Webhook, WebhookOptions, eventually, free_port};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::host;

/// How often replicas are looked at, and so how long one that is being deleted is still sent new connections. In a cluster
/// it takes about that time until every API server has learned of it.
const LOOK: Duration = Duration::from_millis(500);
/// How often in a row a probe fails until a replica is not ready, as a kubelet has it by default.
const FAILURES: u32 = 3;

/// The name of the Service in its namespace.
pub(crate) const NAME: &str = "buttress-webhook";

/// A Service and what is behind it.
///
/// The one thing that is played here is what kubelet and endpoint controller do: ask each replica whether it is ready, and
/// write into an EndpointSlice whether it is that and not being deleted. The API server resolves the Service by these slices as it does in a cluster, and picks
/// a replica at random for each new connection.
pub(crate) struct Service {
    replicas: Arc<Mutex<Vec<Replica>>>,
    task: JoinHandle<()>,
}

struct Replica {
    webhook: Arc<Webhook>,
    is_deleted: bool,
    /// How many probes failed in a row.
    failures: u32,
    /// What its slice says; `None` before there is one.
    told: Option<bool>,
}

impl Service {
    /// Makes the Service of `namespace`, with nobody behind it yet.
    pub(crate) async fn new(cluster: &Cluster, namespace: &str) -> Self {
        let service = json!({"metadata": {"name": NAME}, "spec": {"ports": [{"port": 443, "targetPort": 9443}]}});
        let service: v1::Service = serde_json::from_value(service).unwrap();
        let client = cluster.client().await;
        Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &service).await.unwrap();
        let slices = Api::namespaced(client, namespace);
        let replicas = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(follow(slices, Arc::clone(&replicas)));
        Self { replicas, task }
    }

    /// Puts a replica behind it, and waits until it gets new connections.
    pub(crate) async fn add(&self, webhook: &Arc<Webhook>) {
        // Not ready until a probe has found so.
        let replica = Replica { webhook: Arc::clone(webhook), is_deleted: false, failures: FAILURES, told: None };
        lock(&self.replicas).push(replica);
        self.tells(webhook, true).await;
    }

    /// Deletes a replica as a pod is deleted: it is told to stop, and taken out of the endpoints a little later. Waits for its
    /// end.
    pub(crate) async fn delete(&self, webhook: &Webhook) -> ExitStatus {
        let is_this = |it: &&mut Replica| it.webhook.name() == webhook.name();
        lock(&self.replicas).iter_mut().filter(is_this).for_each(|it| it.is_deleted = true);
        let status = webhook.stop(Duration::from_secs(60)).await;
        self.tells(webhook, false).await;
        status
    }

    async fn tells(&self, webhook: &Webhook, is_ready: bool) {
        eventually(&format!("it is told that ready is {is_ready} of {}", webhook.name()), async || {
            let replicas = lock(&self.replicas);
            let replica = replicas.iter().find(|it| it.webhook.name() == webhook.name());
            replica.is_some_and(|it| it.told == Some(is_ready)).then_some(())
        })
        .await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a replica behind the Service of `namespace` is started.
pub(crate) fn replica(name: &str) -> WebhookOptions {
    WebhookOptions::default().named(name).listening_on((host(), free_port()).into())
}

async fn follow(slices: Api<EndpointSlice>, replicas: Arc<Mutex<Vec<Replica>>>) {
    loop {
        let known: Vec<_> = lock(&replicas).iter().map(|it| Arc::clone(&it.webhook)).collect();
        for (number, webhook) in known.iter().enumerate() {
            // As long as a kubelet waits for a probe by default.
            let passed = timeout(Duration::from_secs(1), webhook.is_ready()).await.unwrap_or(false);
            let (is_ready, told) = {
                let mut replicas = lock(&replicas);
                let it = &mut replicas[number];
                it.failures = if passed { 0 } else { it.failures + 1 };
                (it.failures < FAILURES && !it.is_deleted, it.told)
            };
            if told != Some(is_ready) && tell(&slices, webhook, is_ready).await.is_ok() {
                lock(&replicas)[number].told = Some(is_ready);
            }
        }
        sleep(LOOK).await;
    }
}

/// Writes the slice of one replica. Each has its own, as in this place they share an address and differ in the port.
async fn tell(slices: &Api<EndpointSlice>, webhook: &Webhook, is_ready: bool) -> kube::Result<EndpointSlice> {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": webhook.name(), "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [webhook.address().ip()], "conditions": {"ready": is_ready}}],
        "ports": [{"name": "", "port": webhook.address().port(), "protocol": "TCP"}],
    });
    slices.patch(webhook.name(), &PatchParams::apply("test").force(), &Patch::Apply(&slice)).await
}

fn lock(replicas: &Mutex<Vec<Replica>>) -> MutexGuard<'_, Vec<Replica>> {
    replicas.lock().unwrap_or_else(PoisonError::into_inner)
}
