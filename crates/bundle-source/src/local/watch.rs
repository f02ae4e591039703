//! A folder as the kernel tells of it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, INotifyWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::error::failed;
use super::names::{Name, name_of};
use super::reading::blocking;
use crate::{SourceError, Watch};

/// Tells when a file that may be a bundle was closed after writing, or moved into a folder.
///
/// What is created by a hard link, and what another machine writes to a network file system, the
/// kernel does not tell of in this way.
#[derive(Clone, Debug)]
pub struct LocalWatch {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    watching: Mutex<Option<Watching>>,
    /// Holds one permit at most: that is all that is kept of what arrives.
    arrivals: Arc<Notify>,
}

/// A watch on a folder, for as long as the same one has its path.
struct Watching {
    watcher: INotifyWatcher,
    folder: Identity,
    /// There while this is: a watcher that was dropped goes on telling until its thread has heard of it.
    _listening: Arc<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl LocalWatch {
    pub(super) fn new(folder: PathBuf) -> Self {
        let inner = Inner {
            folder,
            watching: Mutex::default(),
            arrivals: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

#[async_trait]
impl Watch for LocalWatch {
    async fn attend(&self) -> Result<(), SourceError> {
        let inner = Arc::clone(&self.inner);
        let attended = blocking(move || inner.attend()).await;
        // Who lists now sees what arrived before.
        let _ = self.inner.arrivals.notified().now_or_never();
        let place = || self.inner.folder.display().to_string();
        attended.map_err(|error: io::Error| failed("watch", place(), error))
    }

    async fn arrival(&self) {
        self.inner.arrivals.notified().await;
    }
}

impl Inner {
    fn attend(&self) -> io::Result<()> {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        // What fails is not kept.
        let before = watching.take();
        let folder = identity(&self.folder)?;
        let mut watching_now = match before {
            Some(before) if before.folder == folder => before,
            _ => self.begin(folder)?,
        };
        // Once more though it may be watched: where the file system was unmounted and came back, the
        // kernel has dropped the watch without a word.
        watching_now
            .watcher
            .watch(&self.folder, RecursiveMode::NonRecursive)
            .map_err(io_error)?;
        *watching = Some(watching_now);
        Ok(())
    }

    fn begin(&self, folder: Identity) -> io::Result<Watching> {
        let arrivals = Arc::clone(&self.arrivals);
        let listening = Arc::new(());
        let listener = Arc::downgrade(&listening);
        let tell = move |told: notify::Result<Event>| {
            if listener.strong_count() > 0 && told.map_or(true, |event| is_arrival(&event)) {
                arrivals.notify_one();
            }
        };
        let watcher = INotifyWatcher::new(tell, notify::Config::default()).map_err(io_error)?;
        Ok(Watching {
            watcher,
            folder,
            _listening: listening,
        })
    }
}

fn identity(folder: &Path) -> io::Result<Identity> {
    let stat = rustix::fs::stat(folder)?;
    Ok(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// Whether a file that may be a bundle has arrived, or so much has happened that some was not told.
fn is_arrival(event: &Event) -> bool {
    let finishes = matches!(
        event.kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    );
    let may_be_bundle = |path: &PathBuf| {
        let name = path.file_name().map(name_of);
        matches!(name, Some(Name::Bundle(_)))
    };
    event.need_rescan() || (finishes && event.paths.iter().any(may_be_bundle))
}

/// The cause as the operator can act on it.
fn io_error(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::MaxFilesWatch => io::Error::other(
            "there are too many inotify watches: raise fs.inotify.max_user_watches",
        ),
        notify::ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        _ => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

    use super::*;

    #[test]
    fn a_finished_bundle_is_an_arrival() {
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let read = EventKind::Access(AccessKind::Close(AccessMode::Read));
        let moved_in = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let moved_out = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (kind, name, expect) in [
            (closed, "a.json", true),
            (moved_in, "a.json", true),
            (closed, "a.json.tmp", false),
            (closed, ".a.json", false),
            (moved_in, ".diode-import-held-0-a.json", false),
            (closed, "a\n.json", false),
            (moved_in, "rejected", false),
            (moved_out, "a.json", false),
            (written, "a.json", false),
            (read, "a.json", false),
            (EventKind::Create(CreateKind::File), "a.json", false),
            (EventKind::Remove(RemoveKind::File), "a.json", false),
        ] {
            let event = Event::new(kind).add_path(Path::new("/in").join(name));
            assert_eq!(is_arrival(&event), expect, "{kind:?} {name}");
        }
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(is_arrival(&overflow));
    }

    #[test]
    fn a_limit_is_told_with_what_raises_it() {
        let error = io_error(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        assert!(error.to_string().contains("max_user_watches"), "{error}");
    }
}
