//! Which model a server loads and how big it is, as far as its name tells.

use crate::catalog::ModelFacts;
use crate::image::Image;
use crate::shell::{Command, Environment, Flag, Setting};

/// A model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name, path or address as the server gets it.
    pub name: String,
    /// How many parameters it has in all, experts included; `None` when the name does not tell.
    pub parameters: Option<u64>,
    bytes: Option<u64>,
}

impl Model {
    /// A model of this name.
    pub fn named(name: &str) -> Self {
        let parameters = parameters(name);
        let bytes = parameters.map(|parameters| parameters.saturating_mul(bits_per_parameter(name)) / 8);
        Self { name: name.to_owned(), parameters, bytes }
    }

    /// How many bytes its weights have, by the number of parameters and the precision that the name tells.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }
}

/// The model that a command names: by flag, variable, first word, image or default.
pub(super) fn of(
    facts: &ModelFacts,
    command: Option<(&Command<'_>, usize)>,
    environment: &Environment<'_>,
    image: Option<&Image<'_>>,
) -> Option<Model> {
    if let Some((command, after)) = command {
        for name in &facts.flags {
            match command.flag(name) {
                Some(Flag::Set(value)) => return Some(Model::named(value)),
                Some(Flag::Unknown(_) | Flag::Bare) => return None,
                None => {}
            }
        }
        if facts.positional
            // `serve` before the model is the program's own command, where the image's entrypoint is the bare program.
            && let Some(word) = command.words.get(after..).unwrap_or_default().iter().find(|word| word.text != "serve")
            && !word.text.starts_with('-')
        {
            return word.known.then(|| Model::named(&word.text));
        }
    }
    for name in &facts.env {
        match environment.get(name) {
            Setting::Set(value) if !value.is_empty() => return Some(Model::named(value)),
            Setting::Unknown => return None,
            _ => {}
        }
    }
    if facts.in_image {
        return image.map(|image| Model::named(image.name()));
    }
    facts.default.as_deref().filter(|_| !environment.is_open()).map(Model::named)
}

/// Models whose names hold no size, or a wrong one: the start of the last part of the name, and the parameters in all.
///
/// Sizes are those of the model cards.
const KNOWN: &[(&str, u64)] = &[
    ("mixtral-8x7b", 46_700_000_000),
    ("mixtral-8x22b", 140_600_000_000),
    ("llama-4-scout-17b-16e", 109_000_000_000),
    ("llama-4-maverick-17b-128e", 400_000_000_000),
    ("deepseek-r1-distill-", 0),
    ("deepseek-r1", 685_000_000_000),
    ("deepseek-v3", 685_000_000_000),
    ("kimi-k2", 1_040_000_000_000),
];

/// How many parameters the model of this name has in all.
///
/// Of `235B-A22B` it is the 235, because the active share of the experts is not what is loaded; of `17B-16E`, where the
/// name holds the active share only, it is known for the published models and else unknown.
pub fn parameters(name: &str) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(&name);
    if let Some((_, known)) = KNOWN.iter().find(|(start, _)| last.starts_with(start))
        && *known > 0
    {
        return Some(*known);
    }
    // The last part of a path names the model; what stands before it may be a team or a bucket.
    sizes(last).or_else(|| sizes(&name))
}

fn sizes(name: &str) -> Option<u64> {
    let mut found: [Option<u64>; 3] = [None; 3];
    for part in parts(name) {
        if part
            .strip_suffix('e')
            .is_some_and(|experts| experts.bytes().all(|byte| byte.is_ascii_digit()) && !experts.is_empty())
        {
            return None;
        }
        let Some((rank, parameters)) = size(part) else { continue };
        found[rank] = Some(found[rank].unwrap_or(0).max(parameters));
    }
    // Beside billions, trillions are tokens that were trained on and millions a length of context.
    found.into_iter().flatten().next()
}

/// The parts of a name between separators; a dot separates unless it stands between digits.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut start = 0;
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let separates = match byte {
            b'-' | b'_' | b'/' | b' ' | b':' | b'@' | b'(' | b')' | b'=' | b',' => true,
            b'.' => at == 0 || !(digit(at - 1) && digit(at + 1)),
            _ => false,
        };
        if separates {
            ends.push((start, at));
            start = at + 1;
        }
    }
    ends.push((start, name.len()));
    ends.into_iter().filter_map(|(start, end)| name.get(start..end)).filter(|part| !part.is_empty())
}

/// The size that a part such as `8x7b`, `0.5b`, `270m` or `1t` says, with its rank among the units.
fn size(part: &str) -> Option<(usize, u64)> {
    let (number, rank, unit) = match part.as_bytes().last()? {
        b'b' => (&part[..part.len() - 1], 0, 1e9),
        b't' => (&part[..part.len() - 1], 1, 1e12),
        b'm' => (&part[..part.len() - 1], 2, 1e6),
        _ => return None,
    };
    let (experts, number) = match number.split_once('x') {
        Some((experts, number)) => (experts.parse::<u16>().ok()?, number),
        None => (1, number),
    };
    if !number.starts_with(|first: char| first.is_ascii_digit())
        || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let parameters = number.parse::<f64>().ok()? * unit * f64::from(experts);
    // No model is smaller than a million parameters or bigger than a hundred trillions: such numbers mean something else.
    (1e6..1e14).contains(&parameters).then_some((rank, parameters as u64))
}

/// How many bytes a parameter takes, by the precision that the name tells; two where it tells none.
pub fn bytes_per_parameter(name: &str) -> f64 {
    bits_per_parameter(name) as f64 / 8.0
}

/// The bits, with what scales and unquantised layers add.
fn bits_per_parameter(name: &str) -> u64 {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| parts(&name).any(|part| words.iter().any(|word| part.starts_with(word)));
    if has(&["fp32", "f32", "float32"]) {
        32
    } else if has(&[
        "awq", "gptq", "int4", "w4a16", "4bit", "nvfp4", "mxfp4", "fp4", "q4", "iq4", "q3", "iq3", "q2", "iq2", "bnb",
    ]) {
        5
    } else if has(&["q5", "q6"]) {
        7
    } else if has(&["fp8", "int8", "w8a8", "8bit", "q8"]) {
        9
    } else {
        16
    }
}
