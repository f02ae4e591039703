//! Looking at a ledger without touching it.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, OpenFlags};

use super::{FILE_NAME, Ledger, LedgerError, schema};

impl Ledger {
    /// Opens the ledger in `folder` for reading alone; `None` where there is none. It can be open
    /// elsewhere. What would write to it is an error.
    ///
    /// # Errors
    /// [`LedgerError::Open`] and [`LedgerError::Newer`].
    pub fn look(folder: &Path) -> Result<Option<Self>, LedgerError> {
        let path = folder.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let open = |source| LedgerError::Open {
            path: path.clone(),
            source,
        };
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.map_err(open)?;
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        match version.map_err(open)? {
            // Made, but not yet written to.
            0 => Ok(None),
            found if found > schema::VERSION => Err(LedgerError::Newer {
                path,
                found,
                supported: schema::VERSION,
            }),
            schema => Ok(Some(Self {
                folder: folder.to_owned(),
                schema,
                store: Mutex::new(connection.into()),
                unflushed: AtomicBool::new(false),
                undated: AtomicBool::new(false),
            })),
        }
    }
}
