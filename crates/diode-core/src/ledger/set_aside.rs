//! The files that were set aside.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::error::{read, write};
use super::rows::moment;
use super::{Ledger, LedgerError, SetAside};

impl Ledger {
    /// Files that were set aside before `before` and have not been discarded.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn set_aside_before(
        &self,
        source: &str,
        before: DateTime<Utc>,
    ) -> Result<Vec<SetAside>, LedgerError> {
        let connection = self.lock()?;
        let mut statement = connection
            .prepare_cached(
                "SELECT id, moved_to FROM files
                 WHERE source = ?1 AND moved_to IS NOT NULL AND gone_at_ms <= ?2",
            )
            .map_err(read)?;
        let rows = statement
            .query_map((source, before.timestamp_millis()), |row| {
                Ok(SetAside {
                    id: row.get(0)?,
                    moved_to: row.get(1)?,
                })
            })
            .map_err(read)?;
        rows.collect::<Result<_, _>>().map_err(read)
    }

    /// Notes that a file that was set aside has been discarded.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn discarded(&self, id: i64) -> Result<(), LedgerError> {
        self.lock()?
            .execute("UPDATE files SET moved_to = NULL WHERE id = ?1", [id])
            .map(drop)
            .map_err(write)
    }

    /// Notes that files which were set aside do not lie there any more, if they are not among these.
    /// What is known of them stays for as long as of any file that is gone. Returns how many there
    /// were.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; nothing is noted then.
    pub fn keep_set_aside(
        &self,
        source: &str,
        there: &HashSet<&str>,
    ) -> Result<usize, LedgerError> {
        let all = self.set_aside_before(source, DateTime::<Utc>::MAX_UTC)?;
        let mut connection = self.lock()?;
        let transaction = connection.transaction().map_err(write)?;
        let mut taken_away = 0;
        for file in all {
            if !there.contains(file.moved_to.as_str()) {
                taken_away += transaction
                    .execute("UPDATE files SET moved_to = NULL WHERE id = ?1", [file.id])
                    .map_err(write)?;
            }
        }
        transaction.commit().map_err(write)?;
        Ok(taken_away)
    }

    /// When it was last told what was set aside of a source; `None`: never.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn set_aside_told(&self, source: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let mut told = None;
        self.lock()?
            .prepare_cached("SELECT set_aside_told_ms FROM sources WHERE source = ?1")
            .and_then(|mut statement| {
                let mut rows = statement.query([source])?;
                if let Some(row) = rows.next()? {
                    told = row.get::<_, Option<i64>>(0)?.map(moment);
                }
                Ok(())
            })
            .map_err(read)?;
        Ok(told)
    }

    /// Notes that it was told at `now`, for a source that is [taken over](Ledger::take_over).
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn tell_set_aside(&self, source: &str, now: DateTime<Utc>) -> Result<(), LedgerError> {
        self.lock()?
            .execute(
                "UPDATE sources SET set_aside_told_ms = ?2 WHERE source = ?1",
                (source, now.timestamp_millis()),
            )
            .map(drop)
            .map_err(write)
    }
}
