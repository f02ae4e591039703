//! What is remembered of files that wait: the operator reads each reason once in a run of the
//! program, and a file that would only wait on is not read again to find that out.
//!
//! It is little for each: behind a queue that is full there may be a hundred thousand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bundle_source::{Entry, Listing, Position};
use chrono::{DateTime, Utc};
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::Importer;
use super::file::Details;
use super::held::Held;
use crate::Code;

/// Files that wait, and why.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    files: HashTable<Wait>,
    /// Seeded anew with each run of the program: nobody can choose names that are taken for others.
    hasher: RandomState,
    /// Those of all files: there are few.
    senders: HashSet<Arc<Sender>>,
    /// The number of the pass.
    pass: u32,
    /// Where the first of the files stands that the pass found waiting, by code.
    oldest: HashMap<Code, Position>,
    /// Since when files have waited without a break, or when that was told last.
    told_at: Option<Instant>,
}

/// Between two times at which files that wait on are told of.
const BETWEEN_TELLINGS: Duration = Duration::from_hours(1);

/// Files that wait on with the same code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lasting {
    pub(crate) code: Code,
    pub(crate) files: usize,
    /// The one with the first time.
    pub(crate) oldest: String,
    pub(crate) modified: DateTime<Utc>,
}

/// A file that waits. It is known by hashes alone, the chance of two files having the same being
/// less than that of a memory that errs.
#[derive(Debug)]
struct Wait {
    /// The hash of its location.
    location: u64,
    /// The hash of all that tells it from another file.
    identity: u64,
    /// Who sent it, where it was understood.
    sender: Option<Arc<Sender>>,
    /// The pass that found it waiting last.
    pass: u32,
    code: Code,
    /// The marks of the codes that were said of it while it was being written: which of them comes next
    /// is chance.
    said: u8,
    /// Whether it is there, while that is found out.
    is_listed: bool,
}

/// The mark of a code with which a file could wait that is being written.
fn mark(code: Code) -> u8 {
    match code {
        Code::Unreadable => 1,
        Code::InvalidJson => 2,
        Code::InvalidUtf8 => 4,
        Code::TooLarge => 8,
        Code::TooDeep => 16,
        _ => 0,
    }
}

/// Whether a file that is being written could wait with this code.
pub(super) fn may_be_being_written(code: Code) -> bool {
    mark(code) != 0
}

/// Who sent a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sender {
    pub(super) connector: String,
    pub(super) connector_id: String,
    pub(super) applicant_id: Option<String>,
}

impl Sender {
    fn of(details: &Details<'_>) -> Option<Self> {
        Some(Self {
            connector: details.connector?.to_owned(),
            connector_id: details.connector_id?.to_owned(),
            applicant_id: details.applicant_id.map(str::to_owned),
        })
    }

    pub(super) fn details(&self) -> Details<'_> {
        Details {
            connector: Some(&self.connector),
            connector_id: Some(&self.connector_id),
            applicant_id: self.applicant_id.as_deref(),
            ..Details::default()
        }
    }
}

impl Waits {
    /// Takes note of a file that waits. Returns whether it has not been said yet that it does for
    /// that reason; it counts as said then.
    ///
    /// The ledger does not tell: who starts the program again, maybe with other settings, is to
    /// read what keeps the files now.
    pub(super) fn note(&self, entry: &Entry, code: Code, details: &Details<'_>) -> bool {
        let mut memory = self.lock();
        let sender = Sender::of(details).map(|sender| memory.shared(sender));
        let mark = mark(code);
        let location = memory.hash_of(entry.location.as_str());
        let before = memory.get(location);
        let said = before.map_or(0, |wait| if mark == 0 { 0 } else { wait.said });
        let is_news =
            before.is_none_or(|wait| wait.code != code) && (mark == 0 || said & mark == 0);
        let wait = Wait {
            location,
            identity: memory.identity_of(entry),
            sender,
            pass: memory.pass,
            code,
            said: said | mark,
            is_listed: false,
        };
        memory.insert(wait);
        memory.is_waiting(entry, code);
        is_news
    }

