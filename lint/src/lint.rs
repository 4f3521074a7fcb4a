//! `buttress lint`: reads what was named and the project around it, judges and repairs file by file on all cores, and
//! reports in an order that depends on neither.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use buttress_policies::finding::Safety;
use buttress_policies::inventory::Inventory;
use buttress_policies::rule::Severity;
use buttress_yaml::File;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::cli::{FailOn, LintArgs};
use crate::diff::unified;
use crate::files::{Gathered, Names, clean, gather};
use crate::fix::{Fixer, Repair};
use crate::judge::{Bench, Skipped, Verdict, judge, survey};
use crate::patches::{REASON, named_by};
use crate::policy::Policies;
use crate::progress::Progress;
use crate::project::{Inventories, Projects, facts};
use crate::report::{Report, Summary};
use crate::session::{CLEAN, FAILED, FOUND, Outcome, Session};
use crate::source::{Input, Origin, Problem, may_hold_objects};
use crate::write::replace;

/// How many bytes of text stay parsed from the first look to the second, of the files that need one; a parsed text takes
/// some twenty times its length. The rest is read twice, which costs time and no memory.
const KEPT_BYTES: usize = 5 << 19;

/// Runs the command.
pub(crate) fn run(args: &LintArgs, colour: crate::Colour, session: &mut Session) -> Outcome {
    let policies = match Policies::load(&args.policy, &session.directory) {
        Ok(policies) => policies.with_selection(&args.select, &args.ignore)?,
        Err(problems) => return crate::policy_failure(&problems),
    };
    let gathered = gather(&args.paths, session);
    let names = Names::new(&session.directory);
    let projects = Projects::of(&gathered, &names);
    let bench = Bench { policies: &policies, namespace: args.policy.namespace.as_deref(), today: session.today };
    let progress = Progress::new(gathered.inputs.len() + projects.others.len(), session.terminal_err && !args.quiet);
    let work = Work { args, bench: &bench, progress: &progress };
    let done = work.run(&gathered, &projects);
    progress.end();
    let mut report = collect(gathered, done);
    if projects.bounded && (args.verbose || args.shows_pretty()) {
        report.notes.push(
            "the project is too large to look for other objects, such as budgets and services, in all of it; \
             findings that need to know of them are left out"
                .to_owned(),
        );
    }
    deliver(&report, args, colour, session)
}

/// A run over the inputs.
struct Work<'a> {
    args: &'a LintArgs,
    bench: &'a Bench<'a>,
    progress: &'a Progress,
}

/// An input after the first look.
enum Seen {
    /// There is nothing left to do.
    Settled(Done),
    /// It is in memory.
    Kept(File),
    /// It is to be read again.
    Dropped,
}

/// What an input says of others.
struct Said {
    inventory: Inventory,
    /// The files that it tells to be patches.
    patches: Vec<PathBuf>,
}

impl Said {
    fn nothing() -> Self {
        Self { inventory: Inventory::unknown(), patches: Vec::new() }
    }
}

/// What came of one input.
#[derive(Default)]
struct Done {
    verdict: Verdict,
    fixed: usize,
    /// The repaired text of stdin, or the diff of a file.
    output: Option<String>,
    /// Whether the repaired text is another.
    changed: bool,
    note: Option<String>,
}

