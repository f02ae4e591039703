//! What is known of a source's files, in little memory: of a bucket that is shared with others it may
//! be a hundred thousand.

use std::fmt;
use std::hash::BuildHasher;

use bundle_source::{Entry, Listed};
use chrono::{DateTime, Utc};
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use rusqlite::{Connection, Row};

use super::rows::{invalid, moment, nanoseconds};
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
        self.is_of(entry.as_listed())
    }

    /// The same, for a file of a listing. Its time is compared as far as the ledger can have it.
    pub fn is_of(&self, file: Listed<'_>) -> bool {
        let modified = DateTime::from_timestamp_nanos(nanoseconds(file.modified));
        self.file == Listed { modified, ..file }
    }
}

/// What is known of the files of a source that have not left their place.
///
/// It has the texts of all files in one piece, at most 120 bytes besides for each, and finds
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

/// What is known of a file, as the ledger has it, with where its texts are.
#[derive(Clone, Copy)]
struct Stored {
    id: i64,
    size: u64,
    modified_ns: i64,
    seen_since_ms: i64,
    decided_at_ms: i64,
    /// Where its location starts in the text.
    start: usize,
    /// Where its etag does, which goes on to where the next file's location starts.
    middle: usize,
    fingerprint: Option<Fingerprint>,
    outcome: Outcome,
    code: Option<Code>,
    missed: bool,
    has_etag: bool,
}

impl Store {
    /// Adds a file behind the others.
    fn push(&mut self, known: &Known<'_>) {
        let file = known.file;
        let start = self.text.len();
        self.text.push_str(file.location);
        let middle = self.text.len();
        self.text.push_str(file.etag.unwrap_or_default());
        self.rows.push(Stored {
            id: known.id,
            size: file.size,
            modified_ns: nanoseconds(file.modified),
            seen_since_ms: known.seen_since.timestamp_millis(),
            decided_at_ms: known.decided_at.timestamp_millis(),
            start,
            middle,
            fingerprint: known.fingerprint,
            outcome: known.outcome,
            code: known.code,
            missed: known.missed,
            has_etag: file.etag.is_some(),
        });
    }

    fn location(&self, number: usize) -> &str {
        let row = &self.rows[number];
        &self.text[row.start..row.middle]
    }

    fn etag(&self, number: usize) -> Option<&str> {
        let row = &self.rows[number];
        let next = self.rows.get(number + 1);
        let end = next.map_or(self.text.len(), |next| next.start);
        row.has_etag.then(|| &self.text[row.middle..end])
    }

    fn known(&self, number: usize) -> Known<'_> {
        let row = &self.rows[number];
        Known {
            id: row.id,
            file: Listed {
                location: self.location(number),
                size: row.size,
                modified: DateTime::from_timestamp_nanos(row.modified_ns),
                etag: self.etag(number),
            },
            fingerprint: row.fingerprint,
            outcome: row.outcome,
            code: row.code,
            seen_since: moment(row.seen_since_ms),
            decided_at: moment(row.decided_at_ms),
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
        (0..self.len()).map(|number| self.store.known(number))
    }

    /// What is known of the file at a location.
    pub fn get(&self, location: &str) -> Option<Known<'_>> {
        let number = self.number_of(location)?;
        Some(self.store.known(number))
    }

    /// What is known of the file at that place in [`iter`](Self::iter).
    pub(crate) fn at(&self, number: usize) -> Known<'_> {
        self.store.known(number)
    }

    /// The place of a location's file in [`iter`](Self::iter).
    pub(crate) fn number_of(&self, location: &str) -> Option<usize> {
        let is_there = |number: &usize| self.store.location(*number) == location;
        let hash = self.hasher.hash_one(location);
        self.numbers.find(hash, is_there).copied()
    }

    /// Adds a file, unless there is one at its location.
    fn push(&mut self, known: &Known<'_>) {
        if self.number_of(known.file.location).is_some() {
            return;
        }
        let Self {
            store,
            numbers,
            hasher,
        } = self;
        let number = store.rows.len();
        store.push(known);
        let hash_of = |number: &usize| hasher.hash_one(store.location(*number));
        numbers.insert_unique(hash_of(&number), number, hash_of);
    }
}

