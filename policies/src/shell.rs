//! What a container runs: `command` and `args` as the words that the program gets, with `$(VAR)` resolved as the kubelet
//! does and `sh -c "…"` taken apart by the rules of the shell.
//!
//! What cannot be told (a variable that is not in the container, a command substitution, the braces of a template) is
//! kept as it is written and marked as unknown, so that nobody takes it for a value.

mod environment;
mod script;

use std::borrow::Cow;

pub(crate) use environment::POD_ADDRESS;
pub use environment::{Environment, Setting};

/// One word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The text; what could not be resolved stands in it as written.
    pub text: Cow<'a, str>,
    /// Whether all of it is known.
    pub known: bool,
}

/// One program and its arguments.
#[derive(Clone, Debug, Default)]
pub struct Command<'a> {
    /// The program and its arguments.
    pub words: Vec<Word<'a>>,
    /// The variables that it gets.
    pub environment: Environment<'a>,
    /// What stands among the words for any number of arguments that are not known: a variable, or what else it is. It is
    /// fit to be shown.
    pub hidden: Option<String>,
    /// Whether a script runs it only under a condition, in a loop or when another command fails.
    pub conditional: bool,
}

/// All that a container runs.
#[derive(Clone, Debug, Default)]
pub struct CommandLine<'a> {
    /// The programs in the order in which they are written: one, or those of a shell script.
    pub commands: Vec<Command<'a>>,
    /// Whether the container says the program, and does not leave it to the image.
    pub has_program: bool,
    program: Option<String>,
}

/// What a flag is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag<'a> {
    /// It stands there without a value.
    Bare,
    /// To this value.
    Set(&'a str),
    /// To a value that is not known here; the text as written.
    Unknown(&'a str),
}

/// As many words of a command are looked at. Longer ones are met in nothing but attacks.
const MOST_WORDS: usize = 2_000;

/// As many programs that start each other are followed.
const MOST_WRAPPERS: usize = 32;

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Programs that start another one, which stands behind their own flags.
const WRAPPERS: [&str; 44] = [
    "exec",
    "nohup",
    "time",
    "env",
    "sudo",
    "tini",
    "tini-static",
    "dumb-init",
    "catatonit",
    "numactl",
    "stdbuf",
    "timeout",
    "nice",
    "ionice",
    "taskset",
    "setpriv",
    "gosu",
    "su-exec",
    "unbuffer",
    "command",
    "uv",
    "poetry",
    "pipenv",
    "conda",
    "micromamba",
    "opentelemetry-instrument",
    "ddtrace-run",
    "nsys",
    "ld-linux-x86-64.so.2",
    "nvidia_entrypoint.sh",
    "entrypoint.sh",
    "docker-entrypoint.sh",
    "python",
    "python3",
    "run",
    "launcher",
    "s6-setuidgid",
    "pdm",
    "profile",
    "setsid",
    "runuser",
    "builtin",
    "trtllm-llmapi-launch",
    "dockerd-entrypoint.sh",
];

/// Wrappers whose first word without a dash is a user and not the program.
const USER_FIRST: [&str; 3] = ["gosu", "su-exec", "s6-setuidgid"];

/// Programs whose arguments are texts and names, not programs.
const INERT: [&str; 22] = [
    "echo", "printf", "pip", "pip3", "apt-get", "apt", "apk", "grep", "pkill", "pgrep", "kill", "which", "ls", "cat",
    "cd", "mkdir", "rm", "cp", "mv", "test", "[", "chmod",
];

impl<'a> CommandLine<'a> {
    /// What a container with this `command`, `args` and environment runs.
    pub fn of(command: &[Cow<'a, str>], args: &[Cow<'a, str>], environment: &Environment<'a>) -> Self {
        let words: Vec<Word<'a>> = command.iter().chain(args).map(|word| environment.expand(word)).collect();
        let has_program = !command.is_empty();
        let Some(first) = words.first() else {
            return Self { has_program, ..Self::default() };
        };
        // A whole line in one word, or what a variable holds, is no name of a program that one may show.
        let written = command.first().map(Cow::as_ref).unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        let program = (first.known && written.bytes().all(plain)).then(|| basename(written).to_owned());
        let mut commands = Vec::new();
        let whole = Command { words, environment: environment.clone(), ..Command::default() };
        let shell = unwrap_shell(whole, 0, &mut commands);
        let spent = environment.budget().is_spent();
        for command in &mut commands {
            command.apply_env();
            if command.words.len() > MOST_WORDS {
                command.words.truncate(MOST_WORDS);
                command.hidden = Some("more words than are looked at".to_owned());
            }
            if spent {
                command.hidden = Some("variables that grow beyond all measure".to_owned());
            }
        }
        Self { commands, has_program, program: program.filter(|_| !shell) }
    }

    /// Whether nothing is written: the image decides all.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The last part of the program's path, for messages; `None` when a script or a variable holds it, whose text may be
    /// secret.
    pub(crate) fn program(&self) -> Option<&str> {
        self.program.as_deref()
    }
}

/// Adds `command` to `found` or, when it is a shell with a script, the commands of the script; whether it is one.
fn unwrap_shell<'a>(mut command: Command<'a>, depth: usize, found: &mut Vec<Command<'a>>) -> bool {
    // Nobody nests shells deeper than this, and text from outside must not decide how deep we go.
    if depth < 4
        && let Some((script, parameters)) = script_of(&command)
    {
        command.apply_env();
        // What the kubelet could not resolve looks to the reader like a command substitution: unknown all the same.
        for mut inner in script::commands(&script.text, &parameters, &command.environment) {
            inner.conditional |= command.conditional;
            inner.hidden = inner.hidden.or_else(|| command.hidden.clone());
            unwrap_shell(inner, depth + 1, found);
        }
        return true;
    }
    found.push(command);
    false
}

