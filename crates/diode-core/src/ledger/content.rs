//! Which contents were imported.

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension as _;

use super::error::read;
use super::rows::moment;
use super::{Ledger, LedgerError, schema};
use crate::Fingerprint;

/// The first schema that has an index of contents.
const SINCE: i64 = 4;

/// A file with the same content that was imported whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameContent {
    /// The file's name in its source.
    pub file: String,
    /// When it was imported.
    pub imported_at: DateTime<Utc>,
    /// The user here in whose name it was; `None`: the platform's workers' own.
    pub user_id: Option<String>,
}

impl Ledger {
    /// The file of this content that was imported last, of any source. What was sent in part does not
    /// count, nor what another program imported, nor what was [forgotten](Ledger::forget).
    ///
    /// It is found by an index, so that the number of files does not matter.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn same_content(
        &self,
        fingerprint: Fingerprint,
    ) -> Result<Option<SameContent>, LedgerError> {
        if self.schema < SINCE {
            return Ok(None);
        }
        self.lock()?
            .prepare_cached(schema::SAME_CONTENT)
            .and_then(|mut statement| {
                statement
                    .query_row([fingerprint.to_string()], |row| {
                        Ok(SameContent {
                            file: row.get(0)?,
                            imported_at: moment(row.get(1)?),
                            user_id: row.get(2)?,
                        })
                    })
                    .optional()
            })
            .map_err(read)
    }
}
