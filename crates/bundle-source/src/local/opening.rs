//! Opening a file through `object_store`'s local store.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, GetResultPayload, ObjectStore};

use super::reading::Held;

/// Where Linux shows a process the files that it holds, each under its number (see `proc(5)`).
const HELD_FILES: &str = "/proc/self/fd";

/// How long an opening may take, which for a regular file is an instant.
///
/// But whoever has a lease on it can keep us waiting for 45 seconds (see `fcntl(2)`), and a server
/// that does not answer for longer. Nothing ends such a wait from outside: its thread is left to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens files that are held.
///
/// The store opens by path, and a path may lead elsewhere by then: to what a link names, or to a
/// FIFO, whose opening lasts until somebody writes to it. So its folder is not the one that the
/// files wait in, but the one in which what we hold has a number. That leads to the held file
/// itself, whatever has become of its name, and however the name is spelled.
#[derive(Debug)]
pub(super) struct Opener {
    /// `None` where `/proc` is not mounted, as in a bare chroot.
    store: Option<LocalFileSystem>,
    patience: Duration,
}

impl Opener {
    /// An opener of the files that this process holds.
    pub(super) fn new() -> Self {
        Self::with_numbers_in(HELD_FILES.as_ref(), PATIENCE)
    }

    /// As [`new`](Self::new), where the files have their numbers in `folder`.
    pub(super) fn with_numbers_in(folder: &Path, patience: Duration) -> Self {
        Self {
            store: LocalFileSystem::new_with_prefix(folder).ok(),
            patience,
        }
    }

    /// How long an opening may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Opens a held file for reading; `None` where it is not for the store to open.
    ///
    /// It blocks. Not to be called on a thread of tokio's: there the store would leave the work to
    /// another one, where elsewhere it does it at once.
    ///
    /// # Errors
    /// What opening the file itself would fail with.
    pub(super) fn open(&self, held: &Held) -> io::Result<Option<File>> {
        let Some(store) = self.store_for(held) else {
            return Ok(None);
        };
        let number = StorePath::from(held.handle().as_raw_fd().to_string());
        let answer = store.get_opts(&number, GetOptions::default());
        let answer = answer
            .now_or_never()
            .ok_or_else(|| io::Error::other("the file was to be opened on a thread of its own"))?;
        match answer.map_err(io_error)?.payload {
            GetResultPayload::File(file, _) => Ok(Some(file)),
            GetResultPayload::Stream(_) => Ok(None),
        }
    }

    /// The store, unless the file's time is one that it panics on.
    fn store_for(&self, held: &Held) -> Option<&LocalFileSystem> {
        self.store.as_ref().filter(|_| held.stamp().is_dated())
    }
}

/// The operating system's error within `error`, whose kind tells whether it may pass.
fn io_error(error: object_store::Error) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(code) = inner.downcast_ref().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        cause = inner.source();
    }
    io::Error::other(error)
}
