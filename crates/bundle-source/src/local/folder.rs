//! An open directory, in which names are looked up without following links.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::names::held_name;

/// An open directory.
#[derive(Debug)]
pub(super) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the directory at `path`; links in the path are followed, for it is the operator's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// As [`open`](Self::open), creating the directory durably where it is missing.
    pub(super) fn open_or_create(path: &Path) -> io::Result<Self> {
        match (Self::open(path), path.parent(), path.file_name()) {
            (Err(error), Some(parent), Some(name)) if error.kind() == ErrorKind::NotFound => {
                Self::open_or_create(parent)?.open_or_create_inside(name)
            }
            (result, ..) => result,
        }
    }

    /// Opens the directory `name` in this one.
    ///
    /// # Errors
    /// Fails also where `name` is a link: whoever writes to this directory could have put it there.
    pub(super) fn open_inside(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty())?;
        Ok(Self {
            handle,
            path: self.path.join(name),
        })
    }

    /// As [`open_inside`](Self::open_inside), creating the directory durably where it is missing.
    pub(super) fn open_or_create_inside(&self, name: &OsStr) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.open_inside(name)
    }

    /// The path it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same directory, by whatever path.
    pub(super) fn is_same(&self, other: &Self) -> io::Result<bool> {
        let [ours, theirs] = [
            rustix::fs::fstat(&self.handle)?,
            rustix::fs::fstat(&other.handle)?,
        ];
        Ok((ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino))
    }

    /// Whether names in it may be changed, as far as the folder itself goes.
    pub(super) fn is_writable(&self) -> bool {
        let ask = |flags| rustix::fs::accessat(&self.handle, ".", Access::WRITE_OK, flags);
        // Older container runtimes forbid the call that has flags, for they do not know it.
        let answer = match ask(AtFlags::EACCESS) {
            Err(Errno::PERM) => ask(AtFlags::empty()),
            answer => answer,
        };
        !matches!(answer, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    /// The names in it, in no order.
    pub(super) fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>>> {
        let entries = Dir::read_from(&self.handle)?;
        Ok(entries.map(|entry| Ok(to_os_string(entry?.file_name()))))
    }

    /// What `name` is, if it is there; a link is described itself.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes hold of what has `name`, be it a link or a FIFO, without opening it.
    pub(super) fn hold(&self, name: &str) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(held) => Ok(Some(held)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file for reading, without waiting for a FIFO's writer.
    pub(super) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.handle, name, flags, Mode::empty())?.into())
    }

    /// Creates a file for writing under a hidden name that no listing shows.
    pub(super) fn create_hidden(&self) -> io::Result<(String, File)> {
        let names = |number| format!(".diode-import-{number}.tmp");
        with_free_name(names, |name| self.create(name))
    }

    /// Gives `name` a hidden name that no listing shows, and tells which.
    pub(super) fn hide(&self, name: &str) -> io::Result<String> {
        let names = |number| held_name(name, number);
        let (hidden, ()) = with_free_name(names, |hidden| self.rename(name, self, hidden))?;
        Ok(hidden)
    }

    /// Moves `name` to `new_name` in the folder `to`, which must not have that name yet.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] where it has; [`ErrorKind::NotFound`] where `name` is not
    /// there; [`ErrorKind::CrossesDevices`] where `to` is on another file system.
    pub(super) fn rename(&self, name: &str, to: &Self, new_name: &str) -> io::Result<()> {
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.handle, name, &to.handle, new_name, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                self.rename_over_reservation(name, to, new_name)
            }
            result => Ok(result?),
        }
    }

    /// As [`rename`](Self::rename), for file systems such as NFS that cannot refuse to replace.
    ///
    /// The new name is reserved by an empty file, which only one can create; that is replaced.
    pub(super) fn rename_over_reservation(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
    ) -> io::Result<()> {
        to.create(new_name)?;
        let renamed = rustix::fs::renameat(&self.handle, name, &to.handle, new_name);
        if renamed.is_err() {
            to.unlink(new_name)?;
        }
        Ok(renamed?)
    }

    /// Removes the file `name`.
    pub(super) fn unlink(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Waits until what was created, renamed and removed in it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.handle) {
            // Some network file systems have nothing to synchronise in a directory, and say so.
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the file `name`, which must not be there yet, for writing.
    fn create(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        Ok(rustix::fs::openat(&self.handle, name, flags, mode)?.into())
    }
}

/// Does `attempt` with one name after the other until one is free.
fn with_free_name<T>(
    names: impl Fn(u64) -> String,
    attempt: impl Fn(&str) -> io::Result<T>,
) -> io::Result<(String, T)> {
    for number in 0..u64::MAX {
        let name = names(number);
        match attempt(&name) {
            Ok(value) => return Ok((name, value)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn to_os_string(name: &CStr) -> OsString {
    OsString::from_vec(name.to_bytes().to_vec())
}
