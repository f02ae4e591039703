//! Reading files of a source, and unpacking them.

use std::sync::Arc;

use bundle_source::{Entry, ReadError, Source, SourceError};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::Clock;
use crate::unpack::{Fault, Unpacked, Unpacker};

/// How many files are read at the same time at most, however small they are.
pub(crate) const MOST_AT_ONCE: usize = 8;

/// A file's content, and as of when.
#[derive(Debug)]
pub(crate) struct Read<T = Unpacked> {
    /// What reading it came to.
    pub(crate) content: Result<T, ReadError>,
    /// When it was still the file that was listed.
    pub(crate) at: DateTime<Utc>,
}

/// Reads files of a source, and unpacks them.
pub(crate) struct Reader {
    source: Arc<dyn Source>,
    clock: Clock,
    unpacker: Arc<Unpacker>,
    turns: Semaphore,
}

impl Reader {
    pub(crate) fn new(source: Arc<dyn Source>, clock: Clock, unpacker: Unpacker) -> Self {
        Self {
            source,
            clock,
            unpacker: Arc::new(unpacker),
            turns: Semaphore::new(MOST_AT_ONCE),
        }
    }

    /// Reads a file, and unpacks it.
    pub(crate) async fn read(&self, entry: &Entry) -> Read {
        let bytes = self.bytes(entry).await;
        self.unpack(entry, bytes).await
    }

    /// Reads a file's bytes.
    pub(crate) async fn bytes(&self, entry: &Entry) -> Read<Bytes> {
        let _turn = self.turns.acquire().await;
        // Before, not after: what is written once it was read is not what was read.
        let at = (self.clock)();
        let content = self.source.read(entry, self.largest_file()).await;
        Read { content, at }
    }

    /// Unpacks a file that was read.
    pub(crate) async fn unpack(&self, entry: &Entry, read: Read<Bytes>) -> Read {
        let content = match read.content {
            Ok(bytes) => {
                let unpacked = self.unpacker.unpack(bytes).await;
                unpacked.map_err(|Fault| failed("take apart", entry))
            }
            Err(error) => Err(error),
        };
        Read {
            content,
            at: read.at,
        }
    }

    /// How much room a file of `size` bytes takes: one that is too large is not read.
    pub(crate) fn size_in_memory(&self, size: u64) -> u64 {
        if size > self.largest_file() { 0 } else { size }
    }

    fn largest_file(&self) -> u64 {
        self.unpacker.largest_file()
    }
}

fn failed(action: &'static str, entry: &Entry) -> ReadError {
    let place = entry.location.to_string();
    let failed = SourceError {
        action,
        place,
        transient: true,
        read_only: false,
        source: Box::new(Fault),
    };
    failed.into()
}

/// A file that is being read, to its bytes or unpacked, or was.
pub(crate) struct Pending<T> {
    pub(crate) entry: Entry,
    /// How much room it takes, in bytes.
    pub(crate) size: u64,
    begun: DateTime<Utc>,
    task: AbortOnDropHandle<Read<T>>,
    /// What the task came to, once it was waited for.
    read: Option<Read<T>>,
}

impl Pending<Bytes> {
    /// Begins to read a file's bytes.
    pub(crate) fn bytes(reader: &Arc<Reader>, entry: Entry) -> Self {
        let (copy, to_read) = (Arc::clone(reader), entry.clone());
        let reading = async move { copy.bytes(&to_read).await };
        Self::begin(reader, entry, reading)
    }
}

impl Pending<Unpacked> {
    /// Begins to read a file, and to unpack it.
    pub(crate) fn unpacked(reader: &Arc<Reader>, entry: Entry) -> Self {
        let (copy, to_read) = (Arc::clone(reader), entry.clone());
        let reading = async move { copy.read(&to_read).await };
        Self::begin(reader, entry, reading)
    }
}

impl<T: Send + 'static> Pending<T> {
    fn begin(
        reader: &Reader,
        entry: Entry,
        reading: impl Future<Output = Read<T>> + Send + 'static,
    ) -> Self {
        Self {
            size: reader.size_in_memory(entry.size),
            entry,
            begun: (reader.clock)(),
            task: AbortOnDropHandle::new(tokio::spawn(reading)),
            read: None,
        }
    }

    /// Waits until the file is read; that may be given up, and done again.
    pub(crate) async fn wait(&mut self) {
        if self.read.is_none() {
            let read = (&mut self.task).await;
            self.read = Some(read.unwrap_or_else(|_| self.broken_off()));
        }
    }

    /// What reading the file came to.
    pub(crate) async fn into_read(mut self) -> Read<T> {
        self.wait().await;
        let read = self.read.take();
        read.unwrap_or_else(|| self.broken_off())
    }

    fn broken_off(&self) -> Read<T> {
        Read {
            content: Err(failed("read", &self.entry)),
            at: self.begun,
        }
    }
}
