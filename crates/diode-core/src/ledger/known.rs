//! What is known of a source's files, in little memory: of a bucket that is shared with others it may
//! be a hundred thousand.

use std::fmt;
use std::hash::BuildHasher;

use bundle_source::{Entry, Listed};
use chrono::{DateTime, Utc};
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use rusqlite::{Connection, Row};

use super::rows::{invalid, moment};
use crate::{Code, Fingerprint, Outcome};

/// What is known of a file that, so far as we know, is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// The row.
    pub id: i64,
    /// The file as it was when this was written.
    pub file: Listed<'a>,
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

impl Known<'_> {
    /// Whether this row is about that very file, not about one that has taken its name.
    pub fn is(&self, entry: &Entry) -> bool {
        self.file.is(entry)
    }
}

/// What is known of the files of a source that have not left their place.
///
/// It has the texts of all files in one piece, at most 160 bytes besides for each file, and finds
/// what is known of a file by its location.
///
/// ```
/// # let state = tempfile::tempdir()?;
/// use bundle_source::{Entry, Location};
/// use chrono::DateTime;
/// use diode_core::{Ledger, Outcome, Record};
///
/// let ledger = Ledger::open(state.path())?;
/// let file = Entry {
///     location: Location::new("feed.json"),
///     size: 2,
///     modified: DateTime::UNIX_EPOCH,
///     etag: None,
/// };
/// let (record, now) = (Record::default(), DateTime::UNIX_EPOCH);
/// ledger.record("directory:/in", &file, Outcome::Imported, &record, now)?;
///
/// let known = ledger.known("directory:/in")?;
/// assert_eq!(known.len(), 1);
/// assert!(known.get("feed.json").is_some_and(|row| row.is(&file)));
/// assert_eq!(known.get("other.json"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct KnownFiles {
    store: Store,
    /// Of each file its number, to be found by its location.
    numbers: HashTable<usize>,
    /// Seeded anew each time: nobody can choose names so that they collide.
    hasher: RandomState,
}

/// The files, numbered from 0.
#[derive(Clone, Default)]
struct Store {
    /// For each file its location and, right behind it, its etag.
    text: String,
    rows: Vec<Stored>,
}

/// What is known of a file, with where its texts are.
#[derive(Clone, Copy)]
struct Stored {
    id: i64,
    size: u64,
    start: usize,
    middle: usize,
    end: usize,
    modified: DateTime<Utc>,
    seen_since: DateTime<Utc>,
    decided_at: DateTime<Utc>,
    fingerprint: Option<Fingerprint>,
    outcome: Outcome,
    code: Option<Code>,
    missed: bool,
    has_etag: bool,
}

impl Store {
    /// Adds the texts of a file; what is returned has its place in them.
    fn stow(&mut self, known: &Known<'_>) -> Stored {
        let file = known.file;
        let start = self.text.len();
        self.text.push_str(file.location);
        let middle = self.text.len();
        self.text.push_str(file.etag.unwrap_or_default());
        Stored {
            id: known.id,
            size: file.size,
            start,
            middle,
            end: self.text.len(),
            modified: file.modified,
            seen_since: known.seen_since,
            decided_at: known.decided_at,
            fingerprint: known.fingerprint,
            outcome: known.outcome,
            code: known.code,
            missed: known.missed,
            has_etag: file.etag.is_some(),
        }
    }

    fn location(&self, number: usize) -> &str {
        let row = &self.rows[number];
        &self.text[row.start..row.middle]
    }

    fn known(&self, row: &Stored) -> Known<'_> {
        let etag = || &self.text[row.middle..row.end];
        Known {
            id: row.id,
            file: Listed {
                location: &self.text[row.start..row.middle],
                size: row.size,
                modified: row.modified,
                etag: row.has_etag.then(etag),
            },
            fingerprint: row.fingerprint,
            outcome: row.outcome,
            code: row.code,
            seen_since: row.seen_since,
            decided_at: row.decided_at,
            missed: row.missed,
        }
    }
}

