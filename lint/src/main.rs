//! The binary: hands the process's arguments, streams and surroundings to [`buttress_lint::run`].

use std::io::{BufWriter, IsTerminal};
use std::process::ExitCode;

use buttress_lint::{Session, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let colours = |choice| choice != anstream::ColorChoice::Never;
    let mut session = Session {
        directory: std::env::current_dir().unwrap_or_default(),
        stdin: Box::new(std::io::stdin()),
        colour_out: colours(anstream::AutoStream::choice(&std::io::stdout())),
        colour_err: colours(anstream::AutoStream::choice(&std::io::stderr())),
        terminal_err: std::io::stderr().is_terminal(),
        width: terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
        today: jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
        // Colours were decided above; the wrapped streams translate them for old Windows consoles only.
        stdout: Box::new(BufWriter::with_capacity(1 << 16, anstream::AutoStream::always(std::io::stdout()))),
        stderr: Box::new(anstream::AutoStream::always(std::io::stderr())),
    };
    ExitCode::from(run(std::env::args_os(), &mut session))
}