    /// Who sent a file, if it was seen waiting just as it is, and would wait on: its applicant has no
    /// mapping or its connector is not listed, which nothing changes while we run, or its connector's files
    /// are held.
    pub(super) fn sender_of_waiting(&self, entry: &Entry, held: &Held) -> Option<Arc<Sender>> {
        let memory = self.lock();
        let wait = memory.get(memory.hash_of(entry.location.as_str()))?;
        let sender = wait.sender.as_ref()?;
        let lasts = matches!(
            wait.code,
            Code::UnmappedApplicant | Code::ConnectorNotAllowed
        );
        let would_wait = lasts || held.holds(&sender.connector_id);
        (would_wait && wait.identity == memory.identity_of(entry)).then(|| Arc::clone(sender))
    }

    /// Whether the last pass found files of a connector waiting.
    pub(super) fn are_there_of(&self, connector_id: &str) -> bool {
        let memory = self.lock();
        let mut files = memory.files.iter();
        files.any(|wait| {
            let sender = wait.sender.as_ref();
            wait.pass == memory.pass
                && sender.is_some_and(|sender| sender.connector_id == connector_id)
        })
    }

    /// What there is to tell at this time of files that the last pass found waiting. Each was told of
    /// when it began to: so nothing, but each hour for as long as any do.
    fn to_tell(&self, now: Instant) -> Vec<Lasting> {
        let mut memory = self.lock();
        let lasting = memory.lasting();
        if lasting.is_empty() {
            memory.told_at = None;
            return lasting;
        }
        let told_at = *memory.told_at.get_or_insert(now);
        if now.saturating_duration_since(told_at) < BETWEEN_TELLINGS {
            return Vec::new();
        }
        memory.told_at = Some(now);
        lasting
    }

    /// A pass begins: forgets the files that are not there any more.
    pub(super) fn keep(&self, listing: &Listing) {
        let mut memory = self.lock();
        memory.pass = memory.pass.wrapping_add(1);
        memory.oldest.clear();
        if memory.files.is_empty() {
            return;
        }
        for file in listing.iter() {
            let location = memory.hash_of(file.location);
            if let Some(wait) = memory.get_mut(location) {
                wait.is_listed = true;
            }
        }
        memory
            .files
            .retain(|wait| std::mem::take(&mut wait.is_listed));
        memory
            .senders
            .retain(|sender| Arc::strong_count(sender) > 1);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Importer {
    /// What there is to tell of files that the last pass found waiting.
    pub(crate) fn lasting_waits(&self) -> Vec<Lasting> {
        self.waits.to_tell(self.steady.now())
    }
}

impl Memory {
    /// The files that the last pass found waiting, by code.
    fn lasting(&self) -> Vec<Lasting> {
        let mut lasting: BTreeMap<&str, Lasting> = BTreeMap::new();
        for wait in self.files.iter().filter(|wait| wait.pass == self.pass) {
            let Some(oldest) = self.oldest.get(&wait.code) else {
                continue;
            };
            let lasting = lasting.entry(wait.code.as_str());
            lasting
                .or_insert_with(|| Lasting {
                    code: wait.code,
                    files: 0,
                    oldest: oldest.location.to_string(),
                    modified: oldest.modified,
                })
                .files += 1;
        }
        lasting.into_values().collect()
    }

    /// The pass has found a file waiting.
    fn is_waiting(&mut self, entry: &Entry, code: Code) {
        let position = Position::of(entry.as_listed());
        let oldest = self.oldest.entry(code).or_insert_with(|| position.clone());
        if position < *oldest {
            *oldest = position;
        }
    }

    fn hash_of(&self, location: &str) -> u64 {
        self.hasher.hash_one(location)
    }

    fn identity_of(&self, entry: &Entry) -> u64 {
        let Entry {
            location,
            size,
            modified,
            etag,
        } = entry;
        self.hasher.hash_one((location, size, modified, etag))
    }

    fn get(&self, location: u64) -> Option<&Wait> {
        self.files.find(location, |wait| wait.location == location)
    }

    fn get_mut(&mut self, location: u64) -> Option<&mut Wait> {
        self.files
            .find_mut(location, |wait| wait.location == location)
    }

    fn insert(&mut self, wait: Wait) {
        match self.get_mut(wait.location) {
            Some(before) => *before = wait,
            None => {
                self.files
                    .insert_unique(wait.location, wait, |wait| wait.location);
            }
        }
    }

    fn shared(&mut self, sender: Sender) -> Arc<Sender> {
        if let Some(known) = self.senders.get(&sender) {
            return Arc::clone(known);
        }
        let sender = Arc::new(sender);
        self.senders.insert(Arc::clone(&sender));
        sender
    }
}

#[cfg(test)]
mod tests {
    use bundle_source::Location;

    use super::*;

    const NOBODY: Details<'_> = Details {
        connector: None,
        connector_id: None,
        applicant_id: None,
        user_id: None,
        work: None,
        moved_to: None,
        same: None,
    };

    fn sent_by(connector_id: &str) -> Details<'_> {
        Details {
            connector: Some("name"),
            connector_id: Some(connector_id),
            ..NOBODY
        }
    }

