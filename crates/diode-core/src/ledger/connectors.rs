//! The source connectors that we registered, and when those came that the platform did not know.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Ledger, LedgerError, read, write};

/// Over what time new connectors are counted.
const LATELY: TimeDelta = TimeDelta::hours(24);

impl Ledger {
    /// Whether we registered a connector before.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn has_connector(&self, connector_id: &str) -> Result<bool, LedgerError> {
        self.lock()?
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM connectors WHERE connector_id = ?1)",
                [connector_id],
                |row| row.get(0),
            )
            .map_err(read)
    }

    /// How many connectors were new within the last 24 hours. A time that is as far ahead, of a clock
    /// that was set back since, does not count.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn new_connectors(&self, now: DateTime<Utc>) -> Result<usize, LedgerError> {
        let (from, to) = (now - LATELY, now + LATELY);
        let count: i64 = self
            .lock()?
            .query_row(
                "SELECT COUNT(*) FROM connectors WHERE new_at_ms > ?1 AND new_at_ms < ?2",
                [from.timestamp_millis(), to.timestamp_millis()],
                |row| row.get(0),
            )
            .map_err(read)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Remembers that a connector is registered, which the platform did not know before `new_at`, or
    /// knew already. What is remembered of it stays.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn keep_connector(
        &self,
        connector_id: &str,
        new_at: Option<DateTime<Utc>>,
    ) -> Result<(), LedgerError> {
        self.lock()?
            .execute(
                "INSERT OR IGNORE INTO connectors (connector_id, new_at_ms) VALUES (?1, ?2)",
                (connector_id, new_at.map(|at| at.timestamp_millis())),
            )
            .map(drop)
            .map_err(write)
    }

    /// Forgets a connector: it could not be registered.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn forget_connector(&self, connector_id: &str) -> Result<(), LedgerError> {
        self.lock()?
            .execute(
                "DELETE FROM connectors WHERE connector_id = ?1",
                [connector_id],
            )
            .map(drop)
            .map_err(write)
    }
}
