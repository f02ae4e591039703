//! Bundle files in a folder of this machine.
//!
//! Names are looked up in an open directory and never through a link, and every change is made
//! so that it cannot fall on another file than the one that was listed. The local store of
//! `object_store` promises neither: it follows links, waits for a FIFO's writer, and renames by
//! overwriting, or by linking and then deleting whatever has the name by then.

mod error;
mod folder;
mod listing;
mod names;
mod reading;
mod removal;
mod set_aside;
mod source;
mod stamp;
#[cfg(test)]
mod tests;

pub use source::LocalSource;
