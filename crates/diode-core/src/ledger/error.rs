//! What can go wrong with the ledger.

use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// What went wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its folder cannot be made.
    #[error("cannot create the state folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be opened, or is none.
    #[error("cannot open the ledger {}", path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The system does not let us read its file.
    #[error("cannot read the ledger {}", path.display())]
    Unreadable {
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Its newest entries are in its write-ahead log, which cannot be read with it.
    #[error("the newest entries of the ledger {path} are in {path}-wal, which cannot be read without write access to the folder: run this as the connector's user", path = path.display())]
    Unfinished {
        /// Its file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no ledger at {}", path.display())]
    Missing {
        /// Where its file should be.
        path: PathBuf,
    },
    /// It was written by a newer version of this program.
    #[error("the ledger {} was written by a newer version of diode-import (it has schema {found}, and this version reads {supported}): run that version, or a newer one", path.display())]
    Newer {
        /// Its file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this version reads.
        supported: i64,
    },
    /// It is not what was written.
    #[error("the ledger is damaged: {finding}")]
    Damaged {
        /// The first thing that is wrong with it.
        finding: String,
    },
    /// It is damaged, and cannot be put out of the way.
    #[error("cannot rename the damaged ledger {}", path.display())]
    Kept {
        /// Its file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be read or written.
    #[error("cannot {action} the ledger")]
    Access {
        /// `read` or `write`.
        action: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}

impl LedgerError {
    /// Whether there is no room for it on its disk, or within what the user may have of it.
    pub fn is_for_want_of_room(&self) -> bool {
        match self {
            Self::Folder { source, .. } | Self::Kept { source, .. } => matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ),
            Self::Open { source, .. } | Self::Access { source, .. } => {
                source.sqlite_error_code() == Some(ErrorCode::DiskFull)
                    || is_of_shared_memory(source)
            }
            _ => false,
        }
    }
}

/// `SQLite` could not make the file larger that readers and writers share.
fn is_of_shared_memory(source: &rusqlite::Error) -> bool {
    let code = source.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

pub(super) fn read(source: rusqlite::Error) -> LedgerError {
    LedgerError::Access {
        action: "read",
        source,
    }
}

pub(super) fn write(source: rusqlite::Error) -> LedgerError {
    LedgerError::Access {
        action: "write",
        source,
    }
}
