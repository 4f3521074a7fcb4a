//! What comes after an error of a watch: a pause, and the words for it.

use std::error::Error;
use std::time::Duration;

use kube::runtime::watcher::{self, Event};

/// How long to wait after a loss of the API server, at first and at most. Verdicts go on by what was known.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait before the API server is asked again: twice as long each time.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// How often it failed since something was had of it.
    failed: u32,
    /// How often it had no history of what was before since it told of a change. A list is had each time, so that this is
    /// counted for itself.
    expired: u32,
}

impl Pauses {
    /// How long to wait after this event.
    pub(crate) fn after<K>(&mut self, event: &watcher::Result<Event<K>>) -> Duration {
        match event {
            // A list is only begun by these. It may fail as the one before it did.
            Ok(Event::Init | Event::InitApply(_)) => Duration::ZERO,
            Ok(Event::InitDone) => {
                self.failed = 0;
                Duration::ZERO
            }
            Ok(Event::Apply(_) | Event::Delete(_)) => {
                *self = Self::default();
                Duration::ZERO
            }
            // The API server is back, and says that it has no history of what was before: a list comes next, which is what
            // everybody waits for.
            Err(watcher::Error::WatchError(status)) if status.code == 410 => grown(&mut self.expired),
            Err(_) => self.failed(),
        }
    }

    /// How long to wait after a failure.
    pub(crate) fn failed(&mut self) -> Duration {
        grown(&mut self.failed)
    }
}

fn grown(times: &mut u32) -> Duration {
    let pause = (FIRST_PAUSE * 2u32.saturating_pow(*times)).min(LONGEST_PAUSE);
    *times = (*times + 1).min(16);
    pause
}

/// What an error says, and what each error behind it adds.
pub(crate) fn reason(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn fails() -> watcher::Result<Event<()>> {
        Err(watcher::Error::NoResourceVersion)
    }

    #[test]
    fn pauses_grow_until_something_is_seen() {
        let mut pauses = Pauses::default();
        let mut all = Vec::new();
        for _ in 0..8 {
            // So it comes when no list can be had.
            assert_eq!(pauses.after::<()>(&Ok(Event::Init)), Duration::ZERO);
            all.push(pauses.after(&fails()).as_millis());
        }
        assert_eq!(all, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pauses.after::<()>(&Ok(Event::InitDone)), Duration::ZERO);
        assert_eq!(pauses.after(&fails()), FIRST_PAUSE);
    }

    #[test]
    fn a_list_that_is_due_is_not_waited_for() {
        let mut pauses = Pauses::default();
        for _ in 0..8 {
            pauses.after(&fails());
        }
        let expired = Status::failure("too old resource version: 1 (2)", "Expired").with_code(410);
        let expired: watcher::Result<Event<()>> = Err(watcher::Error::WatchError(Box::new(expired)));
        assert_eq!(pauses.after(&expired), FIRST_PAUSE);
        // Again and again, although there is a list each time, is not to be followed at once.
        pauses.after::<()>(&Ok(Event::InitDone));
        assert_eq!(pauses.after(&expired), FIRST_PAUSE * 2);
        pauses.after(&Ok(Event::Apply(())));
        assert_eq!(pauses.after(&expired), FIRST_PAUSE);
    }

    #[test]
    fn the_reason_goes_down_to_the_cause() {
        let cause = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "nobody listens");
        let error = watcher::Error::InitialListFailed(kube::Error::Service(Box::new(std::io::Error::other(cause))));
        assert!(reason(&error).ends_with("nobody listens"), "{}", reason(&error));
    }
}
