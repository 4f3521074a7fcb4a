//! What must be there before requests are sent here: a place in life that takes them, Policies and facts that were read
//! whole, and a TLS port that shows the right certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use buttress_certs::Served;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::app::State;
use crate::health::Phase;

/// How long it is believed that the TLS port works. A handshake costs more than a request, and anybody may ask for readiness.
const BELIEVED: Duration = Duration::from_secs(1);
/// How long it is believed that it does not: who waited for that answer shares it, and nobody learns late that it works.
const DOUBTED: Duration = Duration::from_millis(50);

/// What readiness hangs on.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: State,
    tls: Option<Arc<Port>>,
}

/// The TLS port, and what was last found out about it.
#[derive(Debug)]
struct Port {
    served: Served,
    address: SocketAddr,
    /// When that was, and what was wrong.
    found: Mutex<Option<(Instant, Option<String>)>>,
}

impl Port {
    /// What is wrong with it, if anything.
    async fn fault(&self) -> Option<String> {
        // Held meanwhile, so that one handshake answers all who ask.
        let mut found = self.found.lock().await;
        if let Some((at, fault)) = &*found
            && at.elapsed() < if fault.is_none() { BELIEVED } else { DOUBTED }
        {
            return fault.clone();
        }
        let fault = self.served.handshake(self.address).await.err().map(|error| error.to_string());
        *found = Some((Instant::now(), fault.clone()));
        fault
    }
}

impl Readiness {
    /// Readiness to answer by `state`, and on a TLS port that shows what is served, if one is given.
    pub fn new(state: &State, tls: Option<(Served, SocketAddr)>) -> Self {
        let port = |(served, address)| Arc::new(Port { served, address, found: Mutex::default() });
        Self { state: state.clone(), tls: tls.map(port) }
    }

    /// What is missing, one line each; nothing when requests are welcome.
    pub async fn missing(&self) -> Vec<String> {
        match self.state.health().phase() {
            Phase::Starting => return vec!["starting".to_owned()],
            Phase::Leaving | Phase::Draining => return vec!["shutting down".to_owned()],
            Phase::Ready => {}
        }
        let unsynced = self.state.unsynced();
        let mut missing: Vec<String> =
            unsynced.iter().map(|plural| format!("{plural} were not listed yet; the log says why")).collect();
        if let Some(port) = &self.tls {
            missing.extend(port.fault().await);
        }
        missing
    }
}
