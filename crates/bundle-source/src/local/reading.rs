//! Reading a file whole, and only if it stays the one that was listed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blocking::unblock;
use bytes::Bytes;
use rustix::fs::{FileType, Stat};
use tokio::time::timeout;

use super::folder::Folder;
use super::names::{Name, name_of};
use super::opening::Opener;
use super::stamp::Stamp;
use crate::{Content, Entry};

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

/// Why a listed file was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It has more bytes than the limit.
    TooLarge,
    /// It is another file by now, or is being written to.
    Changed,
    /// It is not there any more.
    Gone,
    /// The file system failed.
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// A listed file that is held: it stays this file, whatever its name leads to by then.
#[derive(Debug)]
pub(super) struct Held {
    folder: Folder,
    name: String,
    stamp: Stamp,
    handle: OwnedFd,
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
    Ok(match stamp_of(&stat, entry) {
        Some(stamp) => Found::Same(name, stamp),
        None => Found::Other,
    })
}

/// Reads a listed file of at most `limit` bytes.
pub(super) async fn read(
    opener: &Arc<Opener>,
    folder: &Path,
    entry: &Entry,
    limit: u64,
) -> Result<Bytes, Unread> {
    let (folder, entry) = (folder.to_owned(), entry.clone());
    read_held(opener, move || hold(Folder::open(&folder)?, &entry, limit)).await
}

/// Reads the file that `find` takes hold of, all on one thread that may block: for small files,
/// waking another one takes longer than reading. Only until the file is open there is a limit to
/// how long it takes.
pub(super) async fn read_held(
    opener: &Arc<Opener>,
    find: impl FnOnce() -> Result<Held, Unread> + Send + 'static,
) -> Result<Bytes, Unread> {
    read_held_with(opener, find, Held::read).await
}

/// The same, where `read` reads the open file.
pub(super) async fn read_held_with(
    opener: &Arc<Opener>,
    find: impl FnOnce() -> Result<Held, Unread> + Send + 'static,
    read: impl FnOnce(&Held, Option<File>) -> Result<Bytes, Unread> + Send + 'static,
) -> Result<Bytes, Unread> {
    let patience = opener.patience();
    let opener = Arc::clone(opener);
    let is_open = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_open);
    let mut work = unblock(move || {
        let held = find()?;
        let file = opener.open(&held)?;
        flag.store(true, Ordering::Release);
        read(&held, file)
    });
    match timeout(patience, &mut work).await {
        Ok(read) => read,
        Err(_) if is_open.load(Ordering::Acquire) => work.await,
        Err(_) => Err(io::Error::from(ErrorKind::TimedOut).into()),
    }
}

/// Takes hold of a listed file of at most `limit` bytes.
pub(super) fn hold(folder: Folder, entry: &Entry, limit: u64) -> Result<Held, Unread> {
    let Name::Bundle(name) = name_of(entry.location.as_str().as_ref()) else {
        return Err(Unread::Gone);
    };
    let handle = folder.hold(name)?.ok_or(Unread::Gone)?;
    let stat = rustix::fs::fstat(&handle).map_err(io::Error::from)?;
    let stamp = stamp_of(&stat, entry).ok_or(Unread::Changed)?;
    if stamp.size() > limit {
        return Err(Unread::TooLarge);
    }
    Ok(Held {
        name: name.to_owned(),
        folder,
        stamp,
        handle,
    })
}

impl Held {
    /// What holds the file, without having it open.
    pub(super) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// Which file it is.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Reads the file as it was `opened`, or else as its name opens it now.
    pub(super) fn read(&self, opened: Option<File>) -> Result<Bytes, Unread> {
        let file = match opened {
            Some(file) if is_unchanged(&file, &self.stamp)? => file,
            Some(_) => return Err(Unread::Changed),
            None => open(&self.folder, &self.name, &self.stamp)?.ok_or(Unread::Changed)?,
        };
        read_unchanged(&file, &self.stamp)
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
pub(super) fn read_unchanged(file: &File, stamp: &Stamp) -> Result<Bytes, Unread> {
    match read_exactly(file, stamp.size())? {
        Some(content) if is_unchanged(file, stamp)? => Ok(content),
        _ => Err(Unread::Changed),
    }
}

/// Runs `work` where blocking is allowed.
pub(super) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<io::Error> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error).into()))
}

/// The stamp of what `stat` describes, if that is the file that was listed as `entry`.
fn stamp_of(stat: &Stat, entry: &Entry) -> Option<Stamp> {
    let stamp = Stamp::of(stat);
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    (is_file && stamp.entry(entry.location.clone()) == *entry).then_some(stamp)
}

/// Reads all there is, if that is exactly `size` bytes; never more than one byte beyond.
fn read_exactly(reader: impl Read, size: u64) -> io::Result<Option<Bytes>> {
    let mut content = Content::with_room(size.saturating_add(1))?;
    let is_whole = content.read_from(reader)? && content.len() as u64 == size;
    Ok(is_whole.then(|| content.into_bytes()))
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
}
