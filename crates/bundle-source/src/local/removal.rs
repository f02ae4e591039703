//! Removing a file, and only if it is the one that was listed.

use std::io::{self, ErrorKind};

use super::folder::Folder;
use super::names::{held_original, numbered};
use super::reading::{Found, find};
use super::stamp::Stamp;
use crate::{Entry, Removal};

/// Removes a listed file.
pub(super) fn remove(folder: &Folder, entry: &Entry) -> io::Result<Removal> {
    match find(folder, entry)? {
        Found::Same(name, stamp) => remove_version(folder, name, &stamp),
        Found::Other => Ok(Removal::Replaced),
        Found::Gone => Ok(Removal::AlreadyGone),
    }
}

/// Removes the file `name`, if it is the one of `stamp`.
///
/// A name cannot be removed on the condition that it is a certain file's. So the file is given a
/// hidden name first, which takes it from everybody else; then it is examined, and removed or
/// given back. Where the process dies in between, [`restore`] gives it back.
pub(super) fn remove_version(folder: &Folder, name: &str, stamp: &Stamp) -> io::Result<Removal> {
    let hidden = match folder.hide(name) {
        Ok(hidden) => hidden,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Removal::AlreadyGone),
        Err(error) => return Err(error),
    };
    let removed = remove_hidden(folder, &hidden, stamp);
    if !matches!(removed, Ok(Removal::Removed)) {
        give_back(folder, &hidden, folder, name)?;
    }
    removed
}

/// Gives back every file that an earlier process was removing when it died.
///
/// Most were imported and recorded, and are known by their content when they are listed again. But
/// one may be a replacement that had just arrived: under its hidden name nobody would ever see it.
/// What cannot be given back is said, and does not keep the others from being listed.
pub(super) fn restore(folder: &Folder) -> io::Result<()> {
    for hidden in folder.names()? {
        let hidden = hidden?;
        let Some((hidden, name)) = hidden
            .to_str()
            .and_then(|hidden| Some((hidden, held_original(hidden)?)))
        else {
            continue;
        };
        if give_back(folder, hidden, folder, name).is_ok() {
            tracing::warn!(
                file = name,
                "a file is back that was being removed when the program ended"
            );
        }
    }
    Ok(())
}

/// Moves a file that was taken by mistake from `place` in `holder` back to `name` in `folder`.
///
/// Where `name` has been taken meanwhile, it comes back under a numbered name, to be listed as the
/// file of its own that it is.
pub(super) fn give_back(
    holder: &Folder,
    place: &str,
    folder: &Folder,
    name: &str,
) -> io::Result<()> {
    let result = rename_to_free(holder, place, folder, name);
    if let Err(error) = &result {
        let place = holder.path().join(place);
        tracing::error!(file = name, place = %place.display(), %error, "cannot give a file back");
    }
    result
}

fn remove_hidden(folder: &Folder, hidden: &str, stamp: &Stamp) -> io::Result<Removal> {
    match folder.stat(hidden.as_ref())? {
        Some(stat) if Stamp::of(&stat).is_same_file(stamp) => {
            folder.unlink(hidden)?;
            Ok(Removal::Removed)
        }
        _ => Ok(Removal::Replaced),
    }
}

fn rename_to_free(holder: &Folder, place: &str, folder: &Folder, name: &str) -> io::Result<()> {
    match holder.rename(place, folder, name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        result => return result,
    }
    for number in 1..u32::MAX {
        match holder.rename(place, folder, &numbered(name, number)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result,
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