impl KnownFiles {
    /// None, with room for so many files whose texts have so many bytes together.
    fn with_capacity(files: usize, text: usize) -> Self {
        Self {
            store: Store {
                text: String::with_capacity(text),
                rows: Vec::with_capacity(files),
            },
            numbers: HashTable::with_capacity(files),
            hasher: RandomState::default(),
        }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.store.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.store.rows.is_empty()
    }

    /// All that is known, in no particular order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Known<'_>> + Clone {
        self.store.rows.iter().map(|row| self.store.known(row))
    }

    /// What is known of the file at a location.
    pub fn get(&self, location: &str) -> Option<Known<'_>> {
        let number = self.number_of(location)?;
        Some(self.store.known(&self.store.rows[number]))
    }

    /// The place of a location's file in [`iter`](Self::iter).
    pub(crate) fn number_of(&self, location: &str) -> Option<usize> {
        let is_there = |number: &usize| self.store.location(*number) == location;
        let hash = self.hasher.hash_one(location);
        self.numbers.find(hash, is_there).copied()
    }

    /// Adds a file. Of two with one location, the later counts.
    fn push(&mut self, known: &Known<'_>) {
        let number = self.number_of(known.file.location);
        let row = self.store.stow(known);
        if let Some(number) = number {
            self.store.rows[number] = row;
            return;
        }
        let Self {
            store,
            numbers,
            hasher,
        } = self;
        let number = store.rows.len();
        store.rows.push(row);
        let hash_of = |number: &usize| hasher.hash_one(store.location(*number));
        numbers.insert_unique(hash_of(&number), number, hash_of);
    }
}

impl<'a> FromIterator<Known<'a>> for KnownFiles {
    /// Of several rows with one location, the last counts.
    fn from_iter<I: IntoIterator<Item = Known<'a>>>(rows: I) -> Self {
        let mut known = Self::default();
        for row in rows {
            known.push(&row);
        }
        known
    }
}

impl fmt::Debug for KnownFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How many rows there are to be read, and how many bytes their texts have.
const ROOM: &str = "
    SELECT count(*), coalesce(sum(octet_length(location) + coalesce(octet_length(etag), 0)), 0)
    FROM files WHERE source = ?1 AND gone_at_ms IS NULL
";

const ROWS: &str = "
    SELECT id, location, size, modified_ns, etag, fingerprint, outcome, code, seen_since_ms,
           decided_at_ms, missed
    FROM files WHERE source = ?1 AND gone_at_ms IS NULL
";

/// Reads what is known of a source's files. There is room for all before the first is read: what
/// grows has twice its size at times.
pub(super) fn read_all(connection: &Connection, source: &str) -> rusqlite::Result<KnownFiles> {
    let (files, text): (i64, i64) = connection
        .prepare_cached(ROOM)?
        .query_row([source], |row| row.try_into())?;
    let room = |number| usize::try_from(number).unwrap_or_default();
    let mut known = KnownFiles::with_capacity(room(files), room(text));
    let mut statement = connection.prepare_cached(ROWS)?;
    let mut rows = statement.query([source])?;
    while let Some(row) = rows.next()? {
        known.push(&read(row)?);
    }
    Ok(known)
}

fn read<'r>(row: &'r Row<'_>) -> rusqlite::Result<Known<'r>> {
    let text = |index: usize| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null()?);
    let outcome = row.get_ref(6)?.as_str()?;
    let code = text(7)?.map(|code| code.parse().map_err(|value: String| invalid(7, &value)));
    Ok(Known {
        id: row.get(0)?,
        file: Listed {
            location: row.get_ref(1)?.as_str()?,
            size: row.get::<_, i64>(2)?.cast_unsigned(),
            modified: DateTime::from_timestamp_nanos(row.get(3)?),
            etag: text(4)?,
        },
        fingerprint: text(5)?.and_then(fingerprint),
        outcome: outcome
            .parse()
            .map_err(|value: String| invalid(6, &value))?,
        code: code.transpose()?,
        seen_since: moment(row.get(8)?),
        decided_at: moment(row.get(9)?),
        missed: row.get(10)?,
    })
}

/// A text that is no fingerprint is that of no content: the file is known as ever while it stays as
/// it is, and counts as another one once it is written anew.
fn fingerprint(text: &str) -> Option<Fingerprint> {
    text.parse().ok()
}
