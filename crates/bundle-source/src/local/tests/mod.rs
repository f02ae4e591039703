//! The local source as a whole, on folders of a temporary directory.

mod contract;
mod listing;
mod opening;
mod permission;
mod reading;
mod removal;
mod set_aside;
mod watch;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;

use super::LocalSource;
use super::folder::Folder;
use crate::{Entry, Source};

/// A temporary directory with the source's folder `in` and, outside of it, `elsewhere`.
struct Place {
    root: TempDir,
    source: LocalSource,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        fs::create_dir(root.path().join("elsewhere")).unwrap();
        let source = LocalSource::new(root.path().join("in"), None).unwrap();
        Self { root, source }
    }

    /// The path of `name` in the source's folder.
    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("in").join(name)
    }

    fn elsewhere(&self, name: &str) -> PathBuf {
        self.root.path().join("elsewhere").join(name)
    }

    fn put(&self, name: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Puts a file and gives its entry.
    async fn entry(&self, name: &str, content: &[u8]) -> Entry {
        self.put(name, content);
        let entries: Vec<_> = self.source.list_all().await.unwrap().entries().collect();
        entries
            .into_iter()
            .find(|entry| entry.location.as_str() == name)
            .unwrap()
    }

    async fn listed(&self) -> Vec<String> {
        let entries: Vec<_> = self.source.list_all().await.unwrap().entries().collect();
        entries
            .iter()
            .map(|entry| entry.location.to_string())
            .collect()
    }

    /// All the names in a folder below the source's, hidden ones too, sorted.
    fn names(&self, folder: &str) -> Vec<String> {
        names_in(&self.path(folder))
    }

    fn folder(&self) -> Folder {
        Folder::open(&self.path("")).unwrap()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What may stand where a file was listed, without being one.
#[derive(Clone, Copy, Debug)]
enum Impostor {
    LinkInside,
    LinkOutside,
    LinkToNothing,
    LinkToItself,
    Directory,
    Fifo,
    Socket,
}

impl Impostor {
    const ALL: [Self; 7] = [
        Self::LinkInside,
        Self::LinkOutside,
        Self::LinkToNothing,
        Self::LinkToItself,
        Self::Directory,
        Self::Fifo,
        Self::Socket,
    ];

    /// Puts the impostor at `path`; `inside` and `outside` are files for links to lead to.
    fn put(self, path: &Path, inside: &Path, outside: &Path) {
        match self {
            Self::LinkInside => symlink(inside, path).unwrap(),
            Self::LinkOutside => symlink(outside, path).unwrap(),
            Self::LinkToNothing => symlink("nothing", path).unwrap(),
            Self::LinkToItself => symlink(path, path).unwrap(),
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::Fifo => mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap(),
            Self::Socket => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        }
    }
}

/// Sets a file's modification time, in seconds since 1970.
fn set_modified(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// Fails a test, instead of hanging it, where `work` does not end.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(5), work)
        .await
        .expect("it hangs")
}
