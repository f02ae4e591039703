//! A ledger that is damaged: noticed, put out of the way, and begun anew.

use std::fs::{self, File};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, ErrorCode};

use super::{FILE_NAME, Ledger, LedgerError, read, schema};

/// What follows the ledger's name in those of the files that `SQLite` keeps it in.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// How a ledger came to be when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was there.
    Found,
    /// There was none: nothing is known of any file.
    Made,
    /// The one that was there is damaged, and lies at this path. Nothing is known of any file.
    Replaced(PathBuf),
}

/// The database, while there is one.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
    /// What was left undone when a damaged ledger was to be replaced: there is no ledger then.
    pub(super) loss: Option<Loss>,
}

/// How far the replacement of a damaged ledger has come.
#[derive(Clone, Debug)]
pub(super) enum Loss {
    /// Files of it may still have their names; they are to have this one.
    Named(PathBuf),
    /// All of it has this name.
    PutAway(PathBuf),
}

impl From<Connection> for Store {
    fn from(connection: Connection) -> Self {
        Self {
            connection,
            loss: None,
        }
    }
}

impl Deref for Store {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Store {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// It counts as damage, so that whoever meets it tries to replace it again.
pub(super) fn lost() -> LedgerError {
    LedgerError::Damaged {
        finding: "it could not be replaced by a new one".to_owned(),
    }
}

impl LedgerError {
    /// Whether the ledger's file is not what was written: truncated, overwritten, or no ledger.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Open { source, .. } | Self::Access { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
            ),
            _ => false,
        }
    }
}

impl Ledger {
    /// Opens the ledger in `folder`, makes both where they are missing, and begins a new one where
    /// that which is there is damaged. The damaged one is kept beside it, under a name with `now`.
    ///
    /// All of it is read once to find that out.
    ///
    /// # Errors
    /// [`LedgerError::Folder`], [`LedgerError::Open`], [`LedgerError::Newer`], and
    /// [`LedgerError::Kept`] where a damaged one cannot be put out of the way.
    pub fn open_or_replace(
        folder: &Path,
        now: DateTime<Utc>,
    ) -> Result<(Self, Origin), LedgerError> {
        let was_there = folder.join(FILE_NAME).exists();
        let opened = refuse_empty(folder)
            .and_then(|()| Self::open(folder))
            .and_then(|ledger| ledger.check().map(|()| ledger));
        match opened {
            Ok(ledger) if was_there => Ok((ledger, Origin::Found)),
            Ok(ledger) => Ok((ledger, Origin::Made)),
            Err(error) if error.is_damage() => {
                let kept = name_for(folder, now);
                put_away(folder, &kept)?;
                Ok((Self::open(folder)?, Origin::Replaced(kept)))
            }
            Err(error) => {
                if !was_there {
                    remove_if_empty(folder);
                }
                Err(error)
            }
        }
    }

    /// Begins a new ledger in place of this one, which turned out to be damaged while it was used.
    /// Returns where the damaged one lies.
    ///
    /// # Errors
    /// As for [`Ledger::open_or_replace`]; there is no ledger then, and each use of it fails as one of
    /// a damaged one does, until this has been called again and succeeded.
    pub fn replace(&self, now: DateTime<Utc>) -> Result<PathBuf, LedgerError> {
        let mut store = self.store();
        let loss = store.loss.take();
        let loss = loss.unwrap_or_else(|| Loss::Named(name_for(&self.folder, now)));
        store.loss = Some(loss.clone());
        // The files must not be open any more when they get other names.
        store.connection = Connection::open_in_memory().map_err(read)?;
        let kept = match loss {
            Loss::Named(name) => {
                put_away(&self.folder, &name)?;
                store.loss = Some(Loss::PutAway(name.clone()));
                name
            }
            Loss::PutAway(kept) => kept,
        };
        store.connection = schema::connect(&self.folder)?;
        store.loss = None;
        Ok(kept)
    }

    /// Reads all of the ledger.
    fn check(&self) -> Result<(), LedgerError> {
        let finding: String = self
            .lock()?
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(read)?;
        if finding == "ok" {
            return Ok(());
        }
        Err(LedgerError::Damaged { finding })
    }
}

/// Removes what is left of a ledger that could not be begun, as where the disk is full: the next start
/// would take it for one that was truncated. It does that, too, where this fails.
fn remove_if_empty(folder: &Path) {
    let path = folder.join(FILE_NAME);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
        let _ = fs::remove_file(path);
    }
}

