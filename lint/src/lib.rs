//! The linter of Buttress: finds and repairs what is wrong with the manifests in files, folders and stdin.
//!
//! [`run`] is the whole binary but for its process: it takes arguments and a [`Session`], and gives the exit code.
//!
//! # Code map
//! - `cli`: what can be typed. `session`: what a run has around it.
//! - `files`, `source`, `objects`: from paths to texts to the objects in them. `project`: the other files in sight.
//! - `policy`: the Policy in force. `judge`, `fix`, `place`: one file, its findings, its repair, and where they stand.
//! - `write`, `diff`: what becomes of a repair. `report`: what is said, in each form.
//! - `lint`, `inspect`, `admit`, `explain`: the commands.
//!
//! # Invariants
//! 1. The output of a run depends on its input alone, neither on threads nor on the order of a folder.
//! 2. A bad input never hides a good one: it is told with its place, and the others are still judged.
//! 3. Nothing is written that was not read again and found to say what the engine meant.

mod admit;
mod cli;
mod diff;
mod explain;
mod files;
mod fix;
mod inspect;
mod judge;
mod lint;
mod objects;
mod patches;
mod place;
mod policy;
mod progress;
mod project;
mod report;
mod session;
mod source;
mod write;

use std::ffi::OsString;
use std::io::Write;

use clap::{CommandFactory, FromArgMatches};

use cli::{Cli, Command, SchemaOf, When};
pub use session::Session;
use session::{CLEAN, FAILED, Outcome, Stop};
use source::Problem;

/// The most columns of help: longer lines are hard to read.
const HELP_WIDTH: usize = 100;

/// Whether to colour stdout and stderr.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colour {
    pub(crate) out: bool,
    pub(crate) err: bool,
}

/// Runs a command line, whose first argument is the program's name, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>, session: &mut Session) -> u8 {
    // The width is the session's, so that help does not depend on the terminal of whoever runs the tests.
    let width = session.width.unwrap_or(HELP_WIDTH).clamp(40, HELP_WIDTH);
    let parsed = Cli::command().term_width(width).try_get_matches_from(arguments);
    let code = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => {
            let colour = match cli.color {
                When::Auto => Colour { out: session.colour_out, err: session.colour_err },
                When::Always => Colour { out: true, err: true },
                When::Never => Colour { out: false, err: false },
            };
            match execute(&cli.command, colour, session) {
                Ok(code) => code,
                Err(Stop::Closed) => return CLEAN,
                Err(Stop::Failure(message)) => {
                    // Nothing is left to tell it to when this fails too.
                    let _ = writeln!(session.stderr, "error: {message}");
                    FAILED
                }
            }
        }
        Err(error) => usage(&error, session),
    };
    match session.stdout.flush() {
        Ok(()) => code,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => code,
        Err(_) => FAILED,
    }
}

/// Help goes to stdout, mistakes to stderr.
fn usage(error: &clap::Error, session: &mut Session) -> u8 {
    let (out, colour): (&mut dyn Write, _) = match error.use_stderr() {
        true => (&mut session.stderr, session.colour_err),
        false => (&mut session.stdout, session.colour_out),
    };
    let text = error.render();
    let written = if colour { write!(out, "{}", text.ansi()) } else { write!(out, "{text}") };
    match (error.use_stderr(), written) {
        (false, Ok(())) => CLEAN,
        _ => FAILED,
    }
}

fn execute(command: &Command, colour: Colour, session: &mut Session) -> Outcome {
    match command {
        Command::Lint(args) => lint::run(args, colour, session),
        Command::Inspect(args) => inspect::run(args, colour, session),
        Command::Admit(args) => admit::run(args, session),
        Command::Explain(args) => explain::run(&args.rule, colour, session),
        Command::Rules(args) => explain::list(args.format, colour, session),
        Command::Schema(args) => {
            let schema = match args.what {
                SchemaOf::Policy => buttress_policies::policy::schema(buttress_policies::rules::RULES),
            };
            write_json(&schema, session)
        }
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "buttress", &mut script);
            session.stdout.write_all(&script)?;
            Ok(CLEAN)
        }
    }
}

/// Writes a value for a program to read.
pub(crate) fn write_json(value: &impl serde::Serialize, session: &mut Session) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    writeln!(session.stdout, "{text}")?;
    Ok(CLEAN)
}

/// Stops because of a Policy that cannot be used: to judge by another would only seem to have done the work.
pub(crate) fn policy_failure(problems: &[Problem]) -> Outcome {
    let told: Vec<String> = problems.iter().map(|one| format!("{}: {}", report::place(one), one.message)).collect();
    Err(Stop::Failure(format!("the Policy cannot be used\n{}", told.join("\n"))))
}