/// The script of `sh -c script`, perhaps behind wrappers, and the words that follow it.
fn script_of<'a>(command: &Command<'a>) -> Option<(Word<'a>, Vec<Word<'a>>)> {
    let words = &command.words;
    let shell = command.programs().find(|at| SHELLS.contains(&basename(&words[*at].text)))?;
    let mut at = shell + 1;
    while let Some(option) = words.get(at).map(|word| word.text.as_ref()) {
        if !option.starts_with(['-', '+']) || option == "--" {
            return None;
        }
        at += 1;
        if option.starts_with("--") {
            continue;
        }
        if option.contains('c') {
            // `bash -lc -- script` ends the options first.
            at += usize::from(words.get(at).is_some_and(|word| word.text == "--"));
            let mut rest = words[at..].iter().cloned();
            return rest.next().map(|script| (script, rest.collect()));
        }
        if option.ends_with('o') {
            at += 1;
        }
    }
    None
}

/// The part of a path behind its last slash; a flag is no path.
pub(crate) fn basename(word: &str) -> &str {
    if word.starts_with('-') {
        return word;
    }
    word.rfind('/').map_or(word, |slash| &word[slash + 1..])
}

impl<'a> Command<'a> {
    /// The positions at which the program may stand: the first and, behind wrappers, those that follow them. The word
    /// behind a wrapper's flag may be the flag's value or the program.
    pub(crate) fn programs(&self) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let mut next = (!self.words.is_empty()).then_some(0);
        let mut user = false;
        std::iter::from_fn(move || {
            let here = next?;
            next = None;
            let text = |at: usize| self.words.get(at).map(|word| word.text.as_ref());
            let name = basename(text(here)?);
            let after_flag = here > 0
                && text(here - 1).is_some_and(|flag| flag.starts_with('-') && flag != "--" && !flag.contains('='))
                && name != "-m";
            if WRAPPERS.contains(&name) || std::mem::take(&mut user) || after_flag {
                let mut at = here + 1;
                while text(at).is_some_and(is_wrapper_argument) && text(at - 1) != Some("-c") {
                    at += 1;
                }
                user = USER_FIRST.contains(&name);
                // The text behind `-c` is code, and the words behind that are its own.
                let code = text(at - 1) == Some("-c") && name.starts_with("python");
                next = (at < self.words.len() && !code).then_some(at);
            }
            Some(here)
        })
        .take(MOST_WRAPPERS)
    }

    /// Puts the assignments between `env` and its program into the environment.
    fn apply_env(&mut self) {
        let mut environment = self.environment.clone();
        let programs: Vec<usize> = self.programs().collect();
        for (number, at) in programs.iter().enumerate() {
            match basename(&self.words[*at].text) {
                "sudo" => environment.forget_all(),
                "env" => {
                    let end = programs.get(number + 1).copied().unwrap_or(self.words.len());
                    for word in &self.words[at + 1..end] {
                        match word.text.split_once('=') {
                            Some((name, value)) if !name.starts_with('-') => {
                                environment.export(name, word.known.then(|| value.to_owned()));
                            }
                            // `-i` and `-u` take variables away, which leaves the program's defaults or the image's.
                            _ if word.text != "--" => environment.forget_all(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        self.environment = environment;
    }

    /// Whether the words are arguments of a program that only shows, installs or looks for things.
    pub(crate) fn is_inert(&self) -> bool {
        self.words.first().is_some_and(|word| INERT.contains(&basename(&word.text)))
    }

    /// Where the words of `phrase` stand in a row, told by the position after them. The first must be the program, perhaps
    /// behind a directory: what stands among the arguments of another program is that program's to run, elsewhere or not
    /// at all.
    pub(crate) fn find(&self, phrase: &[String]) -> Option<(usize, usize)> {
        if self.is_inert() {
            return None;
        }
        let (first, rest) = phrase.split_first()?;
        self.programs()
            .filter(|at| same_word(first, basename(&self.words[*at].text)))
            .find_map(|at| self.follows(at + 1, rest).map(|after| (at, after)))
    }

    /// Whether `phrase` follows from `at` on, where `...` stands for any words; the position after it.
    fn follows(&self, mut at: usize, phrase: &[String]) -> Option<usize> {
        let words = &self.words[..self.words.len().min(MOST_WORDS)];
        for (number, part) in phrase.split(|word| word == "...").enumerate() {
            let fits = |start: usize| {
                words.get(start..).is_some_and(|words| {
                    words.len() >= part.len()
                        && part.iter().zip(words).all(|(pattern, word)| {
                            let text = word.text.as_ref();
                            let flag = pattern.starts_with("--");
                            same_word(pattern, if flag { text.split('=').next().unwrap_or(text) } else { text })
                        })
                })
            };
            // Only behind a gap may words be left out. The first place that fits leaves the most for the parts behind it.
            let start = if number == 0 { fits(at).then_some(at) } else { (at..=words.len()).find(|at| fits(*at)) };
            at = start? + part.len();
        }
        Some(at)
    }

    /// What the flag `name` is set to, where it stands last. Dashes and underscores within are alike.
    pub fn flag(&self, name: &str) -> Option<Flag<'_>> {
        self.any_flag(&[name]).map(|(_, flag)| flag)
    }

    /// What the last of these flags, all of them names of one setting, is set to, and the name that it has there.
    pub fn any_flag<'n, N: AsRef<str>>(&self, names: &'n [N]) -> Option<(&'n str, Flag<'_>)> {
        if names.is_empty() {
            return None;
        }
        for (at, word) in self.words.iter().enumerate().rev() {
            let (written, value) = match word.text.split_once('=') {
                Some((written, value)) if written.starts_with('-') => (written, Some(value)),
                _ => (word.text.as_ref(), None),
            };
            let Some(name) = names.iter().map(AsRef::as_ref).find(|name| same_flag(written, name)) else { continue };
            let flag = match value {
                Some(value) if word.known => Flag::Set(value),
                Some(value) => Flag::Unknown(value),
                None => match self.words.get(at + 1) {
                    Some(next) if is_value(&next.text) => {
                        if next.known {
                            Flag::Set(&next.text)
                        } else {
                            Flag::Unknown(&next.text)
                        }
                    }
                    _ => Flag::Bare,
                },
            };
            return Some((name, flag));
        }
        None
    }
}

/// Whether a word may be the name of a variable.
fn is_assignment_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a word behind a wrapper is its own: a flag, a number, a core list, an assignment, `run`, or a user.
fn is_wrapper_argument(word: &str) -> bool {
    word.starts_with('-') && word != "-m"
        || word.starts_with(|first: char| first.is_ascii_digit())
        || !word.starts_with('/') && word.contains('=')
}

/// Whether a word behind a flag is its value and not the next flag: negative numbers are values.
fn is_value(word: &str) -> bool {
    match word.strip_prefix('-') {
        Some(rest) => rest.starts_with(|first: char| first.is_ascii_digit()),
        None => true,
    }
}

/// Whether two flags are the same, dashes and underscores taken as one behind the first two signs.
fn same_flag(written: &str, name: &str) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    written.len() == name.len() && written.starts_with('-') && written.bytes().map(dash).eq(name.bytes().map(dash))
}

/// Whether a word of a phrase, which may hold `*`, fits a word of a command.
fn same_word(pattern: &str, word: &str) -> bool {
    if pattern.contains('*') { fast_glob::glob_match(pattern, word) } else { pattern == word }
}

#[cfg(test)]
mod tests;
