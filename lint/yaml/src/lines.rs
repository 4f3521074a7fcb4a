//! Lines and columns of byte offsets.

use memchr::memchr_iter;

/// A place as editors and people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

/// Where each line of a text starts.
#[derive(Debug)]
pub(crate) struct Lines {
    starts: Box<[u32]>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(memchr_iter(b'\n', text.as_bytes()).map(|at| narrow(at + 1)));
        Self { starts: starts.collect() }
    }

    /// The line and column of `offset` in the `text` this was made from. An offset past the end counts as the end,
    /// one inside a character as that character's.
    pub(crate) fn position(&self, text: &str, offset: usize) -> Position {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start as usize <= offset).max(1);
        let start = self.starts.get(line - 1).map_or(0, |start| *start as usize);
        let before = text.get(start..offset).unwrap_or_default();
        // An editor does not show a byte-order mark, so it is no column either.
        let before = if start == 0 { before.strip_prefix('\u{feff}').unwrap_or(before) } else { before };
        Position { line, column: before.chars().count() + 1 }
    }
}

/// An offset in 32 bits; texts are refused before they are long enough to exceed it.
pub(crate) fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// The text between two offsets; empty where they do not fit, so that no mistake of ours becomes a panic.
pub(crate) fn part(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}
