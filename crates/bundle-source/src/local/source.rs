//! The folder as a [`Source`].

use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::FileType;

use super::error::{Trouble, failed};
use super::folder::Folder;
use super::listing::{Odd, list, list_rejected, shown};
use super::names::{Name, name_of};
use super::opening::Opener;
use super::reading::{Unread, blocking, read};
use super::removal::{remove, restore};
use super::set_aside::{discard, set_aside};
use super::watch::LocalWatch;
use crate::listing::Room;
use crate::oddities::{Oddities, Said};
use crate::{Entry, Listing, ReadError, Removal, Source, SourceError, Wanted};

/// The folder for rejected files where none is given, within the folder itself.
const REJECTED: &str = "rejected";

/// Why a folder cannot be the one for rejected files: it would list them again.
const SAME_FOLDER: &str = "it is the folder that the files come from";

/// Why a link is not the folder for rejected files: whoever writes to the folder around it could have
/// put it there.
const LINK: &str = "it is a link, and none is followed here; DIODE_IMPORT_REJECTED_PATH can name \
                    another folder";

/// Why a file is not discarded.
const NOT_REJECTED: &str = "it is not in the folder for rejected files";

/// Bundle files in a folder of this machine.
///
/// What may be a bundle is a regular file directly in the folder whose name ends with `.json` and
/// does not begin with a dot. What is only named so (a link, a directory, a FIFO, a name that is
/// not UTF-8 or has control characters) is left alone, and said once in the log.
///
/// Files are read through `object_store`'s local store. Nothing else is: it does not promise what
/// [`Source`] does.
///
/// ```
/// use bundle_source::{LocalSource, Source};
///
/// let source = LocalSource::new("/var/diode", None)?;
/// assert_eq!(source.name(), "directory:/var/diode");
///
/// let refused = LocalSource::new("/var/diode", Some("/var/diode/".into())).unwrap_err();
/// assert_eq!(refused.to_string(), "cannot use /var/diode as the folder for rejected files");
/// # Ok::<(), bundle_source::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    folder: PathBuf,
    rejected: Rejected,
    opener: Arc<Opener>,
    /// The oddities of the last listing, which have been said.
    said: Mutex<Said<OsString>>,
    /// How much the last listing had in it.
    room: Mutex<Room>,
    /// Whether what an earlier process left half removed was given back.
    restored: AtomicBool,
}

#[derive(Debug, PartialEq, Eq)]
enum Rejected {
    /// In the folder, where others may write: links are not followed.
    Inside,
    /// Where the operator says.
    At(PathBuf),
}

impl LocalSource {
    /// The source of the files in `folder`, which need not be there yet.
    ///
    /// Rejected files go to the folder `rejected`, or else to `rejected` within `folder`; it is
    /// created when it is first needed. Relative paths are resolved now.
    ///
    /// # Errors
    /// [`SourceError`], not transient, where a path is empty, is not UTF-8 or has control
    /// characters, or where both folders are the same.
    pub fn new(folder: impl Into<PathBuf>, rejected: Option<PathBuf>) -> Result<Self, SourceError> {
        let folder = resolve(&folder.into())?;
        let rejected = match rejected {
            Some(path) => Rejected::at(resolve(&path)?, &folder)?,
            None => Rejected::Inside,
        };
        let name = format!("directory:{}", folder.display());
        let inner = Inner {
            name,
            folder,
            rejected,
            opener: Arc::new(Opener::new()),
            said: Mutex::default(),
            room: Mutex::default(),
            restored: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What tells when files arrive in the folder.
    pub fn watch(&self) -> LocalWatch {
        LocalWatch::new(self.inner.folder.clone())
    }

    /// Runs `work` where blocking is allowed; `action` and `place` are for its errors.
    async fn blocking<T, E>(
        &self,
        action: &'static str,
        place: String,
        work: impl FnOnce(&Inner) -> Result<T, E> + Send + 'static,
    ) -> Result<T, SourceError>
    where
        T: Send + 'static,
        E: From<io::Error> + Into<Trouble> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner))
            .await
            .map_err(|error| failed(action, place, error))
    }

    fn place_of(&self, entry: &Entry) -> String {
        format!("{}/{}", self.inner.folder.display(), entry.location)
    }
}

