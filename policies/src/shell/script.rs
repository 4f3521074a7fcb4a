//! The commands of a shell script, as far as their words follow from its text: quotes, lists, comments, redirections,
//! assignments and variables. Loops and conditions are read straight through, what they assign counts as unknown.

use std::borrow::Cow;
use std::collections::HashSet;
use std::iter::Peekable;
use std::str::Chars;

use super::{Command, Environment, Word, is_assignment_name};

/// Words behind which assignments stand as arguments.
const DECLARES: [&str; 5] = ["export", "declare", "typeset", "local", "readonly"];

/// The commands of `script`, called with `parameters` (the first is `$0`).
pub(super) fn commands<'a>(script: &str, parameters: &[Word<'a>], environment: &Environment<'a>) -> Vec<Command<'a>> {
    let mut reader = Reader {
        signs: script.chars().peekable(),
        parameters: Some(parameters),
        environment: environment.clone(),
        prefixes: Vec::new(),
        exports_all: false,
        functions: HashSet::new(),
        frames: Vec::new(),
        function: false,
        chain: None,
        depth: 0,
        cases: 0,
        piped: false,
        heads: false,
        case_head: false,
        subshells: 0,
        bodies: 0,
        many: false,
        stopped: false,
        doubtful: false,
        done: Vec::new(),
        command: Command::default(),
        word: None,
        bare: false,
        skip_word: false,
        guarded: false,
        documents: Vec::new(),
    };
    reader.read();
    reader.done
}

struct Reader<'s, 'a> {
    signs: Peekable<Chars<'s>>,
    /// What `$@` stands for; `None` when the script itself has changed it.
    parameters: Option<&'s [Word<'a>]>,
    /// The container's variables and what the script made of them so far.
    environment: Environment<'a>,
    /// The assignments before the program of this command: they are for the program alone.
    prefixes: Vec<(String, Option<String>)>,
    /// Whether each assignment is an export (`set -a`).
    exports_all: bool,
    /// The functions of the script, which may do anything when called.
    functions: HashSet<String>,
    /// The brackets and braces that are open.
    frames: Vec<Frame<'a>>,
    /// Whether the next group is the body of a function.
    function: bool,
    /// The variables as they were before the first `&&` of the list.
    chain: Option<Environment<'a>>,
    /// How many conditions and loops are open.
    depth: usize,
    /// How many `case` are open, in which a closing bracket ends a pattern.
    cases: usize,
    /// Whether the command gets its input from another, for which it runs in a shell of its own.
    piped: bool,
    /// Whether the words are those behind `for`, and no program.
    heads: bool,
    /// Whether the words are those behind `case`.
    case_head: bool,
    /// How many of the frames are shells of their own.
    subshells: usize,
    /// How many of the frames are bodies of functions.
    bodies: usize,
    /// Whether the word stands for any number of words, quoted or not.
    many: bool,
    /// Whether nothing behind is reached: `exec` and `exit` do not come back.
    stopped: bool,
    /// Whether an `exec` under a condition may have ended the script.
    doubtful: bool,
    done: Vec<Command<'a>>,
    command: Command<'a>,
    /// The word that is being read.
    word: Option<Word<'a>>,
    /// Whether the word holds an unknown value outside quotes, which may be several words.
    bare: bool,
    /// Whether the next word belongs to a redirection.
    skip_word: bool,
    /// Whether what follows runs only if what stands before it allows: behind a test and `&&`, or behind `||`.
    guarded: bool,
    /// The ends of the documents (`<<EOF`) that begin with the next line.
    documents: Vec<String>,
}

/// A group that is open, with what held outside it.
struct Frame<'a> {
    /// Whether it is a shell of its own, as brackets are and braces are not.
    subshell: bool,
    function: bool,
    environment: Environment<'a>,
    depth: usize,
    cases: usize,
    guarded: bool,
    chain: Option<Environment<'a>>,
}

/// What ends a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    List,
    And,
    Or,
    Pipe,
    Background,
}

