//! One cluster for all tests of a process that break nothing.

use std::ops::Deref;
use std::thread::panicking;

use tokio::sync::OnceCell;

use super::options::Options;
use super::start::Cluster;

/// The shared cluster, in the hands of one test.
#[derive(Debug)]
pub struct Shared(&'static Cluster);

/// The cluster that the tests of this process share: with kwok and an audit log, one plain node `plain` and one GPU node
/// `gpu` of 64 accelerators. It is started by the first who asks, and stopped with the process. Work in namespaces of your
/// own ([`Cluster::namespace`]), register webhooks for these only, and stop nothing of it.
pub async fn shared() -> Shared {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    let start = async || {
        let cluster = Cluster::start(Options::default().with_kwok().with_audit()).await;
        cluster.plain_node("plain").await;
        cluster.gpu_node("gpu", 64).await;
        cluster
    };
    Shared(CLUSTER.get_or_init(start).await)
}

impl Deref for Shared {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if panicking() {
            self.0.show_logs();
        }
    }
}
