//! How much a text may ask of the reader before it is refused.

/// Bounds on what one document may cost; every bound is far above what a manifest needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep mappings and lists may nest, aliases followed.
    pub depth: usize,
    /// How many keys and values one document may write out.
    pub nodes: usize,
    /// How many keys and values the aliases of one document may stand for, all together.
    pub aliased: usize,
    /// How long a text may be, in bytes. Spans are kept in 32 bits, so no more than 4 GiB is ever read.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 500, nodes: 4_000_000, aliased: 200_000, bytes: 256 << 20 }
    }
}
