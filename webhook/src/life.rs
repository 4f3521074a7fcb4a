//! How the process lives and ends: by a signal in order, and likewise when something ends that lasts as long as the process.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{error, info};

use crate::app::State;
use crate::health::Phase;
use crate::serve::Server;

/// Serves until a signal, leaves, and drains. Returns whether everything was finished.
///
/// When one of `tasks` or a port ends before, by a panic or otherwise, it is told and the process leaves in the same order:
/// a new one has what this one lacks, and this one would go on looking alive.
pub(crate) async fn live(
    hooks: Server,
    ops: Server,
    mut tasks: Tasks,
    state: &State,
    delay: Duration,
    signals: &mut Signals,
) -> bool {
    tasks.keep("ops port", ops.run());
    let mut serving = tokio::spawn(hooks.run());
    state.health().advance(Phase::Ready);
    let lost = tokio::select! {
        () = signals.next() => None,
        name = tasks.ended() => Some(name),
        _ = &mut serving => Some("hooks port"),
    };
    if let Some(what) = lost {
        state.metrics().panicked();
        error!(what, "ended, which it never should; leaving, to be started anew. Please report this");
    }
    state.health().advance(Phase::Leaving);
    info!(seconds = delay.as_secs(), "stopping: unready, serving on until no API server calls here");
    tokio::select! {
        () = sleep(delay) => {}
        () = signals.next() => return false,
    }
    // Asked before it is told to finish: with nothing under way it does so at once.
    let is_lost = serving.is_finished();
    state.health().advance(Phase::Draining);
    if is_lost {
        return false;
    }
    tokio::select! {
        finished = serving => {
            let finished = finished.unwrap_or(false);
            info!(finished, "stopped");
            finished && lost.is_none()
        }
        () = signals.next() => false,
    }
}

/// Tasks that last as long as the process, each with a name.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<&'static str>);

impl Tasks {
    /// Does `work` in the background.
    pub(crate) fn keep<T: Send + 'static>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) {
        // In a task of its own, so that the name is still known after a panic.
        self.0.spawn(async move {
            let _ = tokio::spawn(work).await;
            name
        });
    }

    /// Waits until one has ended, and tells which.
    async fn ended(&mut self) -> &'static str {
        match self.0.join_next().await {
            Some(Ok(name)) => name,
            Some(Err(_)) => "a task",
            None => std::future::pending().await,
        }
    }
}

/// The signals to stop.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them from now on. Until then SIGTERM ends a process at once, or, when that is number 1 of its container, is lost.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Instant;

    use axum::Router;
    use buttress_review::Settings;
    use tokio::net::TcpListener;

    use super::*;
    use crate::app::Options;
    use crate::health::Health;
    use crate::serve::Limits;

    async fn port(health: Health) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server { listener, tls: None, router: Router::new(), health, limits: Limits::default() }
    }

    /// Whether the process ends in order with these tasks, and its state at the end.
    async fn lived(tasks: Tasks) -> (bool, State) {
        let state = State::new(Settings::new(Vec::new()), Options::default());
        let (hooks, ops) = (port(state.health().clone()).await, port(Health::default()).await);
        let mut signals = Signals::new().unwrap();
        let in_order = live(hooks, ops, tasks, &state, Duration::from_millis(300), &mut signals).await;
        (in_order, state)
    }

    #[tokio::test]
    async fn a_task_that_ends_or_panics_ends_the_process_after_the_drain() {
        async fn broken() {
            panic!("on purpose");
        }
        let mut panics = Tasks::default();
        panics.keep("lasting", pending::<()>());
        panics.keep("panicking", broken());
        let mut ends = Tasks::default();
        ends.keep("ending", async {});
        for tasks in [panics, ends] {
            let started = Instant::now();
            let (in_order, state) = lived(tasks).await;
            assert!(!in_order && started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
            assert_eq!(state.health().phase(), Phase::Draining);
            assert!(state.metrics().text().unwrap().contains("buttress_panics_total 1"));
        }
    }
}
