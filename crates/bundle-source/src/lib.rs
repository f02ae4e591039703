#![doc = include_str!("../README.md")]

mod local;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use local::{LocalSource, REASON_SUFFIX};
pub use source::{Entry, Location, ReadError, Removal, Source, SourceError};
