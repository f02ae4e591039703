//! Reading the next files while the one before them is imported.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::sync::Arc;

use bundle_source::Entry;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::reader::{Pending, Read, Reader};
use crate::unpack::Unpacked;

/// How many files that nobody has asked for yet are read, or being read, at most.
const MOST_AHEAD: usize = 256;

/// The files to be read, in order.
type Entries<'a> = Box<dyn Iterator<Item = Entry> + Send + 'a>;

/// Files of a source, read in order. What was read and not asked for is dropped with this.
pub(crate) struct ReadAhead<'a> {
    reader: Arc<Reader>,
    /// How many bytes of files may be in memory, that of the file being imported included. A file
    /// larger than this is read alone.
    memory: u64,
    /// What is still to be read, in order.
    entries: Peekable<Entries<'a>>,
    /// What is being read, or was, in order.
    reads: VecDeque<Pending<Bytes>>,
    /// The first file, where it was begun to be read before there was this.
    begun: Option<Pending<Unpacked>>,
}

impl<'a> ReadAhead<'a> {
    /// Will have `entries` read in their order.
    pub(crate) fn new(
        reader: Reader,
        memory: u64,
        entries: impl Iterator<Item = Entry> + Send + 'a,
    ) -> Self {
        let entries: Entries<'a> = Box::new(entries);
        Self {
            reader: Arc::new(reader),
            memory,
            entries: entries.peekable(),
            reads: VecDeque::new(),
            begun: None,
        }
    }

    /// Takes over a file that is being read, if it is the first.
    pub(crate) fn begin_with(&mut self, file: Pending<Unpacked>) {
        if self.entries.next_if_eq(&file.entry).is_some() {
            self.begun = Some(file);
        }
    }

    /// The content of `entry`, which is the next that was not asked for yet; any other is read only
    /// now. Of files that were asked for before, so many bytes are still in use; others are begun to
    /// be read only here, so that those in use are part of the memory that is counted.
    pub(crate) async fn read(&mut self, entry: &Entry, in_use: u64) -> Read {
        if let Some(begun) = self.begun.take_if(|begun| begun.entry == *entry) {
            self.start_reads(in_use.saturating_add(begun.size));
            return begun.into_read().await;
        }
        self.start_reads(in_use);
        let is_next = |pending: &mut Pending<Bytes>| pending.entry == *entry;
        let bytes = match self.reads.pop_front_if(is_next) {
            Some(pending) => pending.into_read().await,
            None => self.reader.bytes(entry).await,
        };
        self.reader.unpack(entry, bytes).await
    }

    /// Nobody will ask for `entry`, which is the next that was not asked for yet, if it is to be read
    /// at all.
    pub(crate) fn pass_over(&mut self, entry: &Entry) {
        self.begun.take_if(|begun| begun.entry == *entry);
        let is_next = |pending: &mut Pending<Bytes>| pending.entry == *entry;
        if self.reads.pop_front_if(is_next).is_none() && self.reads.is_empty() {
            self.entries.next_if_eq(entry);
        }
    }

    /// Whether `entry` is the next that was not asked for yet, and is read by then.
    pub(crate) async fn is_read_by(&mut self, entry: &Entry, deadline: Instant) -> bool {
        match self.reads.front_mut() {
            Some(next) if next.entry == *entry => timeout_at(deadline, next.wait()).await.is_ok(),
            _ => false,
        }
    }

