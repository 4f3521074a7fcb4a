//! `buttress explain` and `buttress rules`: what the rules say of themselves.

use std::io::Write;

use anstyle::AnsiColor;
use buttress_policies::policy::resolve;
use buttress_policies::rule::{Category, Check, Fixable, Needs, Rule, Severity};
use buttress_policies::rules::RULES;
use serde::Serialize;

use crate::Colour;
use crate::cli::TextOrJson;
use crate::report::Paint;
use crate::session::{CLEAN, Outcome, Session};

/// The columns of prose where no terminal says how many there are.
const WIDTH: usize = 100;

/// Explains a rule, or lists a category.
pub(crate) fn run(name: &str, colour: Colour, session: &mut Session) -> Outcome {
    let found = resolve(&[name], RULES).map_err(|unknown| {
        let told: Vec<String> = unknown.iter().map(ToString::to_string).collect();
        format!("{}\n`buttress rules` lists all", told.join("\n"))
    })?;
    match found.iter().find(|rule| rule.name == name) {
        Some(rule) => explain(rule, colour, session),
        None => table(&found, colour, session),
    }
}

fn explain(rule: &Rule, colour: Colour, session: &mut Session) -> Outcome {
    let (bold, dim) = (Paint::new(colour.out, AnsiColor::White), Paint::new(colour.out, AnsiColor::Cyan));
    let severity = Paint::new(colour.out, crate::report::colour_of(rule.severity));
    let width = session.width.unwrap_or(WIDTH).clamp(40, 120);
    let out = &mut session.stdout;
    writeln!(out, "{bold}{}{bold:#}", rule.name)?;
    writeln!(out, "{}", rule.summary)?;
    writeln!(out)?;
    writeln!(out, "severity  {severity}{}{severity:#}", rule.severity)?;
    writeln!(out, "category  {}", rule.category)?;
    writeln!(out, "judges    {}", judges(rule))?;
    writeln!(out, "repair    {}", repair(rule.fixable))?;
    writeln!(out, "since     {}", rule.since)?;
    writeln!(out)?;
    for paragraph in rule.rationale.trim().split("\n\n") {
        for line in prose(paragraph, width) {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    let good = if rule.fixable == Fixable::No { "Good" } else { "Good, as the repair leaves it" };
    for (title, example) in [("Bad", rule.bad), (good, rule.good)] {
        writeln!(out, "{dim}{title}{dim:#}")?;
        for line in example.trim_end().lines() {
            writeln!(out, "{}", format!("    {line}").trim_end())?;
        }
        writeln!(out)?;
    }
    writeln!(out, "To exempt a workload: annotation `buttress.dev/allow-{}: \"why\"`", rule.name)?;
    writeln!(out, "{}", rule.url())?;
    Ok(CLEAN)
}

fn judges(rule: &Rule) -> String {
    let what = match rule.check {
        Check::Object(_) => "objects".to_owned(),
        Check::Pod(_) => format!("{} pods", rule.scope.as_str()),
    };
    match rule.needs {
        Needs::Pod => what,
        Needs::Object => format!("{what}, by the object that makes them"),
        Needs::Inventory => format!("{what}, by the other objects around them"),
    }
}

fn repair(fixable: Fixable) -> &'static str {
    match fixable {
        Fixable::Safe => "--fix",
        Fixable::Unsafe => "--unsafe-fixes",
        Fixable::Either => "--fix where the value is given, else --unsafe-fixes",
        Fixable::No => "a person must decide",
    }
}

/// The lines of a paragraph of Markdown, wrapped unless it is a list or code.
fn prose(paragraph: &str, width: usize) -> Vec<String> {
    let kept = |line: &str| line.starts_with(['-', '*', '|', '`', ' ', '#']) || line.starts_with("1.");
    if paragraph.lines().any(kept) {
        return paragraph.lines().map(str::to_owned).collect();
    }
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A rule for programs.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    category: Category,
    severity: Severity,
    repair: &'static str,
    scope: &'static str,
    since: &'static str,
    summary: &'static str,
    url: String,
}

impl From<&Rule> for Row {
    fn from(rule: &Rule) -> Self {
        Self {
            name: rule.name,
            category: rule.category,
            severity: rule.severity,
            repair: short(rule.fixable),
            scope: rule.scope.as_str(),
            since: rule.since,
            summary: rule.summary,
            url: rule.url(),
        }
    }
}

fn short(fixable: Fixable) -> &'static str {
    match fixable {
        Fixable::Safe => "safe",
        Fixable::Unsafe => "unsafe",
        Fixable::Either => "either",
        Fixable::No => "none",
    }
}

/// Lists all rules.
pub(crate) fn list(format: TextOrJson, colour: Colour, session: &mut Session) -> Outcome {
    match format {
        TextOrJson::Text => table(RULES, colour, session),
        TextOrJson::Json => {
            let rows: Vec<Row> = RULES.iter().map(|rule| Row::from(*rule)).collect();
            crate::write_json(&serde_json::json!({ "version": 1, "rules": rows }), session)
        }
    }
}

fn table(rules: &[&Rule], colour: Colour, session: &mut Session) -> Outcome {
    let longest = rules.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
    let mut last = None;
    let mut sorted: Vec<&&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| (rule.category, rule.name));
    for rule in sorted {
        if last.replace(rule.category) != Some(rule.category) {
            let bold = Paint::new(colour.out, AnsiColor::White);
            writeln!(session.stdout, "{bold}{}{bold:#}", rule.category)?;
        }
        let paint = Paint::new(colour.out, crate::report::colour_of(rule.severity));
        let severity = rule.severity.as_str();
        let fix = short(rule.fixable);
        writeln!(session.stdout, "  {:longest$}  {paint}{severity:7}{paint:#}  {fix:6}  {}", rule.name, rule.summary)?;
    }
    Ok(CLEAN)
}
