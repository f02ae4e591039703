//! Moving a file to where rejected files are kept, with the reason beside it.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::folder::Folder;
use super::names::numbered;
use super::reading::{Found, find, is_unchanged, open};
use super::removal::{give_back, remove_version};
use super::stamp::Stamp;
use crate::Entry;
use crate::names::reason_name;

/// A file on its way to the rejected folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rejection<'a> {
    /// Where it is.
    pub(super) folder: &'a Folder,
    /// Its name there.
    pub(super) name: &'a str,
    /// Which file it is.
    pub(super) stamp: &'a Stamp,
    /// Where it is to go.
    pub(super) rejected: &'a Folder,
}

/// What moving a file to a name came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// The file that was listed is there now.
    Done,
    /// The name is taken.
    Taken,
    /// The file that was listed was not there any more.
    Changed,
}

/// Moves a listed file into the folder `rejected`, with `reason` beside it.
pub(super) fn set_aside(
    folder: &Folder,
    rejected: &Folder,
    entry: &Entry,
    reason: &[u8],
) -> io::Result<Option<PathBuf>> {
    match find(folder, entry)? {
        Found::Same(name, stamp) => set_aside_version(
            &Rejection {
                folder,
                name,
                stamp: &stamp,
                rejected,
            },
            reason,
        ),
        Found::Other | Found::Gone => Ok(None),
    }
}

