//! The rows of files: what is in them, and how they are written and read.

use bundle_source::{Entry, Location};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, named_params};

use super::schema;
use crate::{Code, Fingerprint, Outcome};

/// What is to be remembered of a file.
#[derive(Clone, Debug, Default)]
pub struct Record<'a> {
    /// The fingerprint of its content, where it was read.
    pub fingerprint: Option<Fingerprint>,
    /// Why it was not imported whole.
    pub code: Option<Code>,
    /// The reason file's text, for a file that is to be set aside.
    pub reason: Option<&'a [u8]>,
    /// The source connector's id.
    pub connector_id: Option<&'a str>,
    /// The source connector's name.
    pub connector_name: Option<&'a str>,
    /// The source applicant.
    pub applicant_id: Option<&'a str>,
    /// The user here in whose name it was delivered; `None`: the platform's workers' own.
    pub user_id: Option<&'a str>,
    /// The work it was imported in.
    pub work_id: Option<&'a str>,
    /// How many messages were delivered.
    pub messages: usize,
    /// How many objects were not sent.
    pub not_sent: usize,
}

/// A rejected file that lies where it was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The row.
    pub id: i64,
    /// Where it is, as [`Source::set_aside`](bundle_source::Source::set_aside) said.
    pub moved_to: String,
}

pub(super) fn insert(
    connection: &Connection,
    source: &str,
    entry: &Entry,
    outcome: Outcome,
    record: &Record<'_>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(schema::RECORD)?
        .execute(named_params! {
            ":source": source,
            ":location": entry.location.as_str(),
            ":size": entry.size.cast_signed(),
            ":modified_ns": nanoseconds(entry.modified),
            ":etag": entry.etag,
            ":fingerprint": record.fingerprint.map(|it| it.to_string()),
            ":outcome": outcome.as_str(),
            ":code": record.code.map(Code::as_str),
            ":reason": record.reason,
            ":connector_id": record.connector_id,
            ":connector_name": record.connector_name,
            ":applicant_id": record.applicant_id,
            ":user_id": record.user_id,
            ":work_id": record.work_id,
            ":messages": i64::try_from(record.messages).unwrap_or(i64::MAX),
            ":not_sent": i64::try_from(record.not_sent).unwrap_or(i64::MAX),
            ":now": now.timestamp_millis(),
        })
        .map(drop)
}

pub(super) fn mark_gone(
    connection: &Connection,
    source: &str,
    location: &Location,
    moved_to: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE files SET gone_at_ms = ?3, moved_to = ?4
             WHERE source = ?1 AND location = ?2 AND gone_at_ms IS NULL",
        )?
        .execute((source, location.as_str(), now.timestamp_millis(), moved_to))
        .map(drop)
}

pub(super) fn invalid(index: usize, value: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        index,
        rusqlite::types::Type::Text,
        format!("unknown value {value:?}").into(),
    )
}

pub(super) fn moment(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// Nanoseconds since the epoch; a time beyond the years 1677 to 2262 is taken to its nearest end.
pub(super) fn nanoseconds(time: DateTime<Utc>) -> i64 {
    time.timestamp_nanos_opt()
        .unwrap_or(if time.timestamp() < 0 {
            i64::MIN
        } else {
            i64::MAX
        })
}