    fn entry(name: &str) -> Entry {
        Entry {
            location: Location::new(name),
            size: 1,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        }
    }

    #[test]
    fn a_reason_is_news_once_while_the_file_is_there() {
        let (waits, file) = (Waits::default(), entry("a.json"));
        assert!(waits.note(&file, Code::Queue, &NOBODY));
        assert!(!waits.note(&file, Code::Queue, &NOBODY));
        assert!(waits.note(&file, Code::Platform, &NOBODY));
        assert!(waits.note(&file, Code::Queue, &NOBODY));
        waits.keep(&[file.clone()].into_iter().collect());
        assert!(!waits.note(&file, Code::Queue, &NOBODY));
        waits.keep(&Listing::default());
        assert!(waits.note(&file, Code::Queue, &NOBODY));
    }

    #[test]
    fn each_way_that_a_file_looks_while_it_is_written_is_said_once() {
        let (waits, file) = (Waits::default(), entry("a.json"));
        for (code, expect) in [
            (Code::InvalidJson, true),
            (Code::Unreadable, true),
            (Code::InvalidJson, false),
            (Code::TooDeep, true),
            (Code::Unreadable, false),
            (Code::Platform, true),
            (Code::Unreadable, true),
        ] {
            assert_eq!(waits.note(&file, code, &NOBODY), expect, "{code}");
        }
    }

    #[test]
    fn every_code_of_an_unfinished_file_has_a_mark_of_its_own() {
        let codes = [
            Code::InvalidJson,
            Code::InvalidUtf8,
            Code::TooLarge,
            Code::TooDeep,
            Code::Unreadable,
        ];
        let unfinished = codes.iter().filter(|code| code.may_be_unfinished());
        assert_eq!(unfinished.count(), 4);
        let marks: HashSet<u8> = codes.into_iter().map(mark).collect();
        assert!(marks.len() == 5 && marks.iter().all(|mark| mark.is_power_of_two()));
    }

