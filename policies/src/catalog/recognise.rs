//! Finds the program that an image or a command tells of. The patterns are sorted by their last segment or first word,
//! so that one container costs a few lookups and not a walk over all programs.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ImageRule, Role, Runtime};
use crate::image::Image;
use crate::shell::{Command, CommandLine, basename};

/// An image that is named like a program and does not run it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LookAlike {
    /// The image.
    pub image: ImageRule,
    /// What it is.
    pub what: String,
    /// What it is for; infrastructure when absent. A program that runs no model, such as a web server, is for `none`: it
    /// gives way to what a command tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// An image that was recognised.
#[derive(Clone, Copy, Debug)]
pub struct ImageMatch<'c> {
    /// The program.
    pub runtime: &'c Arc<Runtime>,
    /// Whether the rule is confirmed.
    pub sure: bool,
}

/// A command that was recognised.
#[derive(Clone, Copy, Debug)]
pub struct CommandMatch<'c> {
    /// The program.
    pub runtime: &'c Arc<Runtime>,
    /// Which command of the command line it is.
    pub command: usize,
    /// The position after the words that were recognised.
    pub after: usize,
    /// The words that were recognised as the catalog has them; `-m` stands for `python -m`.
    pub phrase: &'c [String],
    /// Whether they start the server; otherwise they do something else with the same program.
    pub serves: bool,
}

/// All programs, laid out for recognition.
#[derive(Clone, Debug, Default)]
pub(super) struct Runtimes {
    /// Sorted by id.
    all: Vec<Arc<Runtime>>,
    look_alikes: Vec<LookAlike>,
    images: HashMap<String, Vec<Target>>,
    /// Images whose last segment is a pattern, or that name only the first ones.
    wild_images: Vec<Wild>,
    /// By their first word.
    phrases: HashMap<String, Vec<Phrase>>,
    /// Phrases whose first word is a pattern.
    wild_phrases: Vec<Phrase>,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Runtime(usize, usize),
    LookAlike(usize),
}

/// An image by pattern, with signs that stand in every image that matches: to look for those is cheaper than to match, and
/// mostly in vain.
#[derive(Clone, Debug)]
struct Wild {
    literal: String,
    /// Whether the last segment starts with them; they may else stand anywhere in the path.
    leading: bool,
    target: Target,
}

impl Wild {
    fn new(repository: &str, target: Target) -> Self {
        let last = repository.rsplit('/').next().unwrap_or_default();
        let leading = &last[..last.find(GLOB_SIGNS).unwrap_or(last.len())];
        if !leading.is_empty() {
            return Self { literal: leading.to_owned(), leading: true, target };
        }
        // `[a-z]` and `{a,b}` hold signs that need not be there; no pattern of ours has them, but a Policy's may.
        let plain = |part: &&str| !part.contains([']', '}', ',']);
        let longest = repository.split(GLOB_SIGNS).filter(plain).max_by_key(|part| part.len()).unwrap_or_default();
        let longest = longest.trim_matches('/').rsplit('/').next().unwrap_or_default();
        Self { literal: longest.to_owned(), leading: false, target }
    }

    fn may_match(&self, image: &Image<'_>) -> bool {
        if !self.leading {
            let holds = |text: &str| text.contains(&self.literal);
            return holds(image.path) || image.registry.is_some_and(holds);
        }
        let (name, literal) = (image.name().as_bytes(), self.literal.as_bytes());
        name.first() == literal.first() && name.starts_with(literal)
    }
}

#[derive(Clone, Debug)]
struct Phrase {
    runtime: usize,
    words: Vec<String>,
    serves: bool,
}

impl Runtimes {
    /// These and more; one whose id is there already takes its place.
    pub(super) fn with(&self, more: &[Runtime], look_alikes: Vec<LookAlike>) -> Self {
        let mut all = self.all.clone();
        for runtime in more {
            match all.binary_search_by(|known| known.id.cmp(&runtime.id)) {
                Ok(at) => all[at] = Arc::new(runtime.clone()),
                Err(at) => all.insert(at, Arc::new(runtime.clone())),
            }
        }
        let look_alikes = if look_alikes.is_empty() { self.look_alikes.clone() } else { look_alikes };
        let mut runtimes = Self { all, look_alikes, ..Self::default() };
        runtimes.lay_out();
        runtimes
    }

    fn lay_out(&mut self) {
        let mut images: Vec<(String, Target)> = Vec::new();
        for (at, entry) in self.look_alikes.iter().enumerate() {
            images.push((entry.image.repository.clone(), Target::LookAlike(at)));
        }
        for (at, runtime) in self.all.iter().enumerate() {
            for (rule, image) in runtime.images.iter().enumerate() {
                images.push((image.repository.clone(), Target::Runtime(at, rule)));
            }
            let commands = runtime.commands.iter().map(|text| (text, true));
            for (text, serves) in commands.chain(runtime.not_server.iter().map(|text| (text, false))) {
                let words = words(text);
                let Some(first) = words.first().cloned() else { continue };
                let phrase = Phrase { runtime: at, words, serves };
                match is_glob(&first) {
                    true => self.wild_phrases.push(phrase),
                    false => self.phrases.entry(first).or_default().push(phrase),
                }
            }
        }
        for (repository, target) in images {
            match repository.rsplit('/').next() {
                Some(last) if !is_glob(last) => self.images.entry(last.to_owned()).or_default().push(target),
                _ => self.wild_images.push(Wild::new(&repository, target)),
            }
        }
    }

