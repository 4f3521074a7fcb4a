//! What must be there before requests are sent here: a place in life that takes them, Policies and facts that were read
//! whole, and a TLS port that shows the right certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use buttress_certs::Served;
use buttress_cluster::Cluster;

use crate::health::{Health, Phase};

/// What readiness hangs on beside the phase.
#[derive(Clone, Default)]
pub struct Readiness {
    /// The cluster that is followed, if any.
    pub cluster: Option<Arc<Cluster>>,
    /// The TLS port and what it serves.
    pub tls: Option<(Served, SocketAddr)>,
}

impl Readiness {
    /// What is missing, one line each; nothing when requests are welcome.
    pub async fn missing(&self, health: &Health) -> Vec<String> {
        match health.phase() {
            Phase::Starting => return vec!["starting".to_owned()],
            Phase::Leaving | Phase::Draining => return vec!["shutting down".to_owned()],
            Phase::Ready => {}
        }
        let unsynced = self.cluster.as_ref().map(|cluster| cluster.unsynced()).unwrap_or_default();
        let mut missing: Vec<String> =
            unsynced.iter().map(|plural| format!("{plural} were not listed yet; the log says why")).collect();
        if let Some((served, address)) = &self.tls
            && let Err(error) = served.handshake(*address).await
        {
            missing.push(error.to_string());
        }
        missing
    }
}
