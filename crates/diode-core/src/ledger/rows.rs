//! The rows of files: what is in them, and how they are written and read.

use std::collections::HashSet;

use bundle_source::{Entry, Location};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, named_params};

use super::schema;
use crate::{Code, Fingerprint, Outcome};

/// What is known of a file that, so far as we know, is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The row.
    pub id: i64,
    /// The file as it was when this was written.
    pub entry: Entry,
    /// The fingerprint of its content, where it was read.
    pub fingerprint: Option<Fingerprint>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not imported whole.
    pub code: Option<Code>,
    /// When the file was first seen as it is.
    pub seen_since: DateTime<Utc>,
    /// When the outcome was decided.
    pub decided_at: DateTime<Utc>,
    /// Whether a listing since did not show the file.
    pub missed: bool,
}

impl Known {
    /// Whether this row is about that very file, not about one that has taken its name.
    pub fn is(&self, entry: &Entry) -> bool {
        self.entry == *entry
    }
}

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
            "UPDATE files SET gone_at_ms = ?3, moved_to = ?4, reason = NULL
             WHERE source = ?1 AND location = ?2 AND gone_at_ms IS NULL",
        )?
        .execute((source, location.as_str(), now.timestamp_millis(), moved_to))
        .map(drop)
}

/// The rows in place whose file went missing since they were last looked at, or came back.
pub(super) fn changed_presence<S: std::hash::BuildHasher>(
    connection: &Connection,
    source: &str,
    listed: &HashSet<Location, S>,
) -> rusqlite::Result<Vec<(i64, bool)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, location, missed FROM files WHERE source = ?1 AND gone_at_ms IS NULL",
    )?;
    let rows = statement.query_map([source], |row| {
        let (id, location, before): (i64, String, bool) = row.try_into()?;
        let missed = !listed.contains(&Location::new(location));
        Ok((missed != before).then_some((id, missed)))
    })?;
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    let text = |index: usize| row.get::<_, String>(index);
    Ok(Known {
        id: row.get(0)?,
        entry: Entry {
            location: Location::new(text(1)?),
            size: row.get::<_, i64>(2)?.cast_unsigned(),
            modified: DateTime::from_timestamp_nanos(row.get(3)?),
            etag: row.get(4)?,
        },
        fingerprint: fingerprint(row.get_ref(5)?.as_str_or_null()?),
        outcome: text(6)?
            .parse()
            .map_err(|value: String| invalid(6, &value))?,
        code: row
            .get::<_, Option<String>>(7)?
            .map(|code| code.parse().map_err(|value: String| invalid(7, &value)))
            .transpose()?,
        seen_since: moment(row.get(8)?),
        decided_at: moment(row.get(9)?),
        missed: row.get(10)?,
    })
}

/// A text that is no fingerprint is the fingerprint of no content: the file in its place is known as
/// ever, but not recognised once it is written anew.
fn fingerprint(text: Option<&str>) -> Option<Fingerprint> {
    text.and_then(|text| text.parse().ok())
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