/// Moves the file that was found, if it still is that file.
///
/// The reason's file is on the disk before the file leaves its place, and is removed again where
/// the file does not. Nothing is ever overwritten: where a name or its reason's is taken, the next
/// number is tried.
pub(super) fn set_aside_version(
    rejection: &Rejection<'_>,
    reason: &[u8],
) -> io::Result<Option<PathBuf>> {
    let rejected = rejection.rejected;
    let mut note = Provisional::with_content(rejected, reason)?;
    for number in 0..u32::MAX {
        let place = numbered(rejection.name, number);
        match try_place(rejection, &mut note, reason, &place)? {
            Move::Done => {
                note.keep();
                return Ok(Some(rejected.path().join(place)));
            }
            Move::Taken => {}
            Move::Changed => return Ok(None),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// Removes a file that was set aside as `name`, and its reason.
///
/// The file goes first: a call that did not come to its end can be repeated.
pub(super) fn discard(rejected: &Folder, name: &str) -> io::Result<()> {
    for name in [name, &reason_name(name)] {
        match rejected.unlink(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Moves the file to `place` by copying it, for a rejected folder on another file system.
///
/// The copy is whole and on the disk before the original is removed. An original that was replaced
/// or removed meanwhile is as good as moved: what was listed is in its new place, and what is in
/// the old one, if anything, is another file.
pub(super) fn move_by_copy(rejection: &Rejection<'_>, place: &str) -> io::Result<Move> {
    let Rejection {
        folder,
        name,
        stamp,
        rejected,
    } = *rejection;
    let Some(original) = open(folder, name, stamp)? else {
        return Ok(Move::Changed);
    };
    let (mut copy, file) = Provisional::create(rejected)?;
    if !copy_unchanged(&original, &file, stamp)? {
        return Ok(Move::Changed);
    }
    if !copy.rename(place)? {
        return Ok(Move::Taken);
    }
    rejected.sync()?;
    remove_version(folder, name, stamp)?;
    copy.keep();
    Ok(Move::Done)
}

fn try_place(
    rejection: &Rejection<'_>,
    note: &mut Provisional<'_>,
    reason: &[u8],
    place: &str,
) -> io::Result<Move> {
    let rejected = rejection.rejected;
    // The move would notice a taken name, too, but only after the reason stood beside that file.
    if rejected.stat(place.as_ref())?.is_some() || !name_note(rejected, note, reason, place)? {
        return Ok(Move::Taken);
    }
    rejected.sync()?;
    let moved = move_version(rejection, place)?;
    if moved == Move::Done {
        sync_after_move(rejection);
    }
    Ok(moved)
}

/// Gives the note the name of the reason for `place`, if that is free.
///
/// The same reason without its file is what a process left that was killed before it moved this
/// very file: it is not in the way.
fn name_note(
    rejected: &Folder,
    note: &mut Provisional<'_>,
    reason: &[u8],
    place: &str,
) -> io::Result<bool> {
    let name = reason_name(place);
    if note.rename(&name)? {
        return Ok(true);
    }
    if !holds(rejected, &name, reason) {
        return Ok(false);
    }
    rejected.unlink(&name)?;
    note.rename(&name)
}

/// Whether a file can be read and has just that content.
fn holds(folder: &Folder, name: &str, content: &[u8]) -> bool {
    let enough = u64::try_from(content.len()).map_or(u64::MAX, |length| length.saturating_add(1));
    let mut bytes = Vec::new();
    folder
        .open_file(name)
        .and_then(|file| file.take(enough).read_to_end(&mut bytes))
        .is_ok_and(|_| bytes == content)
}

/// Moves the file to `place`, and back again if another one had taken its name.
fn move_version(rejection: &Rejection<'_>, place: &str) -> io::Result<Move> {
    let Rejection {
        folder,
        name,
        stamp,
        rejected,
    } = *rejection;
    match folder.rename(name, rejected, place) {
        Ok(()) => {}
        Err(error) => {
            return match error.kind() {
                ErrorKind::AlreadyExists => Ok(Move::Taken),
                ErrorKind::NotFound => Ok(Move::Changed),
                ErrorKind::CrossesDevices => move_by_copy(rejection, place),
                _ => Err(error),
            };
        }
    }
    match rejected.stat(place.as_ref()) {
        Ok(Some(stat)) if Stamp::of(&stat).is_same_file(stamp) => Ok(Move::Done),
        Ok(None) => Ok(Move::Changed),
        other => {
            give_back(rejected, place, folder, name)?;
            other.map(|_| Move::Changed)
        }
    }
}

/// Brings a move to the disk. The file has moved whether that succeeds or not.
fn sync_after_move(rejection: &Rejection<'_>) {
    for folder in [rejection.rejected, rejection.folder] {
        if let Err(error) = folder.sync() {
            let folder = folder.path().display();
            tracing::warn!(%folder, %error, "a file was set aside, but may be back after a crash");
        }
    }
}

/// Copies content, modification time and permissions; tells whether the original stayed the same.
fn copy_unchanged(original: &File, mut copy: &File, stamp: &Stamp) -> io::Result<bool> {
    let before = original.metadata()?;
    // Before the content, which may not be for everybody.
    copy.set_permissions(Permissions::from_mode(before.permissions().mode() & 0o777))?;
    io::copy(
        &mut original.take(stamp.size().saturating_add(1)),
        &mut copy,
    )?;
    copy.set_modified(before.modified()?)?;
    copy.sync_all()?;
    Ok(copy.metadata()?.len() == stamp.size() && is_unchanged(original, stamp)?)
}

/// A new file that is removed again unless it is kept.
#[derive(Debug)]
struct Provisional<'a> {
    folder: &'a Folder,
    name: Option<String>,
}

impl<'a> Provisional<'a> {
    /// Creates an empty one under a hidden name.
    fn create(folder: &'a Folder) -> io::Result<(Self, File)> {
        let (name, file) = folder.create_hidden()?;
        Ok((
            Self {
                folder,
                name: Some(name),
            },
            file,
        ))
    }

    /// Creates one whose `content` is on the disk.
    fn with_content(folder: &'a Folder, content: &[u8]) -> io::Result<Self> {
        let (new, mut file) = Self::create(folder)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(new)
    }

    /// Renames it; `false` where the name is taken.
    fn rename(&mut self, new_name: &str) -> io::Result<bool> {
        let Some(name) = &mut self.name else {
            return Ok(false);
        };
        match self.folder.rename(name, self.folder, new_name) {
            Ok(()) => {
                new_name.clone_into(name);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Leaves it where it is.
    fn keep(mut self) {
        self.name = None;
    }
}

impl Drop for Provisional<'_> {
    fn drop(&mut self) {
        let Some(name) = &self.name else {
            return;
        };
        if let Err(error) = self.folder.unlink(name) {
            let place = self.folder.path().join(name);
            tracing::warn!(place = %place.display(), %error, "cannot remove a file left over");
        }
    }
}
