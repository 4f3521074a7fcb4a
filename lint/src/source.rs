//! Reading one input into text, within bounds, with a clear word for each way in which it can fail.

use std::fs;
use std::io::{Read, Take};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use buttress_yaml::Position;

/// The longest text that is read. A cluster keeps no object above 1.5 MB, so this is a dump of thousands.
pub(crate) const MAX_BYTES: u64 = 32 << 20;

/// What is wrong with an input as a whole, or with a document of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The input as the user would type it.
    pub(crate) file: String,
    /// Where, when there is a where.
    pub(crate) place: Option<Position>,
    /// What, and the way out.
    pub(crate) message: String,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Text that came by stdin or another pipe.
    Stdin(Arc<str>),
    /// A file.
    File(PathBuf),
}

/// Something to read.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    /// As the user would type it.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) origin: Origin,
    /// Whether the user named it, rather than a folder above it.
    pub(crate) named: bool,
}

impl Input {
    /// Its path, unless it came by a pipe.
    pub(crate) fn path(&self) -> Option<&FilePath> {
        match &self.origin {
            Origin::Stdin(_) => None,
            Origin::File(path) => Some(path),
        }
    }

    /// Whether it is a JSON file that nobody said to be a manifest: `package.json` and the like are left alone.
    pub(crate) fn may_be_foreign(&self) -> bool {
        !self.named && self.path().and_then(FilePath::extension).is_some_and(|extension| extension == "json")
    }

    /// Reads it.
    pub(crate) fn read(&self) -> Result<Arc<str>, Problem> {
        match &self.origin {
            Origin::Stdin(text) => Ok(Arc::clone(text)),
            Origin::File(path) => read_file(path).map_err(|failure| failure.of(&self.name)),
        }
    }
}

/// Why a text could not be read.
#[derive(Debug)]
pub(crate) struct Failure {
    place: Option<Position>,
    message: String,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into() }
    }

    /// The failure of the input that is called so.
    pub(crate) fn of(self, name: &str) -> Problem {
        Problem { file: name.to_owned(), place: self.place, message: self.message }
    }
}

/// Reads a file; its length is looked at before its content, so that a huge one costs nothing.
pub(crate) fn read_file(path: &FilePath) -> Result<Arc<str>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot be read: {}", plain(&error)));
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::new("is a folder"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(too_long());
    }
    read_text(file, usize::try_from(metadata.len()).unwrap_or_default())
}

/// Reads a stream to its end.
pub(crate) fn read_text(stream: impl Read, expected: usize) -> Result<Arc<str>, Failure> {
    let mut bytes = Vec::with_capacity(expected + 1);
    let mut bounded: Take<_> = stream.take(MAX_BYTES + 1);
    bounded.read_to_end(&mut bytes).map_err(|error| Failure::new(format!("cannot be read: {}", plain(&error))))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_long());
    }
    decode(bytes)
}

fn too_long() -> Failure {
    Failure::new(format!("is longer than {} MiB and is not read; split it, or leave it out", MAX_BYTES >> 20))
}

fn decode(bytes: Vec<u8>) -> Result<Arc<str>, Failure> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Failure::new("is UTF-16 text; save it as UTF-8"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let good = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let byte = bytes.get(at).copied().unwrap_or_default();
            Err(Failure {
                place: Some(Position { line, column }),
                message: format!("is not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8"),
            })
        }
    }
}

/// An I/O error without the number of the operating system.
pub(crate) fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

/// Whether a text could hold an object at all: kinds cannot be told without these two words.
pub(crate) fn may_hold_objects(text: &str) -> bool {
    text.contains("apiVersion") && text.contains("kind")
}
