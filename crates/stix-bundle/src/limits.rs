//! How much of a hostile input is looked at.

/// Upper bounds on what one file may hold; each has its own error or code.
///
/// ```
/// use stix_bundle::{Limits, Text, TextError};
///
/// let limits = Limits { max_depth: 2, ..Limits::default() };
/// assert!(Text::check(b"[[1]]", &limits).is_ok());
/// assert!(matches!(Text::check(b"[[[1]]]", &limits), Err(TextError::TooDeep { offset: 2, .. })));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one text; 1 GiB by default.
    pub max_bytes: u64,
    /// Elements in a bundle's `objects`, with those of bundles in it, and such bundles; 1,000,000 by
    /// default.
    pub max_objects: usize,
    /// Lists and objects inside each other, the outermost counted; 128 by default.
    pub max_depth: usize,
    /// References that one object holds in its `_ref` and `_refs` keys; 1,000,000 by default.
    pub max_refs: usize,
    /// References that all objects of a bundle hold together; 10,000,000 by default. Objects with
    /// which there would be more are not sent.
    pub max_all_refs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_objects: 1_000_000,
            max_depth: 128,
            max_refs: 1_000_000,
            max_all_refs: 10_000_000,
        }
    }
}