#[async_trait]
impl Source for LocalSource {
    fn name(&self) -> &str {
        &self.inner.name
    }

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        let (place, wanted) = (self.inner.folder.display().to_string(), wanted.clone());
        self.blocking("list", place, move |inner| inner.list(&wanted))
            .await
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        let Inner { opener, folder, .. } = &*self.inner;
        let (location, size) = (entry.location.clone(), entry.size);
        read(opener, folder, entry, limit)
            .await
            .map_err(|unread| match unread {
                Unread::TooLarge => ReadError::TooLarge {
                    location,
                    size,
                    limit,
                },
                Unread::Changed => ReadError::Changed { location },
                Unread::Gone => ReadError::Gone { location },
                Unread::Failed(error) => failed("read", self.place_of(entry), error).into(),
            })
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        let (place, entry) = (self.place_of(entry), entry.clone());
        self.blocking("remove", place, move |inner| inner.remove(&entry))
            .await
    }

    /// All in one call that may block: for small files, waking a thread takes longer than removing.
    async fn remove_all(&self, entries: &[Entry]) -> Vec<Result<Removal, SourceError>> {
        let places: Vec<String> = entries.iter().map(|entry| self.place_of(entry)).collect();
        let entries = entries.to_owned();
        let work = move |inner: &Inner| {
            let mut removals = Vec::with_capacity(entries.len());
            for (entry, place) in entries.iter().zip(places) {
                let removal = inner.remove(entry);
                let removal = removal.map_err(|error| failed("remove", place, error));
                let is_refused = matches!(&removal, Err(error) if error.read_only);
                removals.push(removal);
                if is_refused {
                    break;
                }
            }
            Ok::<_, Trouble>(removals)
        };
        let place = self.inner.folder.display().to_string();
        match self.blocking("remove files from", place, work).await {
            Ok(removals) => removals,
            Err(error) => vec![Err(error)],
        }
    }

    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError> {
        let (place, entry, reason) = (self.place_of(entry), entry.clone(), reason.to_owned());
        self.blocking("set aside", place, move |inner| {
            inner.set_aside(&entry, &reason)
        })
        .await
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        let place = self.inner.rejected_path().display().to_string();
        self.blocking("list", place, Inner::list_set_aside).await
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        let (place, path) = (set_aside.to_owned(), PathBuf::from(set_aside));
        self.blocking("discard", place, move |inner| inner.discard(&path))
            .await
    }
}

impl Inner {
    fn list(&self, wanted: &Wanted) -> io::Result<Listing> {
        let folder = Folder::open(&self.folder)?;
        if !self.restored.load(Ordering::Acquire) {
            restore(&folder)?;
            self.restored.store(true, Ordering::Release);
        }
        let room = || self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *room();
        let found = list(&folder, wanted, before)?;
        *room() = found.listing.room();
        self.say_oddities(found.oddities);
        Ok(found.listing)
    }

    fn remove(&self, entry: &Entry) -> Result<Removal, Trouble> {
        let folder = Folder::open(&self.folder).map_err(Trouble::of_folder)?;
        remove(&folder, entry).map_err(|error| Trouble::of_change(error, || folder.is_writable()))
    }

    fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, Trouble> {
        let folder = Folder::open(&self.folder).map_err(Trouble::of_folder)?;
        let rejected = self.open_rejected(&folder).map_err(Trouble::of_folder)?;
        let may_write = || folder.is_writable() && rejected.is_writable();
        let place = set_aside(&folder, &rejected, entry, reason)
            .map_err(|error| Trouble::of_change(error, may_write))?;
        Ok(place.map(|place| place.display().to_string()))
    }

    fn discard(&self, path: &Path) -> io::Result<()> {
        let Some(name) = name_in(&self.rejected_path(), path) else {
            return Err(io::Error::new(ErrorKind::InvalidInput, NOT_REJECTED));
        };
        match self.find_rejected()? {
            Some(rejected) => discard(&rejected, name),
            None => Ok(()),
        }
    }

    fn list_set_aside(&self) -> io::Result<Listing> {
        match self.find_rejected()? {
            Some(rejected) => list_rejected(&rejected),
            None => Ok(Listing::default()),
        }
    }

    fn rejected_path(&self) -> PathBuf {
        match &self.rejected {
            Rejected::Inside => self.folder.join(REJECTED),
            Rejected::At(rejected) => rejected.clone(),
        }
    }

    /// The folder for rejected files, where it is there.
    fn find_rejected(&self) -> io::Result<Option<Folder>> {
        let folder = Folder::open(&self.folder)?;
        let rejected = match &self.rejected {
            Rejected::Inside => folder
                .open_inside(REJECTED.as_ref())
                .map_err(|error| not_opened(&folder, error)),
            Rejected::At(rejected) => Folder::open(rejected),
        };
        match rejected {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            rejected => apart(rejected?, &folder).map(Some),
        }
    }

    fn open_rejected(&self, folder: &Folder) -> io::Result<Folder> {
        let rejected = match &self.rejected {
            Rejected::Inside => folder
                .open_or_create_inside(REJECTED.as_ref())
                .map_err(|error| not_opened(folder, error)),
            Rejected::At(path) => Folder::open_or_create(path),
        };
        apart(rejected?, folder)
    }

