//! Bundle files in a folder of this machine.
//!
//! Names are looked up in an open directory and never through a link, and every change is made
//! so that it cannot fall on another file than the one that was listed. The local store of
//! `object_store` promises neither, so it gets what it can do without promising it:
//!
//! - *Reading* goes through the store. We look the name up and hold what has it, which opens
//!   nothing yet; if that is the listed file, the store opens what we hold. What it opened must be
//!   that file before a byte counts, and after the last one.
//! - *Listing* does not. The store's takes a link for the file that it leads to, and fails as a
//!   whole on one name that is not UTF-8 or one link that leads to itself.
//! - *Removing* and *setting aside* do not. The store deletes whatever has the name by then. It
//!   renames by overwriting, or by a hard link, which some file systems do not have; so does it
//!   create the file with the reason.
//! - A file is opened by its name, without following a link, where the store cannot: where there is
//!   no `/proc`, where the file's time is no date, and to copy it to another file system.

mod error;
mod folder;
mod listing;
mod names;
mod opening;
mod reading;
mod removal;
mod set_aside;
mod source;
mod stamp;
#[cfg(test)]
mod tests;
mod watch;

pub use source::LocalSource;
pub use watch::LocalWatch;