impl Work<'_> {
    fn run(&self, gathered: &Gathered, projects: &Projects) -> Vec<Done> {
        let effective = self.bench.policies.of(self.bench.namespace);
        let kept = AtomicUsize::new(0);
        let said = |input: &Input, file: &File| Said {
            inventory: facts(file, &input.name, effective.catalog()),
            patches: named_by(input.path(), file),
        };
        let first: Vec<(Seen, Said)> =
            gathered.inputs.par_iter().map(|input| self.look(input, &kept, |file| said(input, file))).collect();
        let others: Vec<Said> = projects
            .others
            .par_iter()
            .map(|input| {
                self.progress.step();
                // What cannot be read says nothing; it is told when it is linted itself.
                let text = input.read().ok().filter(|text| may_hold_objects(text));
                let file = text.map(File::parse);
                file.map_or_else(Said::nothing, |file| said(input, &file))
            })
            .collect();
        let (seen, own): (Vec<Seen>, Vec<Said>) = first.into_iter().unzip();
        let patches: HashSet<PathBuf> =
            own.iter().chain(&others).flat_map(|said| said.patches.iter().cloned()).collect();
        let is_patch = |input: &Input| input.path().is_some_and(|path| patches.contains(&clean(path)));
        let all = gathered.inputs.iter().zip(own).chain(projects.others.iter().zip(others));
        let all = all.filter(|(input, _)| !is_patch(input)).map(|(input, said)| (input, said.inventory));
        let inventories = projects.inventories(all);
        let seen = gathered.inputs.par_iter().zip(seen.into_par_iter());
        seen.map(
            |(input, seen)| {
                if is_patch(input) { pass_over(input, seen) } else { self.finish(input, seen, &inventories) }
            },
        )
        .collect()
    }

    /// Reads an input and asks what it says of others. Most are judged by that: only where a rule wanted to know of
    /// other objects must the whole project be known first, and the input is kept for that when there is room.
    fn look(&self, input: &Input, kept: &AtomicUsize, says: impl Fn(&File) -> Said) -> (Seen, Said) {
        self.progress.step();
        let text = match input.read() {
            Ok(text) => text,
            Err(problem) => return (Seen::Settled(Done::failed(problem)), Said::nothing()),
        };
        let length = text.len();
        let file = File::parse(text);
        let said = says(&file);
        // Nothing is written before everything is read: one file may be reached by two names.
        if !self.args.writes() {
            let nothing = Inventory::unknown();
            let done = self.treat(input, &file, &nothing);
            if !nothing.was_asked() {
                return (Seen::Settled(done), said);
            }
        }
        // A lone file is kept whatever its length: to read it again would take the same room.
        let before = kept.fetch_add(length, Ordering::Relaxed);
        let room = before == 0 || before + length <= KEPT_BYTES;
        if !room {
            kept.fetch_sub(length, Ordering::Relaxed);
        }
        (if room { Seen::Kept(file) } else { Seen::Dropped }, said)
    }

    fn finish(&self, input: &Input, seen: Seen, inventories: &Inventories) -> Done {
        let file = match seen {
            Seen::Settled(done) => return done,
            Seen::Kept(file) => file,
            Seen::Dropped => match input.read() {
                Ok(text) => File::parse(text),
                Err(problem) => return Done::failed(problem),
            },
        };
        self.treat(input, &file, inventories.of(input))
    }

    /// Judges a file, or repairs it.
    fn treat(&self, input: &Input, file: &File, inventory: &Inventory) -> Done {
        let snippets = self.snippets();
        if !self.args.repairs() {
            return Done { verdict: judge(input, file, inventory, self.bench, snippets), ..Done::default() };
        }
        let fixer = Fixer {
            input,
            file,
            inventory,
            bench: self.bench,
            limit: if self.args.unsafe_fixes { Safety::Unsafe } else { Safety::Safe },
            snippets,
            places_in_new: !self.args.diff,
        };
        let repair = fixer.run();
        self.settle(input, file, inventory, repair)
    }

    /// Shows or writes what a repair made.
    fn settle(&self, input: &Input, file: &File, inventory: &Inventory, repair: Repair) -> Done {
        let Repair { verdict, text, fixed, withheld } = repair;
        let note = withheld.map(|reason| format!("{}: the repairs are withheld: {reason}", input.name));
        let mut done = Done { verdict, fixed, changed: text.is_some(), output: None, note };
        match (&input.origin, text) {
            (_, Some(text)) if self.args.diff => done.output = Some(unified(&input.name, file.text(), &text)),
            (Origin::Stdin(_), text) if !self.args.diff => {
                done.output = Some(text.unwrap_or_else(|| file.text().to_owned()));
            }
            (Origin::File(path), Some(text)) => {
                if let Err(message) = replace(path, file.text(), &text) {
                    done =
                        Done { verdict: judge(input, file, inventory, self.bench, self.snippets()), ..Done::default() };
                    done.verdict.problems.push(Problem { file: input.name.clone(), place: None, message });
                }
            }
            _ => {}
        }
        done
    }

    /// How many findings of a file keep the lines around them: only the pretty report shows any.
    fn snippets(&self) -> usize {
        match (self.args.shows_pretty(), self.args.max_diagnostics) {
            (false, _) => 0,
            (true, 0) => usize::MAX,
            (true, most) => most,
        }
    }
}