impl<'a> Reader<'_, 'a> {
    fn read(&mut self) {
        while !self.stopped
            && let Some(sign) = self.signs.next()
        {
            match sign {
                '\'' => {
                    let text: String = self.signs.by_ref().take_while(|sign| *sign != '\'').collect();
                    self.push(&text, true);
                }
                '"' => self.double_quoted(),
                '\\' => match self.signs.next() {
                    Some('\n') | None => {}
                    Some(other) => self.push(other.encode_utf8(&mut [0; 4]), true),
                },
                '$' => self.dollar(false),
                '`' => {
                    let text: String = self.signs.by_ref().take_while(|sign| *sign != '`').collect();
                    self.push(&format!("`{text}`"), false);
                    self.bare = true;
                }
                '#' if self.word.is_none() => while self.signs.next_if(|sign| *sign != '\n').is_some() {},
                '&' if self.signs.peek() == Some(&'>') => self.redirect(),
                '\n' => {
                    self.end_command(End::List);
                    self.skip_documents();
                }
                '&' if self.signs.next_if_eq(&'&').is_some() => self.end_command(End::And),
                '|' if self.signs.next_if_eq(&'|').is_some() => self.end_command(End::Or),
                '&' => self.end_command(End::Background),
                '|' => {
                    self.signs.next_if_eq(&'&');
                    self.end_command(End::Pipe);
                }
                ';' => self.end_command(End::List),
                '(' => self.open_bracket(),
                ')' => self.close_bracket(),
                '<' if self.signs.next_if_eq(&'<').is_some() => self.document(),
                '<' if self.placeholder() => {}
                '<' | '>' => self.redirect(),
                sign if sign.is_whitespace() => self.end_word(),
                sign => self.push(sign.encode_utf8(&mut [0; 4]), true),
            }
        }
        if !self.stopped {
            self.end_command(End::List);
        }
    }

    fn open_bracket(&mut self) {
        if self.in_assignment() {
            self.array();
        } else if self.command.words.is_empty() && self.word.is_none() && self.signs.next_if_eq(&'(').is_some() {
            // Arithmetic may set each variable that it names.
            let mut text = String::new();
            for sign in self.signs.by_ref() {
                if sign == ')' && text.ends_with(')') {
                    break;
                }
                text.push(sign);
            }
            self.forget_names(&text);
        } else if self.signs.next_if_eq(&')').is_some() {
            self.end_word();
            if let Some(name) = self.command.words.pop() {
                self.functions.insert(name.text.into_owned());
            }
            self.command = Command::default();
            self.function = true;
        } else {
            self.end_word();
            // What stands before a bracket and is no function is an error to a shell too.
            if !self.command.words.is_empty() || !self.prefixes.is_empty() {
                self.end_command(End::List);
            }
            self.open(true);
        }
    }

    fn close_bracket(&mut self) {
        let pattern = self.cases > self.frames.last().map_or(0, |frame| frame.cases);
        self.end_command(End::List);
        if !pattern && self.subshells > 0 {
            while let Some(frame) = self.frames.pop() {
                let last = frame.subshell;
                self.close(frame);
                if last {
                    break;
                }
            }
        }
    }

    fn open(&mut self, subshell: bool) {
        let function = std::mem::take(&mut self.function);
        let frame = Frame {
            subshell,
            function,
            environment: self.environment.clone(),
            depth: self.depth,
            cases: self.cases,
            guarded: self.guarded,
            chain: self.chain.take(),
        };
        // What holds for the group holds for each command in it.
        if function || self.guarded || self.piped {
            self.depth += 1;
        }
        self.guarded = false;
        self.piped = false;
        self.subshells += usize::from(subshell);
        self.bodies += usize::from(function);
        self.frames.push(frame);
    }

    fn close(&mut self, frame: Frame<'a>) {
        self.depth = frame.depth;
        self.cases = frame.cases;
        self.guarded = frame.guarded;
        self.chain = frame.chain;
        self.subshells = self.subshells.saturating_sub(usize::from(frame.subshell));
        self.bodies = self.bodies.saturating_sub(usize::from(frame.function));
        if frame.subshell {
            self.environment = frame.environment;
        } else {
            // A pipe or an ampersand may follow, with which the group was a shell of its own.
            self.environment.forget_since(&frame.environment);
        }
    }

    /// Whether the word that is being read is `NAME=` so far, or `NAME=` with a part of its value.
    fn in_assignment(&self) -> bool {
        let place = self.command.words.first().is_none_or(|word| DECLARES.contains(&word.text.as_ref()));
        place && !self.skip_word && self.word.as_ref().is_some_and(|word| split_assignment(&word.text).is_some())
    }

    /// Takes `(…)` behind `NAME=`: many values, none of which is looked at.
    fn array(&mut self) {
        let mut open = 1_usize;
        while let Some(sign) = self.signs.next() {
            match sign {
                '(' => open += 1,
                ')' => open -= 1,
                '\\' => {
                    self.signs.next();
                }
                '\'' | '"' => {
                    while let Some(inner) = self.signs.next_if(|inner| *inner != sign) {
                        if inner == '\\' && sign == '"' {
                            self.signs.next();
                        }
                    }
                    self.signs.next();
                }
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
        self.push("", false);
    }

    /// Makes the variables that a text names unknown.
    fn forget_names(&mut self, text: &str) {
        for name in text.split(|sign| !is_name(sign)).filter(|name| name.starts_with(|first| !is_digit(first))) {
            self.environment.forget(name);
        }
    }

    fn push(&mut self, text: &str, known: bool) {
        let word = self.word.get_or_insert_with(|| Word { text: Cow::Owned(String::new()), known: true });
        word.text.to_mut().push_str(text);
        word.known &= known;
    }

    fn double_quoted(&mut self) {
        if self.parameters_follow() {
            return;
        }
        self.push("", true);
        while let Some(sign) = self.signs.next() {
            match sign {
                '"' => return,
                '\\' => match self.signs.next() {
                    Some('\n') | None => {}
                    Some(other @ ('"' | '\\' | '$' | '`')) => self.push(other.encode_utf8(&mut [0; 4]), true),
                    Some(other) => {
                        self.push("\\", true);
                        self.push(other.encode_utf8(&mut [0; 4]), true);
                    }
                },
                '$' => self.dollar(true),
                '`' => {
                    let text: String = self.signs.by_ref().take_while(|sign| *sign != '`').collect();
                    self.push(&format!("`{text}`"), false);
                }
                other => self.push(other.encode_utf8(&mut [0; 4]), true),
            }
        }
    }

    /// Takes `$@"` behind the opening quote as the words that the script was called with.
    fn parameters_follow(&mut self) -> bool {
        let mut ahead = self.signs.clone();
        let all = ["$@\"", "${@}\""].iter().find(|text| {
            let mut ahead = ahead.clone();
            text.chars().all(|sign| ahead.next() == Some(sign))
        });
        let Some(all) = all else { return false };
        for _ in all.chars() {
            ahead.next();
        }
        self.signs = ahead;
        self.add_parameters();
        true
    }

    fn add_parameters(&mut self) {
        self.end_word();
        for word in self.parameters.unwrap_or_default().iter().skip(1) {
            if !self.environment.budget().word(word.text.len()) {
                break;
            }
            self.command.words.push(word.clone());
        }
        if self.parameters.is_none() || self.bodies > 0 {
            self.command.hidden = Some("$@".to_owned());
        }
    }

    fn dollar(&mut self, quoted: bool) {
        match self.signs.peek().copied() {
            Some('(') => {
                let text = self.substitution();
                // Arithmetic is the one substitution that may change the variables of the shell that holds it.
                if text.starts_with("$((") && (text.contains('=') || text.contains("++") || text.contains("--")) {
                    self.forget_names(&text);
                }
                self.push(&text, false);
                self.bare |= !quoted;
            }
            Some('{') => {
                self.signs.next();
                let text: String = self.signs.by_ref().take_while(|sign| *sign != '}').collect();
                if text.chars().all(is_name) && !text.is_empty() && !text.starts_with(is_digit) {
                    self.variable(&text, quoted);
                } else if text == "@" && !quoted {
                    self.add_parameters();
                } else {
                    if let Some((name, _)) = text.split_once('=') {
                        self.forget_names(name);
                    }
                    // Arrays and parameters are words of their own even in quotes, and a text that begins like a flag
                    // is one.
                    let flag = text.find(['-', '+']).is_some_and(|sign| text[sign + 1..].trim_start().starts_with('-'));
                    self.many |= text.contains("[@]") || text.starts_with('@') || flag;
                    self.push(&format!("${{{text}}}"), false);
                    self.bare |= !quoted;
                }
            }
            Some('@' | '*') if !quoted => {
                self.signs.next();
                self.add_parameters();
            }
            Some(sign) if is_name(sign) && !is_digit(sign) => {
                let mut name = String::new();
                while let Some(sign) = self.signs.next_if(|sign| is_name(*sign)) {
                    name.push(sign);
                }
                self.variable(&name, quoted);
            }
            Some(sign) if !sign.is_whitespace() && !matches!(sign, '"' | '\'' | '/' | ';' | '&' | '|' | ')') => {
                self.signs.next();
                self.many |= sign == '@';
                self.push(&format!("${sign}"), false);
                self.bare |= !quoted;
            }
            _ => self.push("$", true),
        }
    }

    /// `$( … )` as it is written, with what is nested in it.
    fn substitution(&mut self) -> String {
        let (mut text, mut open) = (String::from("$"), 0_usize);
        for sign in self.signs.by_ref() {
            text.push(sign);
            match sign {
                '(' => open += 1,
                ')' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        text
    }

    fn variable(&mut self, name: &str, quoted: bool) {
        let in_assignment = self.in_assignment();
        // Only in a row of assignments does one see those before it: the words of a command do not.
        if !self.environment.budget().word(0) {
            self.push(&format!("${name}"), false);
            self.bare |= !quoted;
            return;
        }
        let prefix = self.prefixes.iter().rev().find(|(known, _)| in_assignment && known == name);
        let value = match prefix {
            Some((_, value)) => value.clone(),
            None => self.environment.shell(name).map(str::to_owned),
        };
        let value = value.filter(|value| self.environment.budget().word(value.len()));
        // What stands behind `export` falls into words in some shells and not in others.
        let unclear = in_assignment && !quoted && !self.command.words.is_empty();
        match value {
            Some(value) if unclear && value.contains(char::is_whitespace) => self.push(&format!("${name}"), false),
            Some(value) if quoted || in_assignment => self.push(&value, true),
            // Without quotes the value falls into words at its spaces.
            Some(value) => {
                let mut parts = value.split_whitespace().peekable();
                if value.starts_with(char::is_whitespace) {
                    self.end_word();
                }
                while let Some(part) = parts.next() {
                    // A value with a pattern in it may become the names of files.
                    self.push(part, !part.contains(['*', '?', '[']));
                    if parts.peek().is_some() || value.ends_with(char::is_whitespace) {
                        self.end_word();
                    }
                    if parts.peek().is_some() && !self.environment.budget().word(0) {
                        return;
                    }
                }
            }
            None => {
                self.push(&format!("${name}"), false);
                self.bare |= !quoted && !in_assignment;
            }
        }
    }

    /// Takes `name>` behind a `<` as a word that somebody is to fill in, where nothing follows that one could redirect to.
    fn placeholder(&mut self) -> bool {
        let mut ahead = self.signs.clone();
        let mut name = String::new();
        while let Some(sign) = ahead.next_if(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_')) {
            name.push(sign);
        }
        if self.word.is_some() || name.is_empty() || ahead.next() != Some('>') {
            return false;
        }
        while ahead.next_if(|sign| matches!(sign, ' ' | '\t')).is_some() {}
        let ends = match ahead.next() {
            None | Some('\n' | ';' | '&' | '|') => true,
            // A line that goes on with flags.
            Some('\\') => ahead.next() == Some('\n'),
            Some(sign) => sign == '-',
        };
        if ends {
            for _ in 0..=name.len() {
                self.signs.next();
            }
            self.push(&format!("<{name}>"), false);
        }
        ends
    }

    fn redirect(&mut self) {
        // A number right before the sign is a file descriptor and no word.
        if self.word.as_ref().is_some_and(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        while self.signs.next_if(|sign| matches!(sign, '<' | '>' | '&' | '|' | '-')).is_some() {}
        self.skip_word = true;
    }

    /// Takes the end mark of a document behind `<<`, or the word behind `<<<`.
    fn document(&mut self) {
        self.end_word();
        if self.signs.next_if_eq(&'<').is_some() {
            self.skip_word = true;
            return;
        }
        self.signs.next_if_eq(&'-');
        while self.signs.next_if(|sign| matches!(sign, ' ' | '\t')).is_some() {}
        let mut mark = String::new();
        while let Some(sign) =
            self.signs.next_if(|sign| !sign.is_whitespace() && !matches!(sign, ';' | '&' | '|' | '>'))
        {
            if !matches!(sign, '\'' | '"' | '\\') {
                mark.push(sign);
            }
        }
        self.documents.push(mark);
    }

    /// Leaves out the lines of the documents that begin here: they are text and no commands.
    fn skip_documents(&mut self) {
        for mark in std::mem::take(&mut self.documents) {
            while self.signs.peek().is_some() {
                let line: String = self.signs.by_ref().take_while(|sign| *sign != '\n').collect();
                if line.trim_start_matches('\t') == mark {
                    break;
                }
            }
        }
    }

    fn end_word(&mut self) {
        let (bare, many) = (std::mem::take(&mut self.bare), std::mem::take(&mut self.many));
        let Some(mut word) = self.word.take() else { return };
        let template = word.text.contains("{{");
        word.known &= !template;
        if std::mem::take(&mut self.skip_word) {
            return;
        }
        if self.command.words.is_empty() && (self.keyword(&word.text) || self.assignment(&word)) {
            return;
        }
        if let [function, name] = self.command.words.as_slice()
            && function.text == "function"
            && word.text == "{"
        {
            self.functions.insert(name.text.clone().into_owned());
            self.command = Command::default();
            self.function = true;
            self.open(false);
            return;
        }
        // An unknown value that is a whole word may be many, or none.
        if (template || many || bare && word.text.starts_with(['$', '`'])) && self.command.hidden.is_none() {
            let after_flag =
                self.command.words.last().is_some_and(|last| last.text.starts_with("--") && !last.text.contains('='));
            if !after_flag || many {
                self.command.hidden = Some(source(&word.text));
            }
        }
        self.command.words.push(word);
    }

    /// Takes a word of the shell itself where a command may begin.
    fn keyword(&mut self, word: &str) -> bool {
        match word {
            "if" | "while" | "until" => self.depth += 1,
            "for" | "select" => {
                self.depth += 1;
                self.heads = true;
            }
            "case" => {
                self.case_head = true;
                self.depth += 1;
                self.cases += 1;
            }
            "esac" => {
                self.depth = self.depth.saturating_sub(1);
                self.cases = self.cases.saturating_sub(1);
            }
            "fi" | "done" => self.depth = self.depth.saturating_sub(1),
            "{" => self.open(false),
            "}" => {
                if let Some(frame) = self.frames.pop_if(|frame| !frame.subshell) {
                    self.close(frame);
                }
            }
            "then" | "else" | "elif" | "do" | "!" => {}
            _ => return false,
        }
        true
    }

    /// Takes `NAME=value` before a program.
    fn assignment(&mut self, word: &Word<'a>) -> bool {
        let Some((name, value, whole)) = split_assignment(&word.text) else { return false };
        self.prefixes.push((name.to_owned(), (word.known && whole).then(|| value.to_owned())));
        true
    }

    fn end_command(&mut self, end: End) {
        self.end_word();
        self.skip_word = false;
        let mut command = std::mem::take(&mut self.command);
        let prefixes = std::mem::take(&mut self.prefixes);
        let sure = self.depth == 0 && !self.guarded && !self.doubtful;
        let own_shell = self.piped || matches!(end, End::Pipe | End::Background);
        command.conditional = !sure;
        let (heads, case_head) = (std::mem::take(&mut self.heads), std::mem::take(&mut self.case_head));
        let test = command.words.first().is_some_and(|word| matches!(word.text.as_ref(), "[" | "[[" | "test"));
        if command.words.is_empty() {
            for (name, value) in prefixes {
                self.set(&name, value.filter(|_| sure && !own_shell), self.exports_all);
            }
        } else if heads {
            self.environment.forget(&command.words[0].text);
        } else {
            command.environment = self.environment.clone();
            for (name, value) in prefixes {
                command.environment.export(&name, value);
            }
            if !case_head {
                self.effect(&command, sure, own_shell);
            }
            self.done.push(command);
        }
        match end {
            End::And => {
                if self.chain.is_none() {
                    self.chain = Some(self.environment.clone());
                }
                self.guarded |= test;
            }
            End::Pipe => {}
            End::Or | End::List | End::Background => {
                if let Some(mark) = self.chain.take() {
                    self.environment.forget_since(&mark);
                }
                self.guarded = end == End::Or;
            }
        }
        self.piped = end == End::Pipe;
    }

    fn set(&mut self, name: &str, value: Option<String>, export: bool) {
        match export {
            true => self.environment.export(name, value),
            false => self.environment.assign(name, value),
        }
    }

    /// What a command does to the shell that runs it.
    fn effect(&mut self, command: &Command<'a>, certain: bool, own_shell: bool) {
        let sure = certain && !own_shell;
        let all: Vec<&Word<'a>> = command.words.iter().collect();
        let skipped = all.iter().take_while(|word| matches!(word.text.as_ref(), "builtin" | "command")).count();
        let [program, rest @ ..] = &all[skipped..] else { return };
        match program.text.as_ref() {
            "export" | "declare" | "typeset" | "local" | "readonly" => self.declare(&program.text, rest, sure),
            "read" | "mapfile" | "readarray" | "getopts" | "unset" | "let" => {
                for word in rest {
                    match word.known {
                        true => self.forget_names(&word.text),
                        false => self.environment.forget_all(),
                    }
                }
            }
            "printf" | "wait" => {
                for pair in rest.windows(2).filter(|pair| matches!(pair[0].text.as_ref(), "-v" | "-p")) {
                    self.forget_names(&pair[1].text);
                }
            }
            "eval" | "." | "source" => self.forget_everything(),
            "shift" => self.parameters = None,
            "set" => self.options(rest),
            "exit" => self.stopped = sure && self.frames.is_empty(),
            "exec" if !rest.is_empty() => {
                self.stopped = sure && self.frames.is_empty();
                self.doubtful |= !self.stopped && !own_shell && self.subshells == 0;
            }
            "function" => {
                if let Some(name) = rest.first() {
                    self.functions.insert(name.text.clone().into_owned());
                    self.function = true;
                }
            }
            name if self.functions.contains(name) => self.forget_everything(),
            _ => {}
        }
        // A program whose name is not known may be `eval` or a function.
        if !program.known {
            self.forget_everything();
        }
    }

    fn forget_everything(&mut self) {
        self.environment.forget_all();
        self.parameters = None;
    }

    fn declare(&mut self, program: &str, words: &[&Word<'a>], sure: bool) {
        let plain = !words.iter().any(|word| word.text.starts_with(['-', '+']) && word.text != "--");
        for word in words.iter().filter(|word| !word.text.starts_with(['-', '+'])) {
            match split_assignment(&word.text) {
                Some((name, value, whole)) => {
                    let known = sure && word.known && whole && (plain || program == "readonly");
                    let value = known.then(|| value.to_owned());
                    self.set(name, value, program == "export" || self.exports_all);
                }
                None if !word.known => self.environment.forget_all(),
                None if program == "export" && plain && sure => {
                    let value = self.environment.shell(&word.text).map(str::to_owned);
                    let value = value.filter(|value| self.environment.budget().word(value.len()));
                    self.environment.export(&word.text, value);
                }
                None => self.environment.forget(&word.text),
            }
        }
    }

    /// Takes the words behind `set`.
    fn options(&mut self, words: &[&Word<'a>]) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_ref();
            if !text.starts_with(['-', '+']) || text == "--" || text == "-" || !word.known {
                self.parameters = None;
                return;
            }
            let all = match text.ends_with('o') {
                true => words.next().is_some_and(|option| option.text == "allexport"),
                false => text.contains('a'),
            };
            // With `+a` those before it stay exported, and what is exported more than said does no harm here.
            self.exports_all |= all;
        }
    }
}

/// Name and value of `NAME=value`, and whether that is all of its value: not so of `NAME+=value` and `NAME[0]=value`.
fn split_assignment(word: &str) -> Option<(&str, &str, bool)> {
    // No name is longer, and the words of a script may be long.
    let equals = word.bytes().take(256).position(|byte| byte == b'=')?;
    let (name, value) = (&word[..equals], &word[equals + 1..]);
    let bare = name.strip_suffix('+').unwrap_or(name);
    let bare = if bare.ends_with(']') { bare.split('[').next().unwrap_or(bare) } else { bare };
    is_assignment_name(bare).then_some((bare, value, bare.len() == name.len()))
}

/// Where a word comes from that is not known, told without the text, which may hold secrets.
fn source(text: &str) -> String {
    if text.contains("{{") {
        return "a template".to_owned();
    }
    let Some(rest) = text.strip_prefix('$') else { return "a command substitution".to_owned() };
    if rest.starts_with('(') {
        return "a command substitution".to_owned();
    }
    let rest = rest.trim_start_matches('{');
    let end = rest.find(|sign| !is_name(sign)).unwrap_or(rest.len());
    match &rest[..end] {
        "" => "$@".to_owned(),
        name => format!("${name}"),
    }
}

fn is_digit(sign: char) -> bool {
    sign.is_ascii_digit()
}

fn is_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}
