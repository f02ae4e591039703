//! Reading the next files while the one before them is imported.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::{Arc, OnceLock};

use bundle_source::{Entry, ReadError, Source, SourceError};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::Clock;
use crate::fingerprint::Fingerprint;

/// How many files are read at the same time at most, however small they are.
const MOST_AT_ONCE: usize = 8;

/// How many files that nobody has asked for yet are read, or being read, at most.
const MOST_AHEAD: usize = 256;

/// Above this size, taking a fingerprint would hold up whatever else is to be done.
const LONG_TO_DIGEST: usize = 256 << 10;

/// How much is read before it is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// The largest file that is read at all, in bytes.
    pub(crate) largest_file: u64,
    /// How many bytes of files may be in memory, that of the file being imported included. A file
    /// larger than this is read alone.
    pub(crate) memory: u64,
}

/// A file's content, and as of when.
#[derive(Debug)]
pub(crate) struct Read {
    /// What reading it came to.
    pub(crate) content: Result<Content, ReadError>,
    /// When it was still the file that was listed.
    pub(crate) at: DateTime<Utc>,
}

/// What is in a file.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    fingerprint: Arc<OnceLock<Fingerprint>>,
}

impl Content {
    /// The digest of a large file is made meanwhile.
    fn new(bytes: Bytes) -> Self {
        let content = Self {
            bytes,
            fingerprint: Arc::default(),
        };
        if content.bytes.len() > LONG_TO_DIGEST {
            let copy = content.clone();
            tokio::task::spawn_blocking(move || copy.fingerprint());
        } else {
            content.fingerprint();
        }
        content
    }

    /// The fingerprint of the bytes; while it is being made, it is waited for.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        *self
            .fingerprint
            .get_or_init(|| Fingerprint::of(&self.bytes))
    }
}

/// The files to be read, in order.
type Entries<'a> = Box<dyn Iterator<Item = Entry> + Send + 'a>;

/// Files of a source, read in order. What was read and not asked for is dropped with this.
pub(crate) struct ReadAhead<'a> {
    source: Arc<dyn Source>,
    clock: Clock,
    reach: Reach,
    /// What is still to be read, in order.
    entries: Peekable<Entries<'a>>,
    /// What is being read, or was, in order.
    reads: VecDeque<Pending>,
    turns: Arc<Semaphore>,
}

struct Pending {
    entry: Entry,
    size: u64,
    task: AbortOnDropHandle<Read>,
    /// What the task came to, once it was waited for.
    read: Option<Read>,
}

impl<'a> ReadAhead<'a> {
    /// Will read `entries` in their order.
    pub(crate) fn new(
        source: Arc<dyn Source>,
        clock: Clock,
        reach: Reach,
        entries: impl Iterator<Item = Entry> + Send + 'a,
    ) -> Self {
        let entries: Entries<'a> = Box::new(entries);
        Self {
            source,
            clock,
            reach,
            entries: entries.peekable(),
            reads: VecDeque::new(),
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
        }
    }

    /// The content of `entry`, which is the next that was not asked for yet; any other is read only
    /// now. Of files that were asked for before, so many bytes are still in use; others are begun to
    /// be read only here, so that those in use are part of the memory that is counted.
    pub(crate) async fn read(&mut self, entry: &Entry, in_use: u64) -> Read {
        self.start_reads(in_use);
        let is_next = |pending: &mut Pending| pending.entry == *entry;
        let Some(Pending { task, read, .. }) = self.reads.pop_front_if(is_next) else {
            return self.read_now(entry.clone()).await;
        };
        match read {
            Some(read) => read,
            None => task.await.unwrap_or_else(|error| self.broken_off(error)),
        }
    }

    /// Nobody will ask for `entry`, which is the next that was not asked for yet, if it is to be read
    /// at all.
    pub(crate) fn pass_over(&mut self, entry: &Entry) {
        let is_next = |pending: &mut Pending| pending.entry == *entry;
        if self.reads.pop_front_if(is_next).is_none() && self.reads.is_empty() {
            self.entries.next_if_eq(entry);
        }
    }

    /// Whether `entry` is the next that was not asked for yet, and is read by then.
    pub(crate) async fn is_read_by(&mut self, entry: &Entry, deadline: Instant) -> bool {
        let Some(next) = self.reads.front_mut().filter(|next| next.entry == *entry) else {
            return false;
        };
        if next.read.is_none() {
            match timeout_at(deadline, &mut next.task).await {
                Ok(Ok(read)) => next.read = Some(read),
                // A reading that broke off: whoever asks for it reads it anew.
                Ok(Err(_)) => {
                    self.reads.pop_front();
                    return false;
                }
                Err(_) => return false,
            }
        }
        true
    }

    fn start_reads(&mut self, in_use: u64) {
        while let Some(size) = self.entries.peek().map(|entry| entry.size) {
            let size = self.size_in_memory(size);
            let ahead: u64 = self.reads.iter().map(|read| read.size).sum();
            let in_memory = in_use.saturating_add(ahead);
            if !may_start(self.reads.len(), in_memory, size, self.reach.memory) {
                break;
            }
            let Some(entry) = self.entries.next() else {
                break;
            };
            let task = AbortOnDropHandle::new(tokio::spawn(self.read_now(entry.clone())));
            self.reads.push_back(Pending {
                entry,
                size,
                task,
                read: None,
            });
        }
    }