    pub(super) fn all(&self) -> &[Arc<Runtime>] {
        &self.all
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Runtime>> {
        self.all.binary_search_by(|known| known.id.as_str().cmp(id)).ok().map(|at| &self.all[at])
    }

    /// What the image only looks like, if it is known for that, or the program that it holds; a confirmed rule goes before
    /// others.
    pub(super) fn image(&self, image: &Image<'_>) -> (Option<&LookAlike>, Option<ImageMatch<'_>>) {
        let mut found: Option<ImageMatch<'_>> = None;
        for target in self.targets(image) {
            match target {
                Target::LookAlike(at) if self.look_alikes[at].image.matches(image) => {
                    return (Some(&self.look_alikes[at]), None);
                }
                Target::LookAlike(_) => {}
                Target::Runtime(at, rule) => {
                    let rule = &self.all[at].images[rule];
                    if found.is_none_or(|found| !found.sure && !rule.unsure) && rule.matches(image) {
                        found = Some(ImageMatch { runtime: &self.all[at], sure: !rule.unsure });
                    }
                }
            }
        }
        (None, found)
    }

    fn targets<'i>(&'i self, image: &Image<'i>) -> impl Iterator<Item = Target> + use<'i> {
        let named = self.images.get(image.name()).map(Vec::as_slice).unwrap_or_default();
        let image = *image;
        let wild = self.wild_images.iter().filter(move |wild| wild.may_match(&image));
        named.iter().copied().chain(wild.map(|wild| wild.target))
    }

    /// The program that the command line starts: of several the last, but a server goes before everything else, and one
    /// with an endpoint before others.
    pub(super) fn command(&self, line: &CommandLine<'_>) -> Option<CommandMatch<'_>> {
        let mut best: Option<(CommandMatch<'_>, usize)> = None;
        for (index, command) in line.commands.iter().enumerate() {
            let Some((phrase, after)) = self.phrase(command) else { continue };
            let found = CommandMatch {
                runtime: &self.all[phrase.runtime],
                command: index,
                after,
                phrase: &phrase.words,
                serves: phrase.serves,
            };
            // A node of Ray beside an engine is there for the engine, which has the endpoint.
            let answers = found.runtime.probes.startup.is_some();
            let rank = usize::from(found.serves) * 4 + usize::from(!found.runtime.generic) * 2 + usize::from(answers);
            if best.is_none_or(|(_, other)| rank >= other) {
                best = Some((found, rank));
            }
        }
        best.map(|(found, _)| found)
    }

    /// The longest phrase in the command: `vllm bench` says more than `vllm`.
    fn phrase(&self, command: &Command<'_>) -> Option<(&Phrase, usize)> {
        let mut best: Option<(&Phrase, usize)> = None;
        // The same word may stand in many places, and `find` looks at all of them.
        let mut firsts: Vec<&str> = command.programs().map(|at| basename(&command.words[at].text)).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let named = firsts.into_iter().filter_map(|first| self.phrases.get(first));
        for phrases in named.chain([&self.wild_phrases]) {
            for phrase in phrases {
                if best.is_some_and(|(other, _)| other.words.len() >= phrase.words.len()) {
                    continue;
                }
                if let Some((_, after)) = command.find(&phrase.words) {
                    best = Some((phrase, after));
                }
            }
        }
        best
    }
}

impl ImageRule {
    /// Whether the rule is about this image.
    pub fn matches(&self, image: &Image<'_>) -> bool {
        let tag = image.tag.unwrap_or_default();
        let any = |globs: &[String]| globs.iter().any(|glob| fast_glob::glob_match(glob, tag));
        matches_end(&self.repository, image) && (self.tags.is_empty() || any(&self.tags)) && !any(&self.exclude_tags)
    }
}

/// Whether the repository of an image ends as `pattern` says, segment by segment. A closing `**` takes all that follow.
pub(crate) fn matches_end(pattern: &str, image: &Image<'_>) -> bool {
    let (pattern, open) = match pattern.strip_suffix("/**") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let fits =
        |(pattern, segment): (&str, Option<&str>)| {
            segment.is_some_and(|segment| {
                if is_glob(pattern) { fast_glob::glob_match(pattern, segment) } else { pattern == segment }
            })
        };
    let mut backwards = image.path.rsplit('/').chain(image.registry);
    if !open {
        return pattern.rsplit('/').all(|pattern| fits((pattern, backwards.next())));
    }
    // The pattern may end at any segment but the last.
    while backwards.next().is_some() {
        let mut rest = backwards.clone();
        if pattern.rsplit('/').all(|pattern| fits((pattern, rest.next()))) {
            return true;
        }
    }
    false
}

/// The signs that make a text a pattern.
const GLOB_SIGNS: [char; 4] = ['*', '?', '[', '{'];

fn is_glob(text: &str) -> bool {
    text.contains(GLOB_SIGNS)
}

/// The words of a phrase.
pub(crate) fn words(phrase: &str) -> Vec<String> {
    phrase.split_whitespace().map(str::to_owned).collect()
}
