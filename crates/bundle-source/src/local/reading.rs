//! Reading a file whole, and only if it stays the one that was listed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use rustix::fs::FileType;

use super::folder::Folder;
use super::names::{Name, name_of};
use super::stamp::Stamp;
use crate::Entry;

/// What became of a listed file.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// It is still there, under this name.
    Same(&'a str, Stamp),
    /// Something else has its name now.
    Other,
    /// Nothing has its name.
    Gone,
}

/// What reading a listed file came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It was read.
    Content(Bytes),
    /// It has more bytes than the limit.
    TooLarge,
    /// It is another file by now, or is being written to.
    Changed,
    /// It is not there any more.
    Gone,
}

/// Looks for a listed file.
///
/// A location that no listing would show, such as one that leads out of the folder, is gone.
pub(super) fn find<'a>(folder: &Folder, entry: &'a Entry) -> io::Result<Found<'a>> {
    let Name::Bundle(name) = name_of(entry.location.as_str().as_ref()) else {
        return Ok(Found::Gone);
    };
    let Some(stat) = folder.stat(name.as_ref())? else {
        return Ok(Found::Gone);
    };
    let stamp = Stamp::of(&stat);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok(
        if is_file && stamp.entry(entry.location.clone()) == *entry {
            Found::Same(name, stamp)
        } else {
            Found::Other
        },
    )
}

/// Reads a listed file of at most `limit` bytes.
pub(super) fn read(folder: &Folder, entry: &Entry, limit: u64) -> io::Result<Reading> {
    let (name, stamp) = match find(folder, entry)? {
        Found::Same(name, stamp) => (name, stamp),
        Found::Other => return Ok(Reading::Changed),
        Found::Gone => return Ok(Reading::Gone),
    };
    if stamp.size() > limit {
        return Ok(Reading::TooLarge);
    }
    match open(folder, name, &stamp)? {
        Some(file) => read_unchanged(&file, &stamp),
        None => Ok(Reading::Changed),
    }
}

/// Opens the file `name`, if it still is the one of `stamp`.
pub(super) fn open(folder: &Folder, name: &str, stamp: &Stamp) -> io::Result<Option<File>> {
    let file = match folder.open_file(name) {
        Ok(file) => file,
        Err(error) if is_another_file(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(is_unchanged(&file, stamp)?.then_some(file))
}

/// Whether an open file is still the one of `stamp`.
pub(super) fn is_unchanged(file: &File, stamp: &Stamp) -> io::Result<bool> {
    Ok(Stamp::of(&rustix::fs::fstat(file)?) == *stamp)
}

/// Reads an open file, if it stays the one of `stamp` all the while.
pub(super) fn read_unchanged(file: &File, stamp: &Stamp) -> io::Result<Reading> {
    let Some(content) = read_exactly(file, stamp.size())? else {
        return Ok(Reading::Changed);
    };
    Ok(if is_unchanged(file, stamp)? {
        Reading::Content(content)
    } else {
        Reading::Changed
    })
}

/// Reads all there is, if that is exactly `size` bytes; never more than one byte beyond.
fn read_exactly(reader: impl Read, size: u64) -> io::Result<Option<Bytes>> {
    let mut content = Vec::new();
    let capacity = usize::try_from(size)
        .map_err(|_| ErrorKind::OutOfMemory)?
        .saturating_add(1);
    content
        .try_reserve_exact(capacity)
        .map_err(|_| ErrorKind::OutOfMemory)?;
    reader
        .take(size.saturating_add(1))
        .read_to_end(&mut content)?;
    Ok((content.len() as u64 == size).then(|| content.into()))
}

/// Whether opening failed because the name is something else's by now: nothing's, a link's, a
/// socket's.
fn is_another_file(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::LOOP | Errno::NXIO)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_what_was_announced() {
        let check = |content: &'static [u8], size, expect: Option<&'static [u8]>| {
            let read = read_exactly(content, size).unwrap();
            assert_eq!(read, expect.map(Bytes::from_static), "{size}");
        };
        check(b"", 0, Some(b""));
        check(b"abc", 3, Some(b"abc"));
        check(b"abc", 2, None);
        check(b"abc", 4, None);
        check(b"abc", 0, None);
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        assert_eq!(read_exactly(io::repeat(b' '), 1000).unwrap(), None);
    }

    #[test]
    fn a_size_that_no_memory_has_is_an_error() {
        let error = read_exactly(io::empty(), u64::MAX / 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
