//! What can be wrong with certificates, as a text for the person who has to mend it.

use std::fmt;

/// What is wrong, where, and the way out. Never holds a key or any other content of a file or of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertsError(String);

impl CertsError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for CertsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CertsError {}
