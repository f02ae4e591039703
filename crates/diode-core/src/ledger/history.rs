//! What the ledger knows, for reading alone: while the program runs, and after it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use serde::{Serialize, Serializer};

use super::{FILE_NAME, LedgerError, moment, read, schema};

/// The first schema that has the users in whose names files were imported.
const USERS_SINCE: i64 = 4;

/// A ledger that is only read.
///
/// It may belong to another process that writes it meanwhile; what that has recorded by now is
/// seen.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    schema: i64,
}

/// One stay of one file in one place, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When its outcome was decided.
    #[serde(serialize_with = "time_text")]
    pub time: DateTime<Utc>,
    /// What became of it, as [`Outcome`](crate::Outcome) names it.
    pub outcome: String,
    /// Why it was not imported whole, as [`Code`](crate::Code) names it.
    pub code: Option<String>,
    /// The source that it was found in.
    pub source: String,
    /// Its name there.
    pub file: String,
    /// The source connector's name.
    pub connector: Option<String>,
    /// The source connector's id.
    pub connector_id: Option<String>,
    /// The source applicant.
    pub applicant_id: Option<String>,
    /// The user of this platform in whose name it was imported; `None`: the platform's workers' own, or
    /// an earlier version did not note it.
    pub user_id: Option<String>,
    /// The work that it was imported in.
    pub work: Option<String>,
    /// How many messages were delivered.
    pub messages: i64,
    /// How many objects were not sent.
    pub not_sent: i64,
    /// Where the file went.
    pub place: Place,
    /// Where it was set aside, while it lies there.
    pub moved_to: Option<String>,
    /// When it left its place.
    #[serde(serialize_with = "optional_time_text")]
    pub left: Option<DateTime<Utc>>,
}

/// Where a file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// It is where it was found.
    InPlace,
    /// It is no longer there: deleted after its import, replaced, or taken away by others.
    Gone,
    /// It was set aside, and lies there.
    SetAside,
}

impl Place {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InPlace => "in_place",
            Self::Gone => "gone",
            Self::SetAside => "set_aside",
        }
    }
}

impl History {
    /// Opens the ledger in `folder` for reading.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], [`LedgerError::Unreadable`], [`LedgerError::Unfinished`],
    /// [`LedgerError::Open`] and [`LedgerError::Newer`].
    pub fn open(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(FILE_NAME);
        match File::open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(LedgerError::Missing { path });
            }
            Err(source) => return Err(LedgerError::Unreadable { path, source }),
        }
        let (connection, found) = connect(&path)?;
        match found {
            0 => Err(LedgerError::Missing { path }),
            found if found > schema::VERSION => Err(LedgerError::Newer {
                path,
                found,
                supported: schema::VERSION,
            }),
            schema => Ok(Self { connection, schema }),
        }
    }

    /// At most `limit` entries, the newest first.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn entries(&self, limit: u32) -> Result<Vec<HistoryEntry>, LedgerError> {
        let user_id = if self.schema < USERS_SINCE {
            "NULL"
        } else {
            "user_id"
        };
        let mut statement = self
            .connection
            .prepare(&format!(
                "SELECT decided_at_ms, outcome, code, source, location, connector_name,
                        connector_id, applicant_id, work_id, messages, not_sent, moved_to,
                        gone_at_ms, missed, {user_id}
                 FROM files ORDER BY decided_at_ms DESC, id DESC LIMIT ?1"
            ))
            .map_err(read)?;
        let rows = statement.query_map([limit], entry).map_err(read)?;
        rows.collect::<Result<_, _>>().map_err(read)
    }
}

/// Where nobody has the ledger open and its folder cannot be written to, `SQLite` cannot make the
/// files that readers and writers share; then nobody writes, either. But who wrote may have left
/// entries in the write-ahead log, which is not looked at without those files.
fn connect(path: &Path) -> Result<(Connection, i64), LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let result = match connect_to(path, flags) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
            if has_write_ahead_log(path) {
                return Err(LedgerError::Unfinished {
                    path: path.to_owned(),
                });
            }
            let address = immutable(path);
            connect_to(Path::new(&address), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        result => result,
    };
    result.map_err(|source| LedgerError::Open {
        path: path.to_owned(),
        source,
    })
}

/// Whether there is anything in the write-ahead log of the ledger at `path`, or that cannot be told.
fn has_write_ahead_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(metadata) => metadata.len() > 0,
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// A connection, with the schema that it found.
fn connect_to(file: &Path, flags: OpenFlags) -> rusqlite::Result<(Connection, i64)> {
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(schema::PATIENCE)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((connection, version))
}