    fn say_oddities(&self, oddities: Oddities<OsString, Odd>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let source = self.name.as_str();
        let more = said.say_news(oddities, |name, reason| {
            let file = shown(name);
            tracing::warn!(source, file, %reason, "a file is left alone");
        });
        if let Some(more) = more {
            tracing::warn!(
                source,
                more,
                "more files are left alone, too many to be named"
            );
        }
    }
}

impl Rejected {
    fn at(path: PathBuf, folder: &Path) -> Result<Self, SourceError> {
        if path == folder {
            let place = format!("{} as the folder for rejected files", path.display());
            let cause = io::Error::new(ErrorKind::InvalidInput, SAME_FOLDER);
            return Err(failed("use", place, cause));
        }
        Ok(if path == folder.join(REJECTED) {
            Self::Inside
        } else {
            Self::At(path)
        })
    }
}

/// Why the folder for rejected files in `folder` was not opened, so that it can be mended.
fn not_opened(folder: &Folder, error: io::Error) -> io::Error {
    let path = folder.path().join(REJECTED);
    match folder.stat(REJECTED.as_ref()) {
        Ok(Some(stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
            about(&path, ErrorKind::NotADirectory, LINK)
        }
        _ => about(&path, error.kind(), error),
    }
}

/// An error that says what it is about.
fn about(path: &Path, kind: ErrorKind, why: impl fmt::Display) -> io::Error {
    io::Error::new(kind, format!("{}: {why}", path.display()))
}

/// The folder for rejected files, if no link makes it the one that the files come from.
fn apart(rejected: Folder, folder: &Folder) -> io::Result<Folder> {
    if rejected.is_same(folder)? {
        return Err(io::Error::new(ErrorKind::InvalidInput, SAME_FOLDER));
    }
    Ok(rejected)
}

/// The name of a file that `path` says is directly in `folder`, and that may have been set aside.
fn name_in<'a>(folder: &Path, path: &'a Path) -> Option<&'a str> {
    match name_of(path.strip_prefix(folder).ok()?.as_os_str()) {
        Name::Bundle(name) => Some(name),
        Name::NotText | Name::OtherCase | Name::Other => None,
    }
}

/// The absolute path of a folder that the operator names.
fn resolve(path: &Path) -> Result<PathBuf, SourceError> {
    let unusable = |cause| {
        let place = format!("{} as a folder", path.display().to_string().escape_debug());
        failed("use", place, cause)
    };
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => {}
        _ => {
            let cause = "the path is not UTF-8 or has control characters";
            return Err(unusable(io::Error::new(ErrorKind::InvalidInput, cause)));
        }
    }
    // Collecting the components does away with a slash at the end.
    Ok(std::path::absolute(path)
        .map_err(unusable)?
        .components()
        .collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, subscriber};

    use super::*;

    /// Gathers the texts of the field `file`.
    #[derive(Clone, Default)]
    struct Gatherer(Arc<Mutex<Vec<String>>>);

    impl Visit for Gatherer {
        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "file" {
                self.0.lock().unwrap().push(value.to_owned());
            }
        }
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.record_str(field, &format!("{value:?}"));
        }
    }

    impl Subscriber for Gatherer {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn an_oddity_is_said_once_and_again_when_it_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let source = LocalSource::new(folder.path(), None).unwrap();
        let gatherer = Gatherer::default();
        let check = |expect: &[&str]| {
            subscriber::with_default(gatherer.clone(), || source.inner.list(&Wanted::all()))
                .unwrap();
            assert_eq!(std::mem::take(&mut *gatherer.0.lock().unwrap()), expect);
        };
        let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        check(&[]);
        symlink("nothing", path(b"x.json")).unwrap();
        check(&["x.json"]);
        check(&[]);
        fs::create_dir(path(b"y z.json")).unwrap();
        check(&["y z.json"]);
        fs::remove_file(path(b"x.json")).unwrap();
        check(&[]);
        symlink("nothing", path(b"x.json")).unwrap();
        check(&["x.json"]);
        // As FAT and ISO 9660 have names; what is split, packed or half copied is no mistake.
        for name in [
            "UPPER.JSON",
            "zip.json.gz",
            "f.json.filepart",
            "feed.json-chunk_aab",
        ] {
            fs::write(path(name.as_bytes()), b"{}").unwrap();
        }
        fs::create_dir(path(b"FOLDER.JSON")).unwrap();
        check(&["UPPER.JSON"]);
        check(&[]);
        // What is no text shows its bytes; the log escapes what is left.
        fs::write(path(b"caf\xe9\n.json"), b"{}").unwrap();
        check(&["caf\\xE9\n.json"]);
    }
}
