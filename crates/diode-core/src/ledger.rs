//! The ledger: what is known of every file, in SQLite, so that a restart forgets nothing.
//!
//! One row is one stay of one file in one place. While the file is there, the row is the only one
//! of its location; once it has left (deleted, or set aside), or was forgotten because the
//! connector's state was reset, the row stays as history and a file that comes later under the
//! same name gets a row of its own.

mod connectors;
mod content;
mod error;
mod history;
mod known;
mod look;
mod recovery;
mod rows;
mod schema;
mod set_aside;
mod works;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bundle_source::{Entry, Location};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};

use self::error::{read, write};
use self::recovery::Store;
use self::rows::{insert, invalid, mark_gone, moment, nanoseconds};
use crate::private::create_private_folder;
use crate::{Code, Fingerprint, Outcome};

pub use content::SameContent;
pub use error::LedgerError;
pub use history::{History, HistoryEntry, Place};
pub use known::{Known, KnownFiles};
pub use recovery::Origin;
pub use rows::{Record, SetAside};

/// The ledger's file within the state folder.
pub const FILE_NAME: &str = "ledger.sqlite3";

/// How many rows are dropped at a time, so that nobody waits for it.
const PRUNED_AT_ONCE: i64 = 10_000;

/// The ledger of one program.
///
/// What [`record`](Ledger::record), [`deleted`](Ledger::deleted) and [`hold_work`](Ledger::hold_work)
/// write outlives a killed process when the call returns, and a power failure after the next
/// [`flush`](Ledger::flush): so thousands of small files do not cost thousands of waits for the
/// disk. Every other write is on disk, with all that was written before it, when its call returns.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    store: Mutex<Store>,
    /// Whether the ledger is of an earlier schema, and only looked at.
    schema: i64,
    /// Whether an outcome was written that may not be on disk yet.
    unflushed: AtomicBool,
    /// Whether rows may say that their file is missing, and not since when.
    undated: AtomicBool,
}