impl Done {
    fn failed(problem: Problem) -> Self {
        Self { verdict: Verdict { problems: vec![problem], ..Verdict::default() }, ..Self::default() }
    }
}

/// Leaves a patch as it is and says so: what it does not hold stands in its base.
fn pass_over(input: &Input, seen: Seen) -> Done {
    let read = || input.read().map(File::parse);
    let mut verdict = match seen {
        Seen::Settled(done) => Verdict { found: Vec::new(), ..done.verdict },
        Seen::Kept(file) => survey(input, &file),
        Seen::Dropped => match read() {
            Ok(file) => survey(input, &file),
            Err(problem) => return Done::failed(problem),
        },
    };
    let skipped = |document| Skipped { file: input.name.as_str().into(), document, reason: REASON.to_owned() };
    verdict.skipped.extend((0..std::mem::take(&mut verdict.documents)).map(skipped));
    Done { verdict, ..Done::default() }
}

/// Puts the outcomes together, in the order of the inputs.
fn collect(gathered: Gathered, done: Vec<Done>) -> Report {
    let mut report = Report { problems: gathered.problems, ..Report::default() };
    for (input, done) in gathered.inputs.iter().zip(done) {
        let Done { verdict, fixed, output, changed, note } = done;
        report.summary.files += usize::from(verdict.counts());
        report.summary.documents += verdict.documents;
        report.summary.fixed += fixed;
        report.summary.changed += usize::from(changed);
        if input.named && !verdict.counts() {
            let name = if input.name == "-" { "stdin" } else { &input.name };
            report.notes.push(format!("{name}: holds no Kubernetes manifest"));
        }
        report.findings.extend(verdict.found);
        report.problems.extend(verdict.problems);
        report.skipped.extend(verdict.skipped);
        report.output.extend(output);
        report.notes.extend(note);
    }
    if report.summary.documents == 0 && report.notes.is_empty() && report.problems.is_empty() {
        report.notes.push("no Kubernetes manifests found".to_owned());
    }
    for found in &report.findings {
        let Summary { error, warning, advice, .. } = &mut report.summary;
        *match found.severity {
            Severity::Error => error,
            Severity::Warning => warning,
            Severity::Advice => advice,
        } += 1;
    }
    report
}

/// Writes output and reports, and says with which code to leave.
fn deliver(report: &Report, args: &LintArgs, colour: crate::Colour, session: &mut Session) -> Outcome {
    for output in &report.output {
        session.stdout.write_all(output.as_bytes())?;
    }
    session.stdout.flush()?;
    // Where stdout carries text, be it a diff or the repaired stdin, the report must not be in between.
    let carries_text = args.repairs() && (args.diff || !report.output.is_empty());
    report.deliver(args, carries_text, colour, session)?;
    let least = match args.fail_on {
        FailOn::Error => Some(Severity::Error),
        FailOn::Warning => Some(Severity::Warning),
        FailOn::Advice => Some(Severity::Advice),
        FailOn::Never => None,
    };
    let found = least.is_some_and(|least| report.findings.iter().any(|found| found.severity >= least));
    let to_repair = args.diff && least.is_some() && report.summary.changed > 0;
    Ok(match (report.problems.is_empty(), found || to_repair) {
        (false, _) => FAILED,
        (true, true) => FOUND,
        (true, false) => CLEAN,
    })
}
