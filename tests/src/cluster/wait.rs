//! Waiting by looking again, never by guessing how long something takes.

use std::time::{Duration, Instant};

use tokio::time::sleep;

/// How long anything may take before a test gives up. Generous, as the machine may be busy with something else.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// When it has found nothing for a minute and a half; `what` is in the message.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not after {} s", PATIENCE.as_secs());
        sleep(PAUSE).await;
    }
}

/// Looks again and again for `duration`, and fails when `look` is ever false: for what must not happen. It can only prove
/// that something did not happen so far, so let what it waits for be likely within `duration`.
///
/// # Panics
/// When `look` is false; `what` is in the message.
pub async fn holds(what: &str, duration: Duration, mut look: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        assert!(look().await, "{what}: not after {:?}", begun.elapsed());
        sleep(PAUSE).await;
    }
}
