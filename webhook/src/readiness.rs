//! What must be there before requests are sent here: a place in life that takes them, Policies and facts that were read
//! whole, and a TLS port that shows the right certificate.

use std::net::SocketAddr;

use buttress_certs::Served;

use crate::app::State;
use crate::health::Phase;

/// What readiness hangs on.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: State,
    tls: Option<(Served, SocketAddr)>,
}

impl Readiness {
    /// Readiness to answer by `state`, and on a TLS port that shows what is served, if one is given.
    pub fn new(state: &State, tls: Option<(Served, SocketAddr)>) -> Self {
        Self { state: state.clone(), tls }
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
        if let Some((served, address)) = &self.tls
            && let Err(error) = served.handshake(*address).await
        {
            missing.push(error.to_string());
        }
        missing
    }
}