    fn read_now(&self, entry: Entry) -> impl Future<Output = Read> + Send + 'static {
        let source = Arc::clone(&self.source);
        let clock = Arc::clone(&self.clock);
        let turns = Arc::clone(&self.turns);
        let largest_file = self.reach.largest_file;
        async move {
            let _turn = turns.acquire().await;
            // Before, not after: what is written once it was read is not what was read.
            let at = clock();
            let content = match source.read(&entry, largest_file).await {
                Ok(bytes) => Ok(Content::new(bytes)),
                Err(error) => Err(error),
            };
            Read { content, at }
        }
    }

    /// A file that is too large is not read.
    fn size_in_memory(&self, size: u64) -> u64 {
        if size > self.reach.largest_file {
            0
        } else {
            size
        }
    }

    fn broken_off(&self, error: tokio::task::JoinError) -> Read {
        let failed = SourceError {
            action: "read",
            place: self.source.name().to_owned(),
            transient: true,
            read_only: false,
            source: Box::new(error),
        };
        Read {
            content: Err(failed.into()),
            at: (self.clock)(),
        }
    }
}

/// Whether a file of `size` bytes may be read beside `others` reads, with `in_memory` bytes there.
fn may_start(others: usize, in_memory: u64, size: u64, memory: u64) -> bool {
    let is_alone = others == 0 && in_memory == 0;
    is_alone || (others < MOST_AHEAD && in_memory.saturating_add(size) <= memory)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bundle_source::{Listing, Location, Removal};
    use tokio::sync::Notify;

    use super::*;

    #[test]
    fn reads_start_while_there_is_room() {
        let check = |others, in_memory, size, expect: bool| {
            let got = may_start(others, in_memory, size, 100);
            assert_eq!(got, expect, "{others} {in_memory} {size}");
        };
        check(0, 0, 100, true);
        check(0, 0, 101, true);
        check(0, 0, u64::MAX, true);
        check(0, 1, 99, true);
        check(0, 1, 100, false);
        check(1, 60, 40, true);
        check(1, 60, 41, false);
        check(1, 101, 0, false);
        check(1, 60, u64::MAX, false);
        check(MOST_AHEAD - 1, 0, 1, true);
        check(MOST_AHEAD, 0, 0, false);
    }

    /// Files whose reading ends when it is permitted.
    #[derive(Debug, Default)]
    struct Gates {
        begun: Mutex<Vec<String>>,
        open: Mutex<HashMap<String, Arc<Notify>>>,
    }

    impl Gates {
        fn gate(&self, name: &str) -> Arc<Notify> {
            let mut open = self.open.lock().unwrap();
            Arc::clone(open.entry(name.to_owned()).or_default())
        }

        /// The files whose reading has begun, once everything that can happen has.
        async fn begun(&self) -> Vec<String> {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            self.begun.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Source for Gates {
        fn name(&self) -> &'static str {
            "gates"
        }

        async fn list(&self) -> Result<Listing, SourceError> {
            unreachable!("the files are given")
        }

        async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
            let name = entry.location.as_str();
            self.begun.lock().unwrap().push(name.to_owned());
            if entry.size > limit {
                return Err(ReadError::TooLarge {
                    location: entry.location.clone(),
                    size: entry.size,
                    limit,
                });
            }
            self.gate(name).notified().await;
            Ok(Bytes::copy_from_slice(name.as_bytes()))
        }

        async fn remove(&self, _: &Entry) -> Result<Removal, SourceError> {
            unreachable!("nothing is removed")
        }

        async fn set_aside(&self, _: &Entry, _: &[u8]) -> Result<Option<String>, SourceError> {
            unreachable!("nothing is set aside")
        }

        async fn discard(&self, _: &str) -> Result<(), SourceError> {
            unreachable!("nothing is discarded")
        }
    }

    /// A reader of files by name and size, with room for 100 bytes.
    fn reader<'a>(gates: &Arc<Gates>, files: &'a [(&str, u64)]) -> ReadAhead<'a> {
        let entries = files.iter().map(|(name, size)| entry(name, *size));
        let reach = Reach {
            largest_file: 1_000,
            memory: 100,
        };
        let clock: Clock = Arc::new(|| DateTime::UNIX_EPOCH);
        ReadAhead::new(Arc::clone(gates) as _, clock, reach, entries)
    }

    fn entry(name: &str, size: u64) -> Entry {
        Entry {
            location: Location::new(name),
            size,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        }
    }

    #[tokio::test]
    async fn fingerprints_of_small_and_large_files() {
        for size in [0, 1, LONG_TO_DIGEST, LONG_TO_DIGEST + 1] {
            let bytes = Bytes::from(vec![b'x'; size]);
            let content = Content::new(bytes.clone());
            let expect = Fingerprint::of(&bytes);
            assert_eq!(content.fingerprint(), expect, "{size}");
        }
    }

    async fn read(reader: &mut ReadAhead<'_>, file: (&str, u64)) -> Bytes {
        let read = reader.read(&entry(file.0, file.1), 0).await;
        read.content.unwrap().bytes
    }

    #[tokio::test]
    async fn files_come_in_order_whichever_is_read_first() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 10), ("b", 10), ("c", 10)]);
        for name in ["c", "b", "a"] {
            gates.gate(name).notify_one();
        }
        for name in ["a", "b", "c"] {
            assert_eq!(read(&mut reader, (name, 10)).await, name);
        }
    }

    #[tokio::test]
    async fn a_file_out_of_order_is_read_all_the_same() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 10), ("b", 10)]);
        for name in ["x", "a"] {
            gates.gate(name).notify_one();
            assert_eq!(read(&mut reader, (name, 10)).await, name);
        }
    }

    #[tokio::test]
    async fn memory_is_bounded_and_a_large_file_is_read_alone() {
        let gates = Arc::new(Gates::default());
        let files = [("a", 40), ("b", 60), ("c", 1), ("d", 500), ("e", 1)];
        let mut reader = reader(&gates, &files);
        let begun_after = ["a b", "a b c", "a b c", "a b c d", "a b c d e"];
        for (file, begun) in files.into_iter().zip(begun_after) {
            gates.gate(file.0).notify_one();
            assert_eq!(read(&mut reader, file).await, file.0);
            assert_eq!(gates.begun().await.join(" "), begun, "after {}", file.0);
        }
    }

    #[tokio::test]
    async fn what_is_in_use_is_part_of_the_memory() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 30), ("b", 30), ("c", 20), ("d", 20)]);
        gates.gate("a").notify_one();
        reader.read(&entry("a", 30), 0).await.content.unwrap();
        assert_eq!(gates.begun().await, ["a", "b", "c", "d"]);
        let mut reader = self::reader(&gates, &[("e", 30), ("f", 30), ("g", 20)]);
        gates.gate("e").notify_one();
        reader.read(&entry("e", 30), 40).await.content.unwrap();
        assert_eq!(gates.begun().await.split_off(4), ["e", "f"]);
    }

    #[tokio::test]
    async fn it_can_be_seen_whether_the_next_is_read() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 1), ("b", 1), ("c", 1)]);
        gates.gate("a").notify_one();
        read(&mut reader, ("a", 1)).await;
        let soon = Instant::now() + std::time::Duration::from_millis(10);
        assert!(!reader.is_read_by(&entry("b", 1), soon).await);
        gates.gate("b").notify_one();
        let later = Instant::now() + std::time::Duration::from_mins(1);
        assert!(!reader.is_read_by(&entry("c", 1), later).await, "b is next");
        assert!(reader.is_read_by(&entry("b", 1), later).await);
        assert!(reader.is_read_by(&entry("b", 1), soon).await, "still");
        assert_eq!(read(&mut reader, ("b", 1)).await, "b");
    }

    #[tokio::test]
    async fn what_is_passed_over_is_in_nobody_s_way() {
        let gates = Arc::new(Gates::default());
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            gates.gate(name).notify_one();
        }
        // Of these there is room for two.
        let files = names.map(|name| (name, 50));
        let mut reader = reader(&gates, &files);
        reader.read(&entry("a", 50), 0).await.content.unwrap();
        assert_eq!(gates.begun().await, ["a", "b"]);
        reader.pass_over(&entry("d", 50));
        reader.pass_over(&entry("b", 50));
        reader.pass_over(&entry("c", 50));
        reader.pass_over(&entry("e", 50));
        assert_eq!(read(&mut reader, ("d", 50)).await, "d");
        assert_eq!(gates.begun().await, ["a", "b", "d", "e"]);
        assert_eq!(read(&mut reader, ("e", 50)).await, "e");
        assert_eq!(gates.begun().await.len(), 4, "each once");
    }

    #[tokio::test]
    async fn only_some_are_read_at_the_same_time() {
        let gates = Arc::new(Gates::default());
        let names: Vec<String> = (10..30).map(|number| number.to_string()).collect();
        let files: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        let mut reader = reader(&gates, &files);
        gates.gate("10").notify_one();
        read(&mut reader, ("10", 1)).await;
        assert_eq!(gates.begun().await.len(), MOST_AT_ONCE + 1);
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_takes_no_room() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 100), ("b", 1_001)]);
        gates.gate("a").notify_one();
        assert_eq!(read(&mut reader, ("a", 100)).await, "a");
        assert_eq!(gates.begun().await, ["a", "b"]);
        let refused = reader.read(&entry("b", 1_001), 0).await;
        assert!(matches!(refused.content, Err(ReadError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn what_nobody_asks_for_any_more_is_not_read_on() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 1), ("b", 1)]);
        gates.gate("a").notify_one();
        read(&mut reader, ("a", 1)).await;
        gates.begun().await;
        // Ourselves, the reader, and its task that waits at the gate.
        assert_eq!(Arc::strong_count(&gates), 3);
        drop(reader);
        gates.begun().await;
        assert_eq!(Arc::strong_count(&gates), 1);
    }
}
