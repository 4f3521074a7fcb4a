//! The command line: what can be typed, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const ABOUT: &str = "Finds and repairs what is wrong with Kubernetes manifests that run AI";

const LONG_ABOUT: &str = "\
Finds and repairs what is wrong with Kubernetes manifests that run AI: missing probes, budgets, tolerations and \
requests, unsafe security contexts, images that float, secrets in clear text.

The rules are those of the Buttress admission webhook, so that what is clean here is admitted there.";

const EXAMPLES: &str = "\
Examples:
  buttress lint                      judge the manifests below the working directory
  buttress lint --fix deploy/        repair them in place
  buttress explain missing-startup-probe
  kubectl get deploy llm -o yaml | buttress lint -

Exit codes:
  0  nothing at or above --fail-on is left
  1  findings are left
  2  the work could not be done: unreadable input, bad flags, bad Policy";

const LINT_EXAMPLES: &str = "\
Examples:
  buttress lint                                  all of the working directory
  buttress lint deploy.yaml k8s/                 a file and a folder
  helm template chart/ | buttress lint -         what comes in by stdin
  buttress lint --fix                            make the safe repairs
  buttress lint --diff --unsafe-fixes            show all repairs, write nothing
  buttress lint --select security,missing-startup-probe
  buttress lint --format json=report.json --format pretty

What is read:
  Folders give their *.yaml, *.yml and *.json files, except those that
  .gitignore names. A document is judged when it has an apiVersion and a kind;
  other YAML is left alone, and templates that are no YAML yet are skipped.
  Budgets and autoscalers count wherever they stand in the project: the nearest
  folder above with .git or buttress.yaml.

Exit codes:
  0  nothing at or above --fail-on is left
  1  findings are left; with --diff also: there is a repair to make
  2  the work could not be done, or not all of it: unreadable input, bad flags,
     bad Policy";

const ADMIT_EXAMPLES: &str = "\
Examples:
  buttress admit review.json             the AdmissionReview that the API server would get back
  buttress admit deploy.yaml             the object, then each of its pods as admitted
  helm template chart/ | buttress admit

What is shown:
  What the webhook would do under the Policy. Where no Policy is found: what it
  would do with `enforcement: deny`; the webhook itself only observes until a
  Policy says more. Verdicts and warnings go to stderr.

Exit codes:
  0  admitted
  1  denied
  2  the input could not be read";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "buttress",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: When,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge manifests, and repair them with --fix
    #[command(after_long_help = LINT_EXAMPLES)]
    Lint(LintArgs),
    /// Show what Buttress sees in manifests: role, runtime, accelerators, and the probes it would give
    Inspect(InspectArgs),
    /// Play the admission webhook on an AdmissionReview or on manifests
    #[command(after_long_help = ADMIT_EXAMPLES)]
    Admit(AdmitArgs),
    /// Explain a rule: why it matters, a bad and a good example
    Explain(ExplainArgs),
    /// List all rules
    Rules(RulesArgs),
    /// Print the JSON Schema of a file format
    Schema(SchemaArgs),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArgs),
}

/// `buttress lint`
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Files and folders; - for stdin
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// Make the safe repairs in place; they set what is absent and keep what you wrote
    #[arg(long, help_heading = "Repair")]
    pub(crate) fix: bool,
    /// Make also the repairs that may change behaviour or cost; implies --fix
    #[arg(long, help_heading = "Repair")]
    pub(crate) unsafe_fixes: bool,
    /// Show the repairs as a unified diff and write nothing; the report goes to stderr
    #[arg(long, help_heading = "Repair")]
    pub(crate) diff: bool,

    /// Judge by these rules and categories only
    #[arg(long, value_name = "RULE|CATEGORY", value_delimiter = ',', help_heading = "Rules")]
    pub(crate) select: Vec<String>,
    /// Leave these rules and categories out
    #[arg(long, value_name = "RULE|CATEGORY", value_delimiter = ',', help_heading = "Rules")]
    pub(crate) ignore: Vec<String>,
    /// The least severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error", help_heading = "Rules")]
    pub(crate) fail_on: FailOn,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    /// How to report: pretty, concise or json; with =FILE into a file. May be repeated [default: pretty]
    #[arg(long, value_name = "FORMAT[=FILE]", value_parser = parse_format, help_heading = "Output")]
    pub(crate) format: Vec<Format>,
    /// How many findings the pretty report shows in full; 0 for all
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Output")]
    pub(crate) max_diagnostics: usize,
    /// Findings only: no summary, notes or progress
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Say also what was skipped, and why
    #[arg(long, short, conflicts_with = "quiet", help_heading = "Output")]
    pub(crate) verbose: bool,
}

/// Which Policy is in force.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// The Policy file [default: the nearest buttress.yaml upwards from the working directory]
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub(crate) policy: Option<PathBuf>,
    /// The namespace of objects that name none
    #[arg(long, value_name = "NS", help_heading = "Rules")]
    pub(crate) namespace: Option<String>,
}

/// `buttress inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Files and folders; - for stdin
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// How to report
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(crate) format: TextOrJson,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// `buttress admit`
#[derive(Debug, Args)]
pub(crate) struct AdmitArgs {
    /// An AdmissionReview in JSON, or manifests; - for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// `buttress explain`
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The name of the rule; `buttress rules` lists them
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
}

/// `buttress rules`
#[derive(Debug, Args)]
pub(crate) struct RulesArgs {
    /// How to list
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    pub(crate) format: TextOrJson,
}

/// `buttress schema`
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of what
    #[arg(value_name = "WHAT")]
    pub(crate) what: SchemaOf,
}

/// `buttress completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The Policy document, buttress.yaml
    Policy,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The least severity that makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Broken or dangerous now
    Error,
    /// Will hurt some day
    Warning,
    /// Worth knowing
    Advice,
    /// No finding does
    Never,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Pretty,
    Concise,
    Json,
}

/// A report: its form, and the file it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) form: Form,
    pub(crate) file: Option<PathBuf>,
}

fn parse_format(text: &str) -> Result<Format, String> {
    let (name, file) = match text.split_once('=') {
        Some((_, "")) => return Err("a file name is expected after `=`".to_owned()),
        Some((name, file)) => (name, Some(PathBuf::from(file))),
        None => (text, None),
    };
    match Form::from_str(name, false) {
        Ok(form) => Ok(Format { form, file }),
        Err(_) => Err(format!("`{name}` is none of pretty, concise, json")),
    }
}

impl LintArgs {
    /// Whether repairs are computed, be it to write or to show them.
    pub(crate) fn repairs(&self) -> bool {
        self.fix || self.unsafe_fixes || self.diff
    }

    /// Whether repairs are written into the files.
    pub(crate) fn writes(&self) -> bool {
        self.repairs() && !self.diff
    }

    /// Whether one of the reports is the pretty one.
    pub(crate) fn shows_pretty(&self) -> bool {
        self.format.is_empty() || self.format.iter().any(|format| format.form == Form::Pretty)
    }
}
