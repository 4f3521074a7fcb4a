//! The commands of a shell script, as far as their words follow from its text: quotes, lists, comments, redirections,
//! assignments and variables. Loops and conditions are read straight through, what they assign counts as unknown.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use super::{Command, Environment, Setting, Word};

/// The commands of `script`, called with `parameters` (the first is `$0`).
pub(super) fn commands<'a>(script: &str, parameters: &[Word<'a>], environment: &Environment<'a>) -> Vec<Command<'a>> {
    let mut reader = Reader {
        signs: script.chars().peekable(),
        parameters,
        environment,
        assigned: Vec::new(),
        depth: 0,
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
    parameters: &'s [Word<'a>],
    environment: &'s Environment<'a>,
    /// What the script itself sets; `None` for a value that is not known.
    assigned: Vec<(String, Option<String>)>,
    /// How many conditions and loops are open.
    depth: usize,
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

impl<'a> Reader<'_, 'a> {
    fn read(&mut self) {
        while let Some(sign) = self.signs.next() {
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
                    self.end_command();
                    self.guarded = false;
                    self.skip_documents();
                }
                '&' | '|' if self.signs.next_if_eq(&sign).is_some() => {
                    let tests = self.command.words.first().map(|word| word.text.as_ref());
                    let test = matches!(tests, Some("[" | "[[" | "test"));
                    self.end_command();
                    self.guarded |= test || sign == '|';
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.end_command();
                    self.guarded = false;
                }
                '<' if self.signs.next_if_eq(&'<').is_some() => self.document(),
                '<' | '>' => self.redirect(),
                sign if sign.is_whitespace() => self.end_word(),
                sign => self.push(sign.encode_utf8(&mut [0; 4]), true),
            }
        }
        self.end_command();
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
        self.command.words.extend(self.parameters.iter().skip(1).cloned());
    }

    fn dollar(&mut self, quoted: bool) {
        match self.signs.peek().copied() {
            Some('(') => {
                let text = self.substitution();
                self.push(&text, false);
                self.bare |= !quoted;
            }
            Some('{') => {
                self.signs.next();
                let text: String = self.signs.by_ref().take_while(|sign| *sign != '}').collect();
                if text.chars().all(is_name) && !text.is_empty() {
                    self.variable(&text, quoted);
                } else if text == "@" && !quoted {
                    self.add_parameters();
                } else {
                    self.push(&format!("${{{text}}}"), false);
                    self.bare |= !quoted;
                }
            }
            Some('@' | '*') if !quoted => {
                self.signs.next();
                self.add_parameters();
            }
            Some(sign) if is_name(sign) && !sign.is_ascii_digit() => {
                let mut name = String::new();
                while let Some(sign) = self.signs.next_if(|sign| is_name(*sign)) {
                    name.push(sign);
                }
                self.variable(&name, quoted);
            }
            Some(sign) if !sign.is_whitespace() && !matches!(sign, '"' | '\'' | '/' | ';' | '&' | '|' | ')') => {
                self.signs.next();
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
        let own = self.assigned.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let value = match own {
            Some(value) => value,
            None => match self.environment.get(name) {
                Setting::Set(value) => Some(value.to_owned()),
                Setting::Unknown | Setting::Unset => None,
            },
        };
        match value {
            Some(value) if quoted => self.push(&value, true),
            // Without quotes the value falls into words at its spaces.
            Some(value) => {
                let mut parts = value.split_whitespace().peekable();
                if value.starts_with(char::is_whitespace) {
                    self.end_word();
                }
                while let Some(part) = parts.next() {
                    self.push(part, true);
                    if parts.peek().is_some() || value.ends_with(char::is_whitespace) {
                        self.end_word();
                    }
                }
            }
            None => {
                self.push(&format!("${name}"), false);
                self.bare |= !quoted;
            }
        }
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
        let bare = std::mem::take(&mut self.bare);
        let Some(mut word) = self.word.take() else { return };
        let template = word.text.contains("{{");
        word.known &= !template;
        if std::mem::take(&mut self.skip_word) {
            return;
        }
        if self.command.words.is_empty() {
            if self.keyword(&word.text) || self.assignment(&word) {
                return;
            }
        } else if matches!(self.command.words[0].text.as_ref(), "export" | "declare" | "local" | "readonly") {
            self.assignment(&word);
        }
        // An unknown value that is a whole word may be many, or none.
        if (template || bare && word.text.starts_with(['$', '`'])) && self.command.hidden.is_none() {
            let after_flag =
                self.command.words.last().is_some_and(|last| last.text.starts_with("--") && !last.text.contains('='));
            if !after_flag {
                self.command.hidden = Some(word.text.clone().into_owned());
            }
        }
        self.command.words.push(word);
    }

    /// Takes a word of the shell itself where a command may begin.
    fn keyword(&mut self, word: &str) -> bool {
        match word {
            "if" | "while" | "until" | "for" | "case" => self.depth += 1,
            "fi" | "done" | "esac" => self.depth = self.depth.saturating_sub(1),
            "then" | "else" | "elif" | "do" | "{" | "}" | "!" => {}
            _ => return false,
        }
        true
    }

    /// Takes `NAME=value`.
    fn assignment(&mut self, word: &Word<'a>) -> bool {
        let Some((name, value)) = word.text.split_once('=') else { return false };
        if name.is_empty() || !name.chars().all(is_name) || name.starts_with(|sign: char| sign.is_ascii_digit()) {
            return false;
        }
        let known = word.known && self.depth == 0;
        self.assigned.push((name.to_owned(), known.then(|| value.to_owned())));
        true
    }

    fn end_command(&mut self) {
        self.end_word();
        self.skip_word = false;
        let mut command = std::mem::take(&mut self.command);
        command.conditional = self.depth > 0 || self.guarded;
        if !command.words.is_empty() {
            self.done.push(command);
        }
    }
}

fn is_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}
