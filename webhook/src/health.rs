//! In which phase of its life the process is: what readiness tells, and what the accept loop waits for.

use tokio::sync::watch;

/// A phase in the life of the process; they only follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The configuration is being read.
    Starting,
    /// It serves.
    Ready,
    /// It serves on, but is to be taken out of the endpoints: the API server goes on using connections that it has, for
    /// seconds after a pod was told to stop.
    Leaving,
    /// What is under way is finished; nothing new is taken.
    Draining,
}

/// The phase, shared by all who ask for it or wait for it.
#[derive(Clone, Debug)]
pub struct Health {
    phase: watch::Sender<Phase>,
}

impl Default for Health {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Starting) }
    }
}

impl Health {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Goes on to `phase`; there is no way back.
    pub fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let later = phase > *current;
            *current = (*current).max(phase);
            later
        });
    }

    /// Waits until `phase` is reached or passed.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.phase.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = receiver.wait_for(|current| *current >= phase).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_go_forward() {
        let health = Health::default();
        health.advance(Phase::Leaving);
        health.advance(Phase::Ready);
        assert_eq!(health.phase(), Phase::Leaving);
        health.reached(Phase::Ready).await;
        health.advance(Phase::Draining);
        health.reached(Phase::Draining).await;
    }
}
