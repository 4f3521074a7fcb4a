//! One cluster with one node for all tests of this process, the stand-in for a model server on it, and a look at its pods.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::thread::panicking;
use std::time::{Duration, Instant};

use buttress_tests::cluster::node::{Image, Node, Program, demand, static_program};
use buttress_tests::cluster::{Cluster, Options};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::ListParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// The image of a server that Buttress knows. What is in it here is a stand-in: no GPU and no model are needed.
pub(crate) const KNOWN: &str = "vllm/vllm-openai:v0.11.0";
/// The image of the same stand-in under a name that nobody knows.
pub(crate) const UNKNOWN: &str = "registry.example.com/assistants/server:1.4";
/// The port on which both serve.
const PORT: u16 = 8000;

/// A cluster with a node of 8 GPUs.
#[derive(Debug)]
pub(crate) struct Stage {
    // The node goes before what it talks to.
    pub(crate) node: Node,
    pub(crate) cluster: Cluster,
}

/// The stage in the hands of one test. With the last one it goes.
#[derive(Debug)]
pub(crate) struct Shared(Arc<Stage>);

/// The stage that the tests of this process share: they run at the same time and mostly wait.
pub(crate) async fn stage() -> Shared {
    static STAGE: Mutex<Weak<Stage>> = Mutex::const_new(Weak::new());
    let mut shared = STAGE.lock().await;
    if let Some(stage) = shared.upgrade() {
        return Shared(stage);
    }
    demand();
    let cluster = Cluster::start(Options::default()).await;
    let node = Node::start(&cluster, 8).await;
    let program = &static_program(Program::ModelServer);
    let known = &format!("docker.io/{KNOWN}");
    // As in vLLM's own image, the arguments of a pod come behind `vllm serve`.
    node.import(&Image { name: known, path: "usr/local/bin/vllm", program, entrypoint: &["vllm", "serve"], user: "" });
    node.import(&Image { name: UNKNOWN, path: "server", program, entrypoint: &["/server"], user: "" });
    let stage = Arc::new(Stage { node, cluster });
    *shared = Arc::downgrade(&stage);
    Shared(stage)
}

impl Deref for Shared {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if panicking() {
            self.cluster.show_logs();
            eprint!("{}", self.node.logs());
        }
    }
}

impl Stage {
    pub(crate) async fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.cluster.client().await, namespace)
    }
}

/// Looks at the pods that carry `label` until `look` finds something in one of them.
///
/// # Panics
/// When it has found nothing within `limit`, with the pods.
pub(crate) async fn watch<T>(
    what: &str,
    limit: Duration,
    pods: &Api<Pod>,
    label: &str,
    mut look: impl AsyncFnMut(&Pod) -> Option<T>,
) -> T {
    let begun = Instant::now();
    let mut seen = Vec::new();
    loop {
        if let Ok(list) = pods.list(&ListParams::default().labels(label)).await {
            seen = list.items;
        }
        for pod in &seen {
            if let Some(found) = look(pod).await {
                return found;
            }
        }
        assert!(begun.elapsed() < limit, "{what}: not after {} s: {seen:#?}", limit.as_secs());
        sleep(Duration::from_millis(200)).await;
    }
}

/// The one container of the pod, once it was started.
pub(crate) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

pub(crate) fn restarts(pod: &Pod) -> i32 {
    container(pod).map_or(0, |container| container.restart_count)
}

/// Since when the pod is ready, as seconds of Unix time; `None` when it is not.
pub(crate) fn ready_since(pod: &Pod) -> Option<i64> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref()?.0.as_second())
}

/// Since when the container runs, as seconds of Unix time; `None` when it does not.
pub(crate) fn running_since(pod: &Pod) -> Option<i64> {
    Some(container(pod)?.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0.as_second())
}

/// Asks the server in the pod: the status of its answer, `None` where it refuses or does not answer.
pub(crate) async fn ask(pod: &Pod, method: &str, path: &str) -> Option<u16> {
    let address: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let asked = async {
        let mut stream = TcpStream::connect((address, PORT)).await.ok()?;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    };
    timeout(Duration::from_secs(5), asked).await.ok().flatten()
}
