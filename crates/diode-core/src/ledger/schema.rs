//! The ledger's tables, and their versions.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::{FILE_NAME, LedgerError};
use crate::private::open_private_file;

/// How long we wait for another process that has the ledger open.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How much of the database is in our memory; the system has the rest in its own.
const CACHE_KIB: i64 = 512;

/// The newest schema, as `PRAGMA user_version` has it.
pub(super) const VERSION: i64 = 5;

/// `MIGRATIONS[n]` takes schema `n` to schema `n + 1`.
const MIGRATIONS: [&str; 5] = [
    "
    CREATE TABLE files (
        id             INTEGER PRIMARY KEY,
        source         TEXT NOT NULL,
        location       TEXT NOT NULL,
        size           INTEGER NOT NULL,
        modified_ns    INTEGER NOT NULL,
        etag           TEXT,
        fingerprint    TEXT,
        outcome        TEXT NOT NULL,
        code           TEXT,
        reason         BLOB,
        connector_id   TEXT,
        connector_name TEXT,
        applicant_id   TEXT,
        work_id        TEXT,
        messages       INTEGER NOT NULL DEFAULT 0,
        not_sent       INTEGER NOT NULL DEFAULT 0,
        missed         INTEGER NOT NULL DEFAULT 0,
        seen_since_ms  INTEGER NOT NULL,
        decided_at_ms  INTEGER NOT NULL,
        gone_at_ms     INTEGER,
        moved_to       TEXT
    ) STRICT;
    CREATE UNIQUE INDEX files_in_place ON files (source, location) WHERE gone_at_ms IS NULL;
    CREATE INDEX files_set_aside ON files (source, gone_at_ms) WHERE moved_to IS NOT NULL;
",
    // The sources that we have gone over: what another program's watermark says of them is over.
    "
    CREATE TABLE sources (
        source   TEXT PRIMARY KEY,
        since_ms INTEGER NOT NULL
    ) STRICT;
    INSERT INTO sources SELECT source, MIN(seen_since_ms) FROM files GROUP BY source;
",
    // The works that are open on the platform.
    "
    CREATE TABLE works (
        connector_id   TEXT PRIMARY KEY,
        connector_name TEXT NOT NULL,
        work_id        TEXT NOT NULL,
        hold           TEXT NOT NULL,
        unsent         INTEGER NOT NULL,
        used_at_ms     INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX files_decided ON files (decided_at_ms);
    CREATE INDEX files_gone ON files (source, gone_at_ms) WHERE gone_at_ms IS NOT NULL;
",
    // In whose name files went in; which contents are known; when it was told what was set aside.
    // Of a fingerprint the index has a part, which hardly any two have in common.
    "
    ALTER TABLE files ADD COLUMN user_id TEXT;
    ALTER TABLE sources ADD COLUMN forgotten_at_ms INTEGER;
    ALTER TABLE sources ADD COLUMN set_aside_told_ms INTEGER;
    CREATE INDEX files_content ON files (substr(fingerprint, 1, 16), decided_at_ms)
        WHERE outcome = 'imported' AND code IS NULL;
",
    // The connectors that we registered; when those came that the platform did not know.
    "
    CREATE TABLE connectors (
        connector_id TEXT PRIMARY KEY,
        new_at_ms    INTEGER
    ) STRICT;
    CREATE INDEX connectors_new ON connectors (new_at_ms) WHERE new_at_ms IS NOT NULL;
    INSERT INTO connectors (connector_id)
        SELECT connector_id FROM files WHERE connector_id IS NOT NULL AND work_id IS NOT NULL
        UNION SELECT connector_id FROM works;
",
];

/// The newest delivery of the content with the fingerprint `?1`, unless the connector's state was reset
/// since: of files that we imported whole.
pub(super) const SAME_CONTENT: &str = "
    SELECT location, decided_at_ms, user_id FROM files
    WHERE outcome = 'imported' AND code IS NULL
        AND substr(fingerprint, 1, 16) = substr(?1, 1, 16) AND fingerprint = ?1
        AND decided_at_ms > coalesce(
            (SELECT forgotten_at_ms FROM sources WHERE sources.source = files.source),
            decided_at_ms - 1)
    ORDER BY decided_at_ms DESC LIMIT 1
";

/// `seen_since_ms` moves only when the file itself changed, or the clock was set back.
pub(super) const RECORD: &str = "
    INSERT INTO files (source, location, size, modified_ns, etag, fingerprint, outcome, code, reason,
                       connector_id, connector_name, applicant_id, user_id, work_id, messages,
                       not_sent, seen_since_ms, decided_at_ms)
    VALUES (:source, :location, :size, :modified_ns, :etag, :fingerprint, :outcome, :code, :reason,
            :connector_id, :connector_name, :applicant_id, :user_id, :work_id, :messages, :not_sent,
            :now, :now)
    ON CONFLICT (source, location) WHERE gone_at_ms IS NULL DO UPDATE SET
        seen_since_ms = CASE
            WHEN size = excluded.size AND modified_ns = excluded.modified_ns AND etag IS excluded.etag
            THEN MIN(seen_since_ms, excluded.seen_since_ms) ELSE excluded.seen_since_ms END,
        size = excluded.size, modified_ns = excluded.modified_ns, etag = excluded.etag,
        fingerprint = excluded.fingerprint, outcome = excluded.outcome, code = excluded.code,
        reason = excluded.reason, connector_id = excluded.connector_id,
        connector_name = excluded.connector_name, applicant_id = excluded.applicant_id,
        user_id = excluded.user_id, work_id = excluded.work_id, messages = excluded.messages, not_sent = excluded.not_sent,
        missed = 0, decided_at_ms = excluded.decided_at_ms
";

/// Lets what a source's files came to before `?2` have been so decided at `?3`.
pub(super) const DECIDE_ANEW: &str =
    "UPDATE files SET decided_at_ms = ?3 WHERE source = ?1 AND decided_at_ms < ?2";

/// The same of when they left their place.
pub(super) const LEAVE_ANEW: &str = "
    UPDATE files SET gone_at_ms = ?3
    WHERE source = ?1 AND gone_at_ms IS NOT NULL AND gone_at_ms < ?2
";

/// What `missed` is of a file that is missing: since when, in milliseconds. Earlier versions wrote 1.
pub(super) fn missed_since(now: DateTime<Utc>) -> i64 {
    now.timestamp_millis().max(UNDATED + 1)
}

const UNDATED: i64 = 1;

/// Lets files that are missing, nobody knows since when, be so since `?1`.
pub(super) const DATE: &str =
    "UPDATE files SET missed = ?1 WHERE gone_at_ms IS NULL AND missed = 1";

/// Drops at most `?3` rows of a source's files that are gone or missing since before `?2`.
pub(super) const PRUNE: &str = "
    DELETE FROM files WHERE id IN (
        SELECT id FROM files
        WHERE source = ?1 AND gone_at_ms < ?2 AND moved_to IS NULL
        UNION ALL
        SELECT id FROM files
        WHERE source = ?1 AND gone_at_ms IS NULL AND missed AND missed < ?2
        LIMIT ?3
    )
";

/// Opens the database in a folder, and brings its schema up to date.
///
/// # Errors
/// [`LedgerError::Open`] and [`LedgerError::Newer`].
pub(super) fn connect(folder: &Path) -> Result<Connection, LedgerError> {
    let path = folder.join(FILE_NAME);
    let open = |source| LedgerError::Open {
        path: path.clone(),
        source,
    };
    // SQLite gives its other files the permissions of this one. Where it cannot be made, SQLite says why.
    drop(open_private_file(&path));
    let connection = Connection::open(&path).map_err(open)?;
    match prepare(&connection).map_err(open)? {
        found if found > VERSION => Err(LedgerError::Newer {
            path,
            found,
            supported: VERSION,
        }),
        _ => Ok(connection),
    }
}

/// Sets the connection up and brings the schema up to date. Returns the schema found, which is
/// newer than [`VERSION`], and left alone, where another version of the program wrote it.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(PATIENCE)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        return Ok(found);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // A commit is on disk before it returns: only then may a file be deleted.
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(connection, found, VERSION)?;
    Ok(found)
}

pub(super) fn migrate(connection: &Connection, from: i64, to: i64) -> rusqlite::Result<()> {
    let missing = (0..to).zip(MIGRATIONS).skip_while(|(step, _)| *step < from);
    let missing: String = missing.map(|(_, migration)| migration).collect();
    if missing.is_empty() {
        return Ok(());
    }
    // An index is sorted in memory: in a container there may be nowhere to put a temporary file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // At once, because each commit waits for the disk.
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {missing} PRAGMA user_version = {to}; COMMIT;"
    ))?;
    connection.pragma_update(None, "temp_store", "DEFAULT")
}
