//! What goes on on one connection, and since when nothing does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The requests of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Activity(Arc<Mutex<Requests>>);

#[derive(Debug)]
struct Requests {
    /// Whether there ever was one.
    any: bool,
    under_way: usize,
    /// When the connection began or the last request was answered.
    since: Instant,
}

impl Activity {
    /// That of a connection that has just begun.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Requests { any: false, under_way: 0, since: Instant::now() })))
    }

    /// Notes a request that is under way for as long as what is returned lives.
    pub(crate) fn begin(&self) -> UnderWay {
        let mut requests = self.lock();
        requests.any = true;
        requests.under_way += 1;
        UnderWay(self.clone())
    }

    /// Whether there ever was a request.
    pub(crate) fn any(&self) -> bool {
        self.lock().any
    }

    /// Since when there was none; `None` while one is under way.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let requests = self.lock();
        (requests.under_way == 0).then_some(requests.since)
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, until it was answered or given up.
#[derive(Debug)]
pub(crate) struct UnderWay(Activity);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut requests = self.0.lock();
        requests.under_way -= 1;
        requests.since = Instant::now();
    }
}