    #[test]
    fn a_file_would_wait_on_while_its_connector_is_held_or_its_applicant_unmapped() {
        let holding = |connector_id: &str| {
            let held = Held::default();
            held.hold(connector_id, Code::QueueFull, "full".to_owned());
            held
        };
        for (code, sender, held, expect) in [
            (Code::QueueFull, sent_by("c"), holding("c"), true),
            (Code::Platform, sent_by("c"), holding("c"), true),
            (Code::QueueFull, sent_by("c"), holding("d"), false),
            (Code::QueueFull, sent_by("c"), Held::default(), false),
            (Code::UnmappedApplicant, sent_by("c"), Held::default(), true),
            (Code::UnmappedApplicant, NOBODY, holding("c"), false),
            (Code::InvalidJson, NOBODY, holding("c"), false),
        ] {
            let (waits, file) = (Waits::default(), entry("a.json"));
            assert_eq!(waits.sender_of_waiting(&file, &held), None);
            waits.note(&file, code, &sender);
            let found = waits.sender_of_waiting(&file, &held);
            assert_eq!(found.is_some(), expect, "{code} {sender:?}");
            assert!(found.is_none_or(|found| found.details().connector_id == Some("c")));
            let written_to = Entry {
                size: 2,
                ..file.clone()
            };
            let touched = Entry {
                modified: DateTime::UNIX_EPOCH + chrono::TimeDelta::nanoseconds(1),
                ..file.clone()
            };
            let replaced = Entry {
                etag: Some("2".into()),
                ..file
            };
            for other in [written_to, touched, replaced, entry("b.json")] {
                assert_eq!(waits.sender_of_waiting(&other, &held), None, "{other:?}");
            }
        }
    }

    #[test]
    fn files_that_wait_on_are_told_of_each_hour() {
        let (waits, began) = (Waits::default(), Instant::now());
        let at = |minutes| began + Duration::from_mins(minutes);
        let old = Entry {
            modified: DateTime::UNIX_EPOCH - chrono::TimeDelta::days(1),
            ..entry("b")
        };
        let files = [entry("a"), old.clone(), entry("c"), entry("d")];
        let listing: Listing = files.iter().cloned().collect();
        let pass = |minutes, waiting: &[(&Entry, Code)]| {
            waits.keep(&listing);
            for (file, code) in waiting {
                waits.note(file, *code, &NOBODY);
            }
            waits.to_tell(at(minutes))
        };
        let [a, b, c, d] = &files;
        let some = [(a, Code::Queue), (b, Code::Queue), (c, Code::Platform)];
        let more = [(d, Code::Queue), (a, Code::Queue)];
        let told = |code, files, file: &Entry| Lasting {
            code,
            files,
            oldest: file.location.to_string(),
            modified: file.modified,
        };
        let expect = [told(Code::Platform, 1, c), told(Code::Queue, 2, b)];
        for (minutes, waiting, expect) in [
            (0, &some[..], &[][..]),
            (59, &some, &[]),
            (60, &some, &expect),
            (61, &some, &[]),
            (119, &some, &[]),
            // Three do not wait any more, though they are there.
            (120, &more, &[told(Code::Queue, 2, a)]),
            (180, &[], &[]),
            (181, &more, &[]),
            (240, &more, &[]),
            (241, &more, &[told(Code::Queue, 2, a)]),
        ] {
            assert_eq!(pass(minutes, waiting), expect, "{minutes}");
        }
    }

    #[test]
    fn what_is_remembered_of_a_file_is_little() {
        assert!(size_of::<Wait>() <= 32);
        let waits = Waits::default();
        for number in 0..10_000 {
            waits.note(&entry(&number.to_string()), Code::QueueFull, &sent_by("c"));
        }
        assert!(waits.lock().files.allocation_size() <= 10_000 * 80);
    }

    #[test]
    fn senders_are_remembered_once_and_no_longer_than_their_files() {
        let waits = Waits::default();
        for name in ["a", "b", "c"] {
            waits.note(&entry(name), Code::Queue, &sent_by("c"));
        }
        waits.note(&entry("d"), Code::Queue, &sent_by("d"));
        assert_eq!(waits.lock().senders.len(), 2);
        waits.keep(&[entry("d")].into_iter().collect());
        assert_eq!(waits.lock().senders.len(), 1);
    }
}
