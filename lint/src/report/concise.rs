//! One line a finding, in the form that editors and `grep` know.

use std::io::{self, Write};

use anstyle::AnsiColor;
use buttress_policies::rule::Severity;

use super::{Look, Paint, Report};

/// Writes the findings.
pub(crate) fn write(report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for found in &report.findings {
        let paint = Paint::new(look.colour, colour_of(found.severity));
        writeln!(
            out,
            "{}:{}:{}: {paint}{}[{}]{paint:#} {}",
            found.file, found.start.line, found.start.column, found.severity, found.rule.name, found.message
        )?;
    }
    Ok(())
}

/// The colour of a severity.
pub(crate) fn colour_of(severity: Severity) -> AnsiColor {
    match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Advice => AnsiColor::Cyan,
    }
}
