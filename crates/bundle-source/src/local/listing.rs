//! The files of a folder that may be bundles, and those that only look so.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Stat};

use super::folder::Folder;
use super::names::{Name, name_of};
use super::stamp::Stamp;
use crate::listing::Room;
use crate::names::{CASE, is_rejected};
use crate::oddities::Oddities;
use crate::{Entry, Listing, Location, Selection, Wanted};

/// What a folder holds.
#[derive(Debug)]
pub(super) struct Found {
    /// The files that may be bundles.
    pub(super) listing: Listing,
    /// What is named like a bundle and is left alone.
    pub(super) oddities: Oddities<OsString, Odd>,
}

/// A name for a log line: bytes that are not UTF-8 show as such, as in `caf\xE9.json`.
pub(super) fn shown(name: &OsStr) -> String {
    let mut shown = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        shown.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
    shown
}

/// Why something that is named like a bundle is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// It is a symbolic link, to wherever.
    Link,
    /// It is a directory, a FIFO, a socket or a device.
    NotAFile,
    /// Its name is not UTF-8 or has control characters, and so cannot be told unambiguously.
    Name,
    /// Its name ends as a bundle's, but for the case of the letters.
    Case,
    /// The file system would not tell what it is.
    Unreadable(ErrorKind),
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("it is a symbolic link"),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::Name => f.write_str("its name is not UTF-8 or has control characters"),
            Self::Case => f.write_str(CASE),
            Self::Unreadable(kind) => write!(f, "it cannot be examined: {kind}"),
        }
    }
}

/// Lists what is wanted of a folder; the last listing had so much in it.
///
/// # Errors
/// Fails where the folder cannot be read or searched; a single file that cannot be examined is among
/// the oddities instead.
pub(super) fn list(folder: &Folder, wanted: &Wanted, room: Room) -> io::Result<Found> {
    let mut selection = Selection::upon(Listing::with_room(room), wanted);
    let mut oddities = Oddities::default();
    for name in folder.names()? {
        let name = name?;
        match examine(folder, &name)? {
            Verdict::Bundle(entry) => selection.push(entry.as_listed()),
            Verdict::Odd(reason) => oddities.push(|| name, reason),
            Verdict::Other => {}
        }
    }
    Ok(Found {
        listing: selection.finish(),
        oddities,
    })
}

enum Verdict {
    Bundle(Entry),
    Odd(Odd),
    Other,
}

fn examine(folder: &Folder, name: &OsString) -> io::Result<Verdict> {
    let text = match name_of(name) {
        Name::Bundle(text) => text,
        Name::NotText => return Ok(Verdict::Odd(Odd::Name)),
        Name::OtherCase => return examine_other_case(folder, name),
        Name::Other => return Ok(Verdict::Other),
    };
    match folder.stat(name) {
        Ok(Some(stat)) => Ok(judge(text, &stat)),
        Ok(None) => Ok(Verdict::Other),
        // It is the folder that may not be searched: what is in it does not matter for that.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        Err(error) => Ok(Verdict::Odd(Odd::Unreadable(error.kind()))),
    }
}

/// What is no regular file would not be imported under another name, either.
fn examine_other_case(folder: &Folder, name: &OsStr) -> io::Result<Verdict> {
    let is_file = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok(match folder.stat(name) {
        Ok(Some(stat)) if is_file(stat) => Verdict::Odd(Odd::Case),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
        _ => Verdict::Other,
    })
}

/// The files of the folder for rejected files, without their reasons, each with its whole path.
///
/// # Errors
/// Fails where the folder cannot be read.
pub(super) fn list_rejected(rejected: &Folder) -> io::Result<Listing> {
    let wanted = Wanted::all();
    let mut selection = Selection::new(&wanted);
    for name in rejected.names()? {
        let name = name?;
        let Name::Bundle(text) = name_of(&name) else {
            continue;
        };
        let Some(stat) = rejected.stat(&name)?.filter(|_| is_rejected(text)) else {
            continue;
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            let path = rejected.path().join(text).display().to_string();
            let entry = Stamp::of(&stat).entry(Location::new(path));
            selection.push(entry.as_listed());
        }
    }
    Ok(selection.finish())
}

fn judge(name: &str, stat: &Stat) -> Verdict {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Verdict::Bundle(Stamp::of(stat).entry(Location::new(name))),
        FileType::Symlink => Verdict::Odd(Odd::Link),
        _ => Verdict::Odd(Odd::NotAFile),
    }
}
