//! The report for people: each finding with the lines around it, what can be done about it, and a sum at the end.

use std::fmt;
use std::io::{self, Write};

use anstyle::AnsiColor;
use buttress_policies::finding::Safety;
use buttress_policies::rule::Severity;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use super::{Look, Paint, Report, count};
use crate::cli::LintArgs;
use crate::judge::Found;
use crate::place::Snippet;

/// The columns of a report that goes nowhere in particular.
const WIDTH: usize = 100;

/// Writes the findings and the sum.
pub(crate) fn write(report: &Report, args: &LintArgs, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let theme = if look.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        // Names and flags are there to be copied, so that no hyphen may end a line.
        .with_word_splitter(textwrap::WordSplitter::NoHyphenation)
        .with_width(look.width.unwrap_or(WIDTH).clamp(40, 160))
        .with_context_lines(1);
    let most = if args.max_diagnostics == 0 { usize::MAX } else { args.max_diagnostics };
    let mut text = String::new();
    for found in report.findings.iter().take(most) {
        text.clear();
        // Only a writer can fail here, and a string does not.
        if handler.render_report(&mut text, &Shown::of(found)).is_ok() {
            writeln!(out, "{}", text.trim_end_matches('\n'))?;
            writeln!(out)?;
        }
    }
    if args.quiet {
        return Ok(());
    }
    if let hidden @ 1.. = report.findings.len().saturating_sub(most) {
        let hidden = count(hidden, "finding more is", "findings more are");
        writeln!(out, "{hidden} not shown; --max-diagnostics 0 shows all, --format concise in one line each")?;
    }
    sum(report, args, look, out)
}

/// The line at the end.
fn sum(report: &Report, args: &LintArgs, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let summary = &report.summary;
    if summary.fixed > 0 {
        let green = Paint::new(look.colour, AnsiColor::Green);
        let (made, where_) = if args.diff { ("to repair", "in") } else { ("repaired", "in") };
        let findings = count(summary.fixed, "finding", "findings");
        writeln!(out, "{green}{findings} {made}{green:#} {where_} {}", count(summary.changed, "file", "files"))?;
    }
    let seen = format!(
        "in {} of {}",
        count(summary.documents, "document", "documents"),
        count(summary.files, "file", "files")
    );
    if report.findings.is_empty() {
        if summary.documents > 0 {
            let left = if summary.fixed > 0 { "nothing left" } else { "nothing to report" };
            let green = Paint::new(look.colour, AnsiColor::Green);
            writeln!(out, "{green}{left}{green:#} {seen}")?;
        }
    } else {
        let mut parts = Vec::new();
        for (number, severity, one, many) in [
            (summary.error, Severity::Error, "error", "errors"),
            (summary.warning, Severity::Warning, "warning", "warnings"),
            (summary.advice, Severity::Advice, "piece of advice", "pieces of advice"),
        ] {
            if number > 0 {
                let paint = Paint::new(look.colour, super::concise::colour_of(severity));
                parts.push(format!("{paint}{}{paint:#}", count(number, one, many)));
            }
        }
        writeln!(out, "{}{} {seen}", parts.join(", "), repairable(report, args))?;
    }
    if !report.skipped.is_empty() {
        let skipped = count(report.skipped.len(), "document is", "documents are");
        writeln!(out, "{skipped} skipped as templates; --verbose names them")?;
    }
    if !report.problems.is_empty() {
        writeln!(out, "{} could not be read; see above", count(report.problems.len(), "input", "inputs"))?;
    }
    Ok(())
}

/// How many of what is left could be repaired, and how.
fn repairable(report: &Report, args: &LintArgs) -> String {
    let with = |wanted: Safety| {
        let is = |found: &&Found| found.refused.is_none() && found.fix.as_ref().is_some_and(|fix| fix.1 == wanted);
        report.findings.iter().filter(is).count()
    };
    let (safe, risky) = (with(Safety::Safe), with(Safety::Unsafe));
    let safe = if args.repairs() { 0 } else { safe };
    let risky = if args.unsafe_fixes { 0 } else { risky };
    match (safe, risky) {
        (0, 0) => String::new(),
        (safe, 0) => format!(" ({safe} repairable with --fix)"),
        (0, risky) => format!(" ({risky} repairable with --unsafe-fixes)"),
        (safe, risky) => format!(" ({safe} repairable with --fix, {risky} more with --unsafe-fixes)"),
    }
}

/// A finding as the renderer takes it.
struct Shown<'a> {
    found: &'a Found,
    source: Option<Source<'a>>,
}

impl<'a> Shown<'a> {
    fn of(found: &'a Found) -> Self {
        let source = found.snippet.as_ref().map(|snippet| Source { snippet, name: &found.file });
        Self { found, source }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.found.rule.name)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{}[{}]", self.found.severity, self.found.rule.name)))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.found.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let name = self.found.rule.name;
        let help = match (&self.found.fix, &self.found.refused) {
            (_, Some(reason)) => format!("the repair was not made: {reason}"),
            (Some((title, Safety::Safe)), None) => format!("--fix will {title}"),
            (Some((title, Safety::Unsafe)), None) => format!("--unsafe-fixes will {title}"),
            (None, None) => "a person must decide".to_owned(),
        };
        Some(Box::new(format!("{help}; `buttress explain {name}` says more")))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let source = self.source.as_ref()?;
        let span = &source.snippet.span;
        let label = LabeledSpan::new_primary_with_span(Some(self.found.object.to_string()), (span.start, span.len()));
        Some(Box::new(std::iter::once(label)))
    }
}

/// The lines around a finding, as the renderer's source. It knows its lines already, so that nothing is counted again
/// for each finding of a long file.
struct Source<'a> {
    snippet: &'a Snippet,
    name: &'a str,
}

impl SourceCode for Source<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let Snippet { text, first, start, .. } = self.snippet;
        // Without context it is asked for the place itself, to name it.
        let (line, column) = if before + after == 0 { (start.line, start.column) } else { (*first, 1) };
        let (whole, data): (SourceSpan, _) = if before + after == 0 {
            let end = (span.offset() + span.len()).min(text.len());
            (*span, text.as_bytes().get(span.offset()..end).unwrap_or_default())
        } else {
            ((0, text.len()).into(), text.as_bytes())
        };
        let contents = MietteSpanContents::new_named(
            self.name.to_owned(),
            data,
            whole,
            line.saturating_sub(1),
            column.saturating_sub(1),
            text.lines().count(),
        );
        Ok(Box::new(contents))
    }
}