impl<'a> FromIterator<Known<'a>> for KnownFiles {
    /// Of several rows with one location, the first counts. Times are as precise as the ledger has
    /// them: those of files in nanoseconds, others in milliseconds.
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bundle_source::Location;
    use proptest::prelude::*;

    use super::*;
    use crate::{Ledger, LedgerError, Record};

    /// How many bytes a file may take beyond its texts.
    const BOUND: usize = 120;

    /// What is known of a file, with its texts.
    #[derive(Clone, Debug)]
    struct Owned {
        entry: Entry,
        rest: Known<'static>,
    }

    impl Owned {
        fn known(&self) -> Known<'_> {
            Known {
                file: self.entry.as_listed(),
                ..self.rest
            }
        }
    }

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    fn rest(id: i64) -> Known<'static> {
        Known {
            id,
            file: Listed {
                location: "",
                size: 0,
                modified: DateTime::UNIX_EPOCH,
                etag: None,
            },
            fingerprint: None,
            outcome: Outcome::Imported,
            code: None,
            seen_since: DateTime::UNIX_EPOCH,
            decided_at: DateTime::UNIX_EPOCH,
            missed: false,
        }
    }

    /// Few and short, so that they are met again, and are each other's beginnings and ends.
    const LOCATION: &str = "[ab/é€😀]{0,3}";

    fn owned() -> impl Strategy<Value = Owned> {
        let etag = proptest::option::of("[ab/é]{0,2}");
        let times = (any::<i64>(), -9_999_999_999..9_999_999_999_i64);
        let fingerprint = proptest::option::of(any::<[u8; 4]>());
        let decided = prop_oneof![
            Just((Outcome::Imported, None)),
            Just((Outcome::Partial, Some(Code::Partial))),
            Just((Outcome::Waiting, Some(Code::Queue))),
        ];
        let rest_of = (any::<i64>(), any::<u64>(), decided, any::<bool>());
        (LOCATION, etag, times, fingerprint, rest_of).prop_map(
            |(location, etag, (modified, time), content, (id, size, decided, missed))| Owned {
                entry: Entry {
                    location: Location::new(location),
                    size,
                    modified: DateTime::from_timestamp_nanos(modified),
                    etag,
                },
                rest: Known {
                    fingerprint: content.map(|content| Fingerprint::of(&content)),
                    outcome: decided.0,
                    code: decided.1,
                    seen_since: at(time),
                    decided_at: at(-time),
                    missed,
                    ..rest(id)
                },
            },
        )
    }

    proptest! {
        #[test]
        fn a_file_is_found_as_in_a_hash_map(
            files in proptest::collection::vec(owned(), 0..60),
            others in proptest::collection::vec(LOCATION, 0..20),
        ) {
            let known: KnownFiles = files.iter().map(Owned::known).collect();
            let expect: HashMap<&str, Known<'_>> = files
                .iter()
                .rev()
                .map(|file| (file.entry.location.as_str(), file.known()))
                .collect();
            prop_assert_eq!(known.len(), expect.len());
            prop_assert_eq!(known.is_empty(), expect.is_empty());
            for (number, row) in known.iter().enumerate() {
                prop_assert_eq!(Some(&row), expect.get(row.file.location));
                prop_assert_eq!(known.number_of(row.file.location), Some(number));
            }
            let names = expect.keys().copied();
            for name in names.chain(others.iter().map(String::as_str)) {
                prop_assert_eq!(known.get(name), expect.get(name).copied());
            }
            for file in &files {
                let row = known.get(file.entry.location.as_str()).unwrap();
                prop_assert_eq!(row.is(&file.entry), row.file.to_entry() == file.entry);
                prop_assert_eq!(row.is(&file.entry), row.is_of(file.entry.as_listed()));
            }
        }
    }

    fn open() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        (folder, ledger)
    }

    fn entry(location: &str, etag: Option<&str>, modified: i64) -> Entry {
        Entry {
            location: Location::new(location),
            size: location.len() as u64,
            modified: DateTime::from_timestamp_nanos(modified),
            etag: etag.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn odd_files_are_read_as_they_were_written() {
        let (_folder, ledger) = open();
        let largest = Entry {
            size: u64::MAX,
            ..entry("largest", None, 0)
        };
        let files = [
            entry("", None, 0),
            entry("a", None, -1),
            entry("aa", Some(""), i64::MIN),
            entry("aaa", Some("a"), i64::MAX),
            entry("päth/é€😀.json", Some("\"é\""), -1_500_000_001),
            entry("e\u{301}", Some("e"), 1),
            largest,
        ];
        let (before_1970, record) = (at(-86_400_001), Record::default());
        let rows = files.iter().map(|file| (file, Outcome::Ignored, &record));
        ledger.record_all("s", rows, before_1970).unwrap();
        let elsewhere = entry("elsewhere", None, 0);
        let row = (&elsewhere, Outcome::Ignored, &record);
        ledger.record_all("other", [row], before_1970).unwrap();
        let known = ledger.known("s").unwrap();
        assert_eq!(known.len(), files.len());
        for file in &files {
            let row = known.get(file.location.as_str()).unwrap();
            assert_eq!(row.file.to_entry(), *file);
            assert_eq!((row.seen_since, row.decided_at), (before_1970, before_1970));
            assert_eq!((row.outcome, row.code), (Outcome::Ignored, None));
        }
        assert_eq!(known.get("elsewhere"), None);
        assert_eq!(known.get("aaaa"), None);
    }

    #[test]
    fn a_value_that_is_not_understood_is_an_error_and_no_file_less() {
        for change in [
            "outcome = 'lost'",
            "outcome = ''",
            "code = 'unheard-of'",
            "location = CAST(x'ff' AS TEXT)",
            "etag = CAST(x'61ff' AS TEXT)",
        ] {
            let (_folder, ledger) = open();
            let record = Record::default();
            for name in ["a", "b"] {
                let file = entry(name, None, 0);
                ledger
                    .record("s", &file, Outcome::Imported, &record, at(0))
                    .unwrap();
            }
            ledger
                .lock()
                .unwrap()
                .execute(
                    &format!("UPDATE files SET {change} WHERE location = 'b'"),
                    [],
                )
                .unwrap();
            let error = ledger.known("s").unwrap_err();
            let is_of_reading =
                matches!(&error, LedgerError::Access { action, .. } if *action == "read");
            assert!(is_of_reading, "{change}: {error:?}");
        }
    }

    /// How many bytes it has, beyond the texts of its files.
    fn overhead(known: &KnownFiles) -> usize {
        let KnownFiles { store, numbers, .. } = known;
        let texts: usize = known
            .iter()
            .map(|row| row.file.location.len() + row.file.etag.map_or(0, str::len))
            .sum();
        let rows = store.rows.capacity() * size_of::<Stored>();
        store.text.capacity() + rows + numbers.allocation_size() - texts
    }

    /// What has grown by doubling would have room for more than is in it; so its size tells of the
    /// most that it had, too.
    #[test]
    fn a_file_takes_little_memory() {
        let (_folder, ledger) = open();
        let record = Record {
            fingerprint: Some(Fingerprint::of(b"{}")),
            ..Record::default()
        };
        // For one more than 14,336, a table of numbers has twice the room.
        for files in [10_000, 14_337] {
            let etag = Some("2a-10-1767225600.000000005-1767225601.000000006");
            let entries: Vec<Entry> = (0..files)
                .map(|number| entry(&format!("{number:06}.json"), etag, number))
                .collect();
            let rows = entries
                .iter()
                .map(|file| (file, Outcome::Imported, &record));
            ledger.record_all("s", rows, at(0)).unwrap();
            let known = ledger.known("s").unwrap();
            let each = overhead(&known) / known.len();
            println!("{each} bytes for each of {files} files");
            assert!(each <= BOUND, "{each} bytes for each of {files} files");
        }
    }
}
