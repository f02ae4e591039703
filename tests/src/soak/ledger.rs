//! What the program's ledger holds, read from outside while the program runs or is dead.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context as _;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// SHA-256 of a file's content.
pub(super) type Digest = [u8; 32];

/// The files that the ledger in `folder` says were delivered. There may be none yet.
///
/// Nothing changes for the program: it finds the database's log as it left it when it was killed.
///
/// # Errors
/// If the ledger cannot be read.
pub(super) fn delivered(folder: &Path) -> anyhow::Result<HashSet<Digest>> {
    read(&folder.join("ledger.sqlite3")).context("cannot read the program's ledger")
}

fn read(path: &Path) -> anyhow::Result<HashSet<Digest>> {
    if !path.try_exists()? {
        return Ok(HashSet::new());
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Killed in its first moments, the program leaves a database without tables.
    if !connection.table_exists(None, "files")? {
        return Ok(HashSet::new());
    }
    let mut rows = connection.prepare(
        "SELECT unhex(fingerprint) FROM files
         WHERE outcome IN ('imported', 'partial') AND fingerprint IS NOT NULL",
    )?;
    let digests = rows.query_map([], |row| row.get(0))?;
    Ok(digests.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn digits(digit: u8) -> String {
        format!("{digit:02x}").repeat(32)
    }

    #[test]
    fn what_was_delivered_is_read_and_the_log_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(delivered(folder.path()).unwrap().is_empty());
        let path = folder.path().join("ledger.sqlite3");
        fs::write(&path, "").unwrap();
        assert!(delivered(folder.path()).unwrap().is_empty());
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);

        let program = Connection::open(&path).unwrap();
        let killed = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        program.set_db_config(killed, true).unwrap();
        program
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE files (fingerprint TEXT, outcome TEXT);",
            )
            .unwrap();
        for (fingerprint, outcome) in [
            (Some(digits(1)), "imported"),
            (Some(digits(2)), "partial"),
            (Some(digits(3)), "rejected"),
            (Some(digits(4)), "waiting"),
            (None, "imported"),
        ] {
            let row = (fingerprint, outcome);
            program
                .execute("INSERT INTO files VALUES (?1, ?2)", row)
                .unwrap();
        }
        let expect = HashSet::from([[1; 32], [2; 32]]);
        assert_eq!(delivered(folder.path()).unwrap(), expect);
        drop(program);
        let log = || fs::read(folder.path().join("ledger.sqlite3-wal")).unwrap();
        let before = log();
        assert!(!before.is_empty());
        assert_eq!(delivered(folder.path()).unwrap(), expect);
        assert_eq!(log(), before);
    }

    #[test]
    fn what_is_no_ledger_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite3");
        fs::write(path, "no database, whatever its name says").unwrap();
        assert!(delivered(folder.path()).is_err());
    }
}