/// The file's address with the promise that nobody changes it.
fn immutable(path: &Path) -> String {
    let escaped = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

fn entry(row: &Row<'_>) -> rusqlite::Result<HistoryEntry> {
    let outcome: String = row.get(1)?;
    let moved_to: Option<String> = row.get(11)?;
    let left = row.get::<_, Option<i64>>(12)?.map(moment);
    Ok(HistoryEntry {
        time: moment(row.get(0)?),
        place: place(left.is_some(), moved_to.is_some(), row.get(13)?),
        outcome,
        code: row.get(2)?,
        source: row.get(3)?,
        file: row.get(4)?,
        connector: row.get(5)?,
        connector_id: row.get(6)?,
        applicant_id: row.get(7)?,
        user_id: row.get(14)?,
        work: row.get(8)?,
        messages: row.get(9)?,
        not_sent: row.get(10)?,
        moved_to,
        left,
    })
}

/// A time as logs and reasons have it.
fn time_text<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[expect(clippy::ref_option, reason = "serde hands a reference to the field in")]
fn optional_time_text<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => time_text(time, to),
        None => to.serialize_none(),
    }
}

fn place(left: bool, set_aside: bool, missed: bool) -> Place {
    match (left, set_aside) {
        (true, true) => Place::SetAside,
        (false, _) if !missed => Place::InPlace,
        _ => Place::Gone,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use bundle_source::{Entry, Location};

    use super::*;
    use crate::ledger::Record;
    use crate::{Code, Ledger, Outcome};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn file(name: &str) -> Entry {
        Entry {
            location: Location::new(name),
            size: 1,
            modified: at(0),
            etag: None,
        }
    }

    #[test]
    fn shows_the_newest_first_while_the_ledger_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        for (name, outcome, code, now) in [
            ("a", Outcome::Imported, None, 1),
            ("b", Outcome::Rejected, Some(Code::InvalidJson), 2),
            ("c", Outcome::Waiting, Some(Code::Queue), 3),
        ] {
            let record = Record {
                code,
                connector_name: Some("Feed"),
                messages: 7,
                ..Record::default()
            };
            ledger
                .record("s", &file(name), outcome, &record, at(now))
                .unwrap();
        }
        ledger.left("s", &Location::new("a"), None, at(4)).unwrap();
        ledger
            .left("s", &Location::new("b"), Some("rejected/b"), at(5))
            .unwrap();
        let history = History::open(folder.path()).unwrap();
        let shown: Vec<_> = history
            .entries(10)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.file, entry.outcome, entry.code, entry.place))
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            shown,
            [
                (
                    text("c"),
                    text("waiting"),
                    Some(text("queue")),
                    Place::InPlace
                ),
                (
                    text("b"),
                    text("rejected"),
                    Some(text("invalid-json")),
                    Place::SetAside
                ),
                (text("a"), text("imported"), None, Place::Gone),
            ]
        );
        let newest = history.entries(1).unwrap();
        assert_eq!((newest.len(), newest[0].messages), (1, 7));
        assert_eq!(newest[0].connector.as_deref(), Some("Feed"));
    }

    #[test]
    fn tells_where_files_went() {
        for (left, set_aside, missed, expect) in [
            (false, false, false, Place::InPlace),
            (false, false, true, Place::Gone),
            (true, false, false, Place::Gone),
            (true, true, false, Place::SetAside),
        ] {
            let got = place(left, set_aside, missed);
            assert_eq!(got, expect, "{left} {set_aside} {missed}");
        }
    }

    #[test]
    fn a_folder_without_a_ledger_is_told_from_a_broken_one() {
        let folder = tempfile::tempdir().unwrap();
        let open = || History::open(folder.path()).unwrap_err();
        assert!(matches!(open(), LedgerError::Missing { .. }));
        std::fs::write(folder.path().join(FILE_NAME), "no database at all").unwrap();
        assert!(matches!(open(), LedgerError::Open { .. }));
        assert!(
            std::fs::read(folder.path().join(FILE_NAME)).unwrap() == b"no database at all",
            "reading changes nothing"
        );
    }

    /// A folder with a ledger whose last row is in the write-ahead log alone, and in which nobody can
    /// make the file that readers and writers share.
    fn unshared() -> tempfile::TempDir {
        let (origin, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ledger = Ledger::open(origin.path()).unwrap();
        ledger
            .record(
                "s",
                &file("a"),
                Outcome::Imported,
                &Record::default(),
                at(1),
            )
            .unwrap();
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
            std::fs::copy(origin.path().join(&name), folder.path().join(&name)).unwrap();
        }
        let shared = folder.path().join(format!("{FILE_NAME}-shm"));
        symlink(&shared, &shared).unwrap();
        folder
    }

    #[test]
    fn what_only_the_write_ahead_log_has_is_never_left_out_without_a_word() {
        let folder = unshared();
        let error = History::open(folder.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Unfinished { .. }), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("the connector's user"), "{told}");
        std::fs::write(folder.path().join(format!("{FILE_NAME}-wal")), "").unwrap();
        let open = History::open(folder.path());
        assert!(!matches!(open, Err(LedgerError::Unfinished { .. })));
    }

    #[test]
    fn a_ledger_that_cannot_be_opened_is_told_in_the_system_s_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        symlink(&path, &path).unwrap();
        let error = History::open(folder.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Unreadable { .. }), "{error:?}");
    }

    #[test]
    fn addresses_escape_what_has_a_meaning_in_them() {
        assert_eq!(
            immutable(Path::new("/a b/50%?#.sqlite3")),
            "file:/a b/50%25%3f%23.sqlite3?immutable=1"
        );
    }
}
