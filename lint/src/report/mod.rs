//! What a run has to say, and to whom: findings to stdout or a file, problems and notes to stderr.

mod concise;
mod json;
mod pretty;

use std::io::Write;

pub(crate) use concise::colour_of;

use crate::Colour;
use crate::cli::{Form, Format, LintArgs};
use crate::judge::{Found, Skipped};
use crate::session::{Session, Stop};
use crate::source::{Problem, plain};

/// What a run has to say.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// By file, document, place and rule.
    pub(crate) findings: Vec<Found>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) skipped: Vec<Skipped>,
    /// For people, on stderr.
    pub(crate) notes: Vec<String>,
    /// Repaired text or diffs.
    pub(crate) output: Vec<String>,
    pub(crate) summary: Summary,
}

/// A run in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Files with Kubernetes objects in them, and those that should have some but cannot be read.
    pub(crate) files: usize,
    /// Documents with Kubernetes objects in them.
    pub(crate) documents: usize,
    pub(crate) error: usize,
    pub(crate) warning: usize,
    pub(crate) advice: usize,
    /// Findings that were repaired.
    pub(crate) fixed: usize,
    /// Files whose text the repairs change.
    pub(crate) changed: usize,
}

impl Report {
    /// Writes all reports that were asked for.
    pub(crate) fn deliver(
        &self,
        args: &LintArgs,
        carries_text: bool,
        colour: Colour,
        session: &mut Session,
    ) -> Result<(), Stop> {
        let standard = [Format { form: Form::Pretty, file: None }];
        let formats = if args.format.is_empty() { &standard[..] } else { &args.format };
        self.problems_to(&mut session.stderr, colour.err)?;
        for format in formats {
            let (out, to_terminal): (&mut dyn Write, _) = match carries_text {
                true => (&mut session.stderr, colour.err),
                false => (&mut session.stdout, colour.out),
            };
            let look = Look {
                colour: to_terminal && format.file.is_none(),
                width: session.width.filter(|_| format.file.is_none()),
            };
            match &format.file {
                None => self.render(format.form, args, look, out)?,
                Some(file) => {
                    let mut text = Vec::new();
                    self.render(format.form, args, look, &mut text)?;
                    std::fs::write(session.directory.join(file), text)
                        .map_err(|error| format!("{}: cannot be written: {}", file.display(), plain(&error)))?;
                }
            }
        }
        session.stdout.flush()?;
        self.notes_to(args, &mut session.stderr)?;
        Ok(())
    }

    fn render(&self, form: Form, args: &LintArgs, look: Look, out: &mut dyn Write) -> std::io::Result<()> {
        match form {
            Form::Pretty => pretty::write(self, args, look, out),
            Form::Concise => concise::write(self, look, out),
            Form::Json => json::write(self, out),
        }
    }

    fn problems_to(&self, err: &mut dyn Write, colour: bool) -> std::io::Result<()> {
        let red = Paint::new(colour, anstyle::AnsiColor::Red);
        for problem in &self.problems {
            writeln!(err, "{}: {red}error{red:#}: {}", place(problem), problem.message)?;
        }
        Ok(())
    }

    fn notes_to(&self, args: &LintArgs, err: &mut dyn Write) -> std::io::Result<()> {
        if args.quiet {
            return Ok(());
        }
        for note in &self.notes {
            writeln!(err, "note: {note}")?;
        }
        if args.verbose {
            for skipped in &self.skipped {
                writeln!(err, "note: {}: document {} is skipped: {}", skipped.file, skipped.document, skipped.reason)?;
            }
        }
        Ok(())
    }
}

/// How a report may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) colour: bool,
    /// The columns there are, when it is known.
    pub(crate) width: Option<usize>,
}

/// A colour that is only there when colours are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(Option<anstyle::Style>);

impl Paint {
    pub(crate) fn new(wanted: bool, colour: anstyle::AnsiColor) -> Self {
        Self(wanted.then(|| anstyle::Style::new().bold().fg_color(Some(colour.into()))))
    }
}

impl std::fmt::Display for Paint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, f.alternate()) {
            (Some(style), false) => write!(f, "{}", style.render()),
            (Some(style), true) => write!(f, "{}", style.render_reset()),
            (None, _) => Ok(()),
        }
    }
}

/// A problem's file, line and column, as editors take them.
pub(crate) fn place(problem: &Problem) -> String {
    match problem.place {
        Some(place) => format!("{}:{}:{}", problem.file, place.line, place.column),
        None => problem.file.clone(),
    }
}

/// A number and what it counts.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