impl Ledger {
    /// Opens the ledger in `folder`, and makes both where they are missing.
    ///
    /// # Errors
    /// [`LedgerError::Folder`], [`LedgerError::Open`] and [`LedgerError::Newer`].
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        create_private_folder(folder).map_err(|source| LedgerError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            store: Mutex::new(schema::connect(folder)?.into()),
            schema: schema::VERSION,
            // An earlier process may have been killed before it flushed.
            unflushed: AtomicBool::new(true),
            // An earlier version of this program may have written them.
            undated: AtomicBool::new(true),
        })
    }

    /// What is known of the files of a source that have not left their place.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn known(&self, source: &str) -> Result<KnownFiles, LedgerError> {
        known::read_all(&*self.lock()?, source).map_err(read)
    }

    /// Remembers what became of a file that is still in its place; replaces what was known of it.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; what was known before still is.
    pub fn record(
        &self,
        source: &str,
        entry: &Entry,
        outcome: Outcome,
        record: &Record<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.record_all(source, [(entry, outcome, record)], now)
    }

    /// Remembers the same of several files: of all, or of none.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; what was known before still is.
    pub fn record_all<'r>(
        &self,
        source: &str,
        files: impl IntoIterator<Item = (&'r Entry, Outcome, &'r Record<'r>)>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.lightly(|connection| {
            let transaction = connection.transaction()?;
            for (entry, outcome, record) in files {
                insert(&transaction, source, entry, outcome, record, now)?;
            }
            transaction.commit()
        })?;
        self.unflushed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes sure that all that was written is on disk.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; nothing written since the last time may be relied on.
    pub fn flush(&self) -> Result<(), LedgerError> {
        if !self.unflushed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.sync()?;
        self.unflushed.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Has the disk written without a word of it: what became of files is not on disk for this,
    /// before it is [flushed](Self::flush).
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        // A commit syncs the log with all commits before it; this one changes nothing.
        self.lock()?
            .pragma_update(None, "user_version", schema::VERSION)
            .map_err(write)
    }

    #[cfg(test)]
    pub(crate) fn is_flushed(&self) -> bool {
        !self.unflushed.load(Ordering::Relaxed)
    }

    /// Writes without waiting for the disk.
    fn lightly(
        &self,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<(), LedgerError> {
        let mut connection = self.lock()?;
        let synchronous =
            |connection: &Connection, level| connection.pragma_update(None, "synchronous", level);
        synchronous(&connection, "NORMAL").map_err(write)?;
        let changed = change(&mut connection);
        synchronous(&connection, "FULL").map_err(write)?;
        changed.map_err(write)
    }

    /// Whether [`Ledger::take_over`] was done for a source.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn is_taken_over(&self, source: &str) -> Result<bool, LedgerError> {
        self.lock()?
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sources WHERE source = ?1)",
                [source],
                |row| row.get(0),
            )
            .map_err(read)
    }

    /// Notes that a source is ours from now on, and that these files in it, given with their
    /// fingerprints, were imported before.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; nothing is noted then.
    pub fn take_over(
        &self,
        source: &str,
        imported: &[(Entry, Fingerprint)],
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction().map_err(write)?;
        for (entry, fingerprint) in imported {
            let record = Record {
                fingerprint: Some(*fingerprint),
                code: Some(Code::ImportedBefore),
                ..Record::default()
            };
            insert(&transaction, source, entry, Outcome::Imported, &record, now).map_err(write)?;
        }
        transaction
            .execute(
                "INSERT OR IGNORE INTO sources (source, since_ms) VALUES (?1, ?2)",
                (source, now.timestamp_millis()),
            )
            .map_err(write)?;
        transaction.commit().map_err(write)
    }

    /// Forgets what became of the files of a source that are in their place, so that they are
    /// looked at as if they were new, and which contents were imported. What merely waits, waits on;
    /// what was set aside stays so.
    /// Returns how many were forgotten.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; what was known before still is.
    pub fn forget(&self, source: &str, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let mut connection = self.lock()?;
        let transaction = connection.transaction().map_err(write)?;
        let now = now.timestamp_millis();
        let forgotten = transaction
            .execute(
                "UPDATE files SET gone_at_ms = ?2
                 WHERE source = ?1 AND gone_at_ms IS NULL AND outcome <> ?3",
                (source, now, Outcome::Waiting.as_str()),
            )
            .map_err(write)?;
        transaction
            .execute(
                "UPDATE sources SET forgotten_at_ms = ?2 WHERE source = ?1",
                (source, now),
            )
            .map_err(write)?;
        transaction.commit().map_err(write)?;
        Ok(forgotten)
    }

    /// Notes that a file known by its content is now there as `entry`: written anew, but the same.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn recognise(&self, id: i64, entry: &Entry) -> Result<(), LedgerError> {
        self.lock()?
            .execute(
                "UPDATE files SET size = ?2, modified_ns = ?3, etag = ?4, missed = 0 WHERE id = ?1",
                (
                    id,
                    entry.size.cast_signed(),
                    nanoseconds(entry.modified),
                    entry.etag.as_deref(),
                ),
            )
            .map(drop)
            .map_err(write)
    }

    /// Notes that a file has left its place: deleted, or set aside at `moved_to`.
    ///
    /// An earlier file that was set aside under the same name is no longer there: somebody took
    /// it away, or the name would not have been free. Its row must not outlive it, or the new
    /// file would be discarded when the old one's retention has passed.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn left(
        &self,
        source: &str,
        location: &Location,
        moved_to: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        if moved_to.is_none() {
            return self.deleted(source, [location], now);
        }
        let mut connection = self.lock()?;
        let transaction = connection.transaction().map_err(write)?;
        transaction
            .execute(
                "UPDATE files SET moved_to = NULL WHERE source = ?1 AND moved_to = ?2",
                (source, moved_to),
            )
            .map_err(write)?;
        mark_gone(&transaction, source, location, moved_to, now).map_err(write)?;
        transaction.commit().map_err(write)
    }

    /// Notes that files have been deleted. That they are gone, the next listing tells again, so
    /// nobody waits for the disk.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn deleted<'l>(
        &self,
        source: &str,
        locations: impl IntoIterator<Item = &'l Location>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        self.lightly(|connection| {
            let transaction = connection.transaction()?;
            for location in locations {
                mark_gone(&transaction, source, location, None, now)?;
            }
            transaction.commit()
        })
    }

    /// The text of the reason file of a file that is to be set aside.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn reason(
        &self,
        source: &str,
        location: &Location,
    ) -> Result<Option<Vec<u8>>, LedgerError> {
        self.lock()?
            .query_row(
                "SELECT reason FROM files WHERE source = ?1 AND location = ?2 AND gone_at_ms IS NULL",
                (source, location.as_str()),
                |row| row.get(0),
            )
            .optional()
            .map(Option::flatten)
            .map_err(read)
    }

    /// Notes of rows whether a listing did not show their file ([`Known::missed`]), so that one that
    /// went and came back is told from one that was only touched; and since when.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; nothing is noted then.
    pub fn seen(
        &self,
        rows: impl IntoIterator<Item = (i64, bool)>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let since = schema::missed_since(now);
        let mut connection = self.lock()?;
        let transaction = connection.transaction().map_err(write)?;
        for (id, missed) in rows {
            transaction
                .prepare_cached("UPDATE files SET missed = ?2 WHERE id = ?1")
                .and_then(|mut update| update.execute((id, if missed { since } else { 0 })))
                .map_err(write)?;
        }
        transaction.commit().map_err(write)
    }

    /// Drops what is known of files that have been gone, or missing, since before `before`. Rows of
    /// files that lie where they were set aside stay. Returns how many were dropped.
    ///
    /// Files that an earlier version of this program found missing count as missing from `now` on.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn prune(
        &self,
        source: &str,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        let connection = self.lock()?;
        if self.undated.load(Ordering::Relaxed) {
            connection
                .execute(schema::DATE, [schema::missed_since(now)])
                .map_err(write)?;
            self.undated.store(false, Ordering::Relaxed);
        }
        connection
            .execute(
                schema::PRUNE,
                (source, before.timestamp_millis(), PRUNED_AT_ONCE),
            )
            .map_err(write)
    }

    /// Lets all that became of a source's files before `before`, or was done to them, have been at
    /// `now`: a clock that was not set told of it. Returns how many times were changed.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn date_anew(
        &self,
        source: &str,
        before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<usize, LedgerError> {
        let connection = self.lock()?;
        let times = (source, before.timestamp_millis(), now.timestamp_millis());
        let mut changed = 0;
        for statement in [schema::DECIDE_ANEW, schema::LEAVE_ANEW] {
            changed += connection.execute(statement, times).map_err(write)?;
        }
        Ok(changed)
    }

    /// The connection, where there is a ledger.
    fn lock(&self) -> Result<MutexGuard<'_, Store>, LedgerError> {
        let store = self.store();
        match store.loss {
            None => Ok(store),
            Some(_) => Err(recovery::lost()),
        }
    }

    /// A panic while the lock was held leaves SQLite's own transactions intact.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
