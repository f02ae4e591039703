//! The works that are open on the platform, one for each source connector.

use opencti_client::WorkId;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{Ledger, LedgerError, invalid, moment, read, write};
use crate::works::{Hold, OpenWork};

const COLUMNS: &str = "connector_id, connector_name, work_id, hold, unsent, used_at_ms";

impl Ledger {
    /// The works that were open when they were last looked at.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn open_works(&self) -> Result<Vec<OpenWork>, LedgerError> {
        let connection = self.lock()?;
        let mut statement = connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM works ORDER BY connector_id"
            ))
            .map_err(read)?;
        let rows = statement.query_map([], open_work).map_err(read)?;
        rows.collect::<Result<_, _>>().map_err(read)
    }

    /// The open work of a source connector.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn open_work(&self, connector_id: &str) -> Result<Option<OpenWork>, LedgerError> {
        self.lock()?
            .query_row(
                &format!("SELECT {COLUMNS} FROM works WHERE connector_id = ?1"),
                [connector_id],
                open_work,
            )
            .optional()
            .map_err(read)
    }

    /// Remembers the open work of a source connector, in place of any other of it.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; what was known before still is.
    pub fn keep_work(&self, work: &OpenWork) -> Result<(), LedgerError> {
        put(&*self.lock()?, work).map_err(write)
    }

    /// The same of a work that is held from now on, without waiting for the disk.
    ///
    /// # Errors
    /// [`LedgerError::Access`]; what was known before still is.
    pub fn hold_work(&self, work: &OpenWork) -> Result<(), LedgerError> {
        self.lightly(|connection| put(connection, work))
    }

    /// How many files are known that were sent for a work.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn files_of_work(&self, work: &WorkId) -> Result<u64, LedgerError> {
        let count: i64 = self
            .lock()?
            .query_row(
                "SELECT COUNT(*) FROM files WHERE work_id = ?1",
                [&work.0],
                |row| row.get(0),
            )
            .map_err(read)?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Forgets the open work of a source connector.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn forget_work(&self, connector_id: &str) -> Result<(), LedgerError> {
        self.lock()?
            .execute("DELETE FROM works WHERE connector_id = ?1", [connector_id])
            .map(drop)
            .map_err(write)
    }
}

fn put(connection: &Connection, work: &OpenWork) -> rusqlite::Result<()> {
    connection
        .execute(
            &format!(
                "INSERT OR REPLACE INTO works ({COLUMNS})
                 VALUES (:connector_id, :connector_name, :work_id, :hold, :unsent, :used_at)"
            ),
            named_params! {
                ":connector_id": work.connector_id,
                ":connector_name": work.connector_name,
                ":work_id": work.work.0,
                ":hold": work.hold.as_str(),
                ":unsent": i64::try_from(work.unsent).unwrap_or(i64::MAX),
                ":used_at": work.used_at.timestamp_millis(),
            },
        )
        .map(drop)
}

fn open_work(row: &Row<'_>) -> rusqlite::Result<OpenWork> {
    let hold: String = row.get(3)?;
    Ok(OpenWork {
        connector_id: row.get(0)?,
        connector_name: row.get(1)?,
        work: WorkId(row.get(2)?),
        hold: hold
            .parse::<Hold>()
            .map_err(|unknown| invalid(3, &unknown))?,
        unsent: usize::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        used_at: moment(row.get(5)?),
    })
}
