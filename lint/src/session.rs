//! What a run has around it: the working directory, the streams, the terminal and today's date.

use std::io::{BufWriter, IsTerminal, Read, Write};
use std::path::PathBuf;

use jiff::civil::Date;

/// Everything a command takes from its process, so that a test can give it without one.
pub struct Session {
    /// The working directory, against which paths are resolved.
    pub directory: PathBuf,
    /// What `-` reads.
    pub stdin: Box<dyn Read + Send>,
    /// Reports, repaired text, diffs.
    pub stdout: Box<dyn Write + Send>,
    /// Problems, notes, verdicts, progress.
    pub stderr: Box<dyn Write + Send>,
    /// Whether `--color auto` colours stdout.
    pub colour_out: bool,
    /// Whether `--color auto` colours stderr.
    pub colour_err: bool,
    /// Whether stderr is a terminal, which a progress line needs.
    pub terminal_err: bool,
    /// The columns of the terminal, when there is one.
    pub width: Option<usize>,
    /// Today, for exemptions that end.
    pub today: Date,
}

impl Session {
    /// What this process has.
    pub fn of_process() -> Self {
        let coloured = |choice| choice != anstream::ColorChoice::Never;
        let (out, err) = (std::io::stdout(), std::io::stderr());
        Self {
            directory: std::env::current_dir().unwrap_or_default(),
            stdin: Box::new(std::io::stdin()),
            colour_out: coloured(anstream::AutoStream::choice(&out)),
            colour_err: coloured(anstream::AutoStream::choice(&err)),
            terminal_err: err.is_terminal(),
            width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
            today: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
            // Whether to colour is decided above; the streams only translate colours for old Windows consoles.
            stdout: Box::new(BufWriter::with_capacity(1 << 16, anstream::AutoStream::always(out))),
            stderr: Box::new(anstream::AutoStream::always(err)),
        }
    }
}

/// Why a command stopped before it could do its work. The exit code is 2.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something to tell, with its way out.
    Failure(String),
    /// Nobody reads the output any more: nothing to tell.
    Closed,
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failure(format!("cannot write the output: {error}")),
        }
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Failure(message)
    }
}

/// The exit code of a command that did its work, or why it could not.
pub(crate) type Outcome = Result<u8, Stop>;

/// Nothing at or above `--fail-on` is left.
pub(crate) const CLEAN: u8 = 0;
/// Findings are left.
pub(crate) const FOUND: u8 = 1;
/// The work could not be done, or not all of it.
pub(crate) const FAILED: u8 = 2;
