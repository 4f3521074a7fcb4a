//! A line on a terminal that says how far a long run is; a short one stays silent.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a run may take before it is worth a word.
const PATIENCE: Duration = Duration::from_millis(500);

/// How far a run is.
pub(crate) struct Progress {
    total: usize,
    wanted: bool,
    begun: Instant,
    done: AtomicUsize,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// For `total` steps; shown only when it is `wanted`.
    pub(crate) fn new(total: usize, wanted: bool) -> Self {
        Self { total, wanted, begun: Instant::now(), done: AtomicUsize::new(0), bar: OnceLock::new() }
    }

    /// Counts a step.
    pub(crate) fn step(&self) {
        if !self.wanted {
            return;
        }
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.bar.get().is_some() || self.begun.elapsed() > PATIENCE {
            self.bar.get_or_init(|| bar(self.total)).set_position(done as u64);
        }
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("reading {wide_bar} {pos} of {len} files") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