/// To `SQLite`, a file that was truncated to nothing is a new database.
fn refuse_empty(folder: &Path) -> Result<(), LedgerError> {
    match fs::metadata(folder.join(FILE_NAME)) {
        Ok(metadata) if metadata.len() == 0 => Err(LedgerError::Damaged {
            finding: "the file is empty".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The name that a damaged ledger is kept under.
fn name_for(folder: &Path, now: DateTime<Utc>) -> PathBuf {
    let time = now.format("%Y%m%dT%H%M%S%3fZ");
    folder.join(format!("{FILE_NAME}.broken-{time}"))
}

/// Gives the ledger's files that name. Those that have it already keep it.
fn put_away(folder: &Path, to: &Path) -> Result<(), LedgerError> {
    let from = folder.join(FILE_NAME);
    rename_all(&from, to)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|source| LedgerError::Kept { path: from, source })
}

/// The database goes first: beside none, `SQLite` takes nothing from what is left of a log.
fn rename_all(from: &Path, to: &Path) -> io::Result<()> {
    for suffix in SUFFIXES {
        match fs::rename(with(from, suffix), with(to, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};
    use std::sync::atomic::Ordering;

    use bundle_source::{Entry, Location};

    use super::*;
    use crate::Outcome;
    use crate::ledger::Record;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn fill(ledger: &Ledger, files: u32) {
        for number in 0..files {
            let file = Entry {
                location: Location::new(format!("{number:0>200}.json")),
                size: 1,
                modified: at(0),
                etag: None,
            };
            ledger
                .record("s", &file, Outcome::Imported, &Record::default(), at(1))
                .unwrap();
        }
    }

    /// A folder with a ledger of some size, all of it in its first file.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, origin) = Ledger::open_or_replace(folder.path(), at(0)).unwrap();
        assert_eq!(origin, Origin::Made);
        fill(&ledger, 200);
        folder
    }

    /// Overwrites a part of the ledger's file.
    fn overwrite(folder: &Path, from: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(folder.join(FILE_NAME));
        let mut file = file.unwrap();
        file.seek(SeekFrom::Start(from)).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn truncate(folder: &Path, length: u64) {
        let file = File::options().write(true).open(folder.join(FILE_NAME));
        file.unwrap().set_len(length).unwrap();
    }

    #[test]
    fn a_damaged_ledger_is_kept_and_a_new_one_begun() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 5] = [
            ("emptied", |folder| truncate(folder, 0)),
            ("cut in the header", |folder| truncate(folder, 50)),
            ("cut in half", |folder| truncate(folder, 40_960)),
            ("no database", |folder| {
                fs::write(folder.join(FILE_NAME), "no database at all").unwrap();
            }),
            ("zeroed in the middle", |folder| {
                overwrite(folder, 8192, &[0; 16_384]);
            }),
        ];
        for (name, damage) in damages {
            let folder = folder();
            damage(folder.path());
            let before = fs::read(folder.path().join(FILE_NAME)).unwrap();
            let (ledger, origin) = Ledger::open_or_replace(folder.path(), at(1)).unwrap();
            let kept = folder
                .path()
                .join("ledger.sqlite3.broken-19700101T000001000Z");
            assert_eq!(origin, Origin::Replaced(kept.clone()), "{name}");
            assert_eq!(fs::read(kept).unwrap(), before, "{name}");
            assert!(ledger.known("s").unwrap().is_empty(), "{name}");
            fill(&ledger, 1);
            drop(ledger);
            let (ledger, origin) = Ledger::open_or_replace(folder.path(), at(2)).unwrap();
            assert_eq!(origin, Origin::Found, "{name}");
            assert_eq!(ledger.known("s").unwrap().len(), 1, "{name}");
        }
    }

    #[test]
    fn a_ledger_is_replaced_while_it_is_used() {
        let folder = folder();
        let ledger = Ledger::open(folder.path()).unwrap();
        overwrite(folder.path(), 8192, &vec![0xff; 65_536]);
        let error = ledger.known("s").unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        let kept = ledger.replace(at(1)).unwrap();
        assert!(kept.exists());
        fill(&ledger, 1);
        assert_eq!(ledger.known("s").unwrap().len(), 1);
    }

    #[test]
    fn a_ledger_that_could_not_be_replaced_is_replaced_when_that_is_tried_again() {
        type Place = fn(&Path) -> PathBuf;
        let obstacles: [(&str, Place); 2] = [
            ("it cannot be put away", |folder| name_for(folder, at(1))),
            ("no new one can be begun", |folder| folder.join(FILE_NAME)),
        ];
        for (name, place) in obstacles {
            let folder = folder();
            let ledger = Ledger::open(folder.path()).unwrap();
            overwrite(folder.path(), 8192, &vec![0xff; 65_536]);
            assert!(ledger.known("s").unwrap_err().is_damage(), "{name}");
            let damaged = fs::read(folder.path().join(FILE_NAME)).unwrap();
            let obstacle = place(folder.path());
            if obstacle.exists() {
                // As if the disk had been full once the damaged one was put away.
                let mut store = ledger.store();
                store.connection = Connection::open_in_memory().unwrap();
                let kept = name_for(folder.path(), at(1));
                put_away(folder.path(), &kept).unwrap();
                store.loss = Some(Loss::PutAway(kept));
                drop(store);
                fs::create_dir(&obstacle).unwrap();
                ledger.replace(at(2)).unwrap_err();
            } else {
                fs::create_dir_all(obstacle.join("x")).unwrap();
                ledger.replace(at(1)).unwrap_err();
            }
            for _ in 0..2 {
                ledger.unflushed.store(true, Ordering::Relaxed);
                assert!(ledger.flush().unwrap_err().is_damage(), "{name}");
                assert!(ledger.known("s").unwrap_err().is_damage(), "{name}");
                assert!(ledger.open_works().unwrap_err().is_damage(), "{name}");
                ledger.replace(at(3)).unwrap_err();
            }
            fs::remove_dir_all(&obstacle).unwrap();
            let kept = ledger.replace(at(4)).unwrap();
            assert_eq!(fs::read(kept).unwrap(), damaged, "{name}");
            fill(&ledger, 1);
            assert_eq!(ledger.known("s").unwrap().len(), 1, "{name}");
        }
    }

    #[test]
    fn what_is_not_damage_is_refused_as_ever() {
        let folder = folder();
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger
            .lock()
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        drop(ledger);
        let error = Ledger::open_or_replace(folder.path(), at(1)).unwrap_err();
        assert!(matches!(error, LedgerError::Newer { .. }), "{error}");
        assert!(!error.is_damage());
    }
}