    fn start_reads(&mut self, in_use: u64) {
        while let Some(size) = self.entries.peek().map(|entry| entry.size) {
            let size = self.reader.size_in_memory(size);
            let ahead: u64 = self.reads.iter().map(|read| read.size).sum();
            let in_memory = in_use.saturating_add(ahead);
            if !may_start(self.reads.len(), in_memory, size, self.memory) {
                break;
            }
            let Some(entry) = self.entries.next() else {
                break;
            };
            let pending = Pending::bytes(&self.reader, entry);
            self.reads.push_back(pending);
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
    use bundle_source::{Listing, Location, ReadError, Removal, Source, SourceError, Wanted};
    use chrono::DateTime;
    use stix_bundle::{Limits, Profile};
    use tokio::sync::Notify;

    use super::*;
    use crate::Clock;
    use crate::reader::MOST_AT_ONCE;
    use crate::unpack::Unpacker;

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

    /// The file whose reading panics.
    const PANICS: &str = "panics";

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

        async fn list(&self, _: &Wanted) -> Result<Listing, SourceError> {
            unreachable!("the files are given")
        }

        async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
            let name = entry.location.as_str();
            self.begun.lock().unwrap().push(name.to_owned());
            assert_ne!(name, PANICS, "what it held");
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

        async fn list_set_aside(&self) -> Result<Listing, SourceError> {
            Ok(Listing::default())
        }

        async fn discard(&self, _: &str) -> Result<(), SourceError> {
            unreachable!("nothing is discarded")
        }
    }

    /// A reader of files by name and size, with room for 100 bytes.
    fn reader<'a>(gates: &Arc<Gates>, files: &'a [(&str, u64)]) -> ReadAhead<'a> {
        let entries = files.iter().map(|(name, size)| entry(name, *size));
        let limits = Limits {
            max_bytes: 1_000,
            ..Limits::default()
        };
        let clock: Clock = Arc::new(|| DateTime::UNIX_EPOCH);
        let unpacker = Unpacker::new(limits, Profile::opencti());
        let reader = Reader::new(Arc::clone(gates) as _, clock, unpacker);
        ReadAhead::new(reader, 100, entries)
    }

    fn entry(name: &str, size: u64) -> Entry {
        Entry {
            location: Location::new(name),
            size,
            modified: DateTime::UNIX_EPOCH,
            etag: None,
        }
    }

    async fn read(reader: &mut ReadAhead<'_>, file: (&str, u64)) -> Bytes {
        let read = reader.read(&entry(file.0, file.1), 0).await;
        read.content.unwrap().bytes().clone()
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
    async fn what_was_begun_before_is_taken_over_if_it_is_the_first() {
        for (begun_before, expect) in [("a", "a b"), ("b", "b a b"), ("x", "x a b")] {
            let gates = Arc::new(Gates::default());
            for name in ["a", "b", "b", "x"] {
                gates.gate(name).notify_one();
            }
            let mut reader = reader(&gates, &[("a", 50), ("b", 50)]);
            let begun = Pending::unpacked(&reader.reader, entry(begun_before, 50));
            gates.begun().await;
            reader.begin_with(begun);
            gates.gate("b").notify_one();
            for name in ["a", "b"] {
                assert_eq!(read(&mut reader, (name, 50)).await, name);
            }
            assert_eq!(gates.begun().await.join(" "), expect);
        }
    }

    #[tokio::test]
    async fn what_was_begun_before_is_part_of_the_memory() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 60), ("b", 41)]);
        let begun = Pending::unpacked(&reader.reader, entry("a", 60));
        reader.begin_with(begun);
        gates.gate("a").notify_one();
        assert_eq!(read(&mut reader, ("a", 60)).await, "a");
        assert_eq!(gates.begun().await, ["a"]);
        gates.gate("b").notify_one();
        assert_eq!(read(&mut reader, ("b", 41)).await, "b");
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
    async fn a_panic_is_the_trouble_of_one_file() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[(PANICS, 1), ("b", 1), (PANICS, 1)]);
        gates.gate("b").notify_one();
        let at_once = told_of_panic(&mut reader).await;
        assert_eq!(read(&mut reader, ("b", 1)).await, "b");
        let soon = Instant::now() + std::time::Duration::from_mins(1);
        assert!(reader.is_read_by(&entry(PANICS, 1), soon).await);
        let waited_for = told_of_panic(&mut reader).await;
        for told in [at_once, waited_for] {
            assert!(told.starts_with("cannot read panics: a fault"), "{told}");
            assert!(!told.contains("what it held"), "{told}");
        }
    }

    async fn told_of_panic(reader: &mut ReadAhead<'_>) -> String {
        let read = reader.read(&entry(PANICS, 1), 0).await;
        crate::chain(&read.content.unwrap_err())
    }

    #[tokio::test]
    async fn what_nobody_asks_for_any_more_is_not_read_on() {
        let gates = Arc::new(Gates::default());
        let mut reader = reader(&gates, &[("a", 1), ("b", 1)]);
        gates.gate("a").notify_one();
        read(&mut reader, ("a", 1)).await;
        gates.begun().await;
        assert_eq!(Arc::strong_count(&reader.reader), 2, "a task waits");
        drop(reader);
        gates.begun().await;
        assert_eq!(Arc::strong_count(&gates), 1, "and is gone");
    }
}
