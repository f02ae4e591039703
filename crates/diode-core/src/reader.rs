//! Reading files of a source, and unpacking them.

use std::sync::Arc;

use bundle_source::{Entry, ReadError, Source, SourceError};
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::Clock;
use crate::unpack::{Fault, Unpacked, Unpacker};

/// How many files are read at the same time at most, however small they are.
pub(crate) const MOST_AT_ONCE: usize = 8;

/// A file's content, and as of when.
#[derive(Debug)]
pub(crate) struct Read {
    /// What reading it came to.
    pub(crate) content: Result<Unpacked, ReadError>,
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

    /// Reads a file now.
    pub(crate) async fn read(&self, entry: &Entry) -> Read {
        let turn = self.turns.acquire().await;
        // Before, not after: what is written once it was read is not what was read.
        let at = (self.clock)();
        let bytes = self.source.read(entry, self.largest_file()).await;
        drop(turn);
        let content = match bytes {
            Ok(bytes) => {
                let unpacked = self.unpacker.unpack(bytes).await;
                unpacked.map_err(|Fault| failed("take apart", entry).into())
            }
            Err(error) => Err(error),
        };
        Read { content, at }
    }

    /// A file that is too large is not read.
    pub(crate) fn size_in_memory(&self, size: u64) -> u64 {
        if size > self.largest_file() { 0 } else { size }
    }

    fn largest_file(&self) -> u64 {
        self.unpacker.largest_file()
    }
}

fn failed(action: &'static str, entry: &Entry) -> SourceError {
    SourceError {
        action,
        place: entry.location.to_string(),
        transient: true,
        read_only: false,
        source: Box::new(Fault),
    }
}

/// A file that is being read, or was.
pub(crate) struct Pending {
    pub(crate) entry: Entry,
    /// How much room it takes, in bytes.
    pub(crate) size: u64,
    begun: DateTime<Utc>,
    task: AbortOnDropHandle<Read>,
    /// What the task came to, once it was waited for.
    read: Option<Read>,
}

impl Pending {
    /// Begins to read a file.
    pub(crate) fn begin(reader: Arc<Reader>, entry: Entry) -> Self {
        let size = reader.size_in_memory(entry.size);
        let begun = (reader.clock)();
        let to_read = entry.clone();
        let task = tokio::spawn(async move { reader.read(&to_read).await });
        Self {
            entry,
            size,
            begun,
            task: AbortOnDropHandle::new(task),
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
    pub(crate) async fn into_read(mut self) -> Read {
        if let Some(read) = self.read.take() {
            return read;
        }
        let read = (&mut self.task).await;
        read.unwrap_or_else(|_| self.broken_off())
    }

    fn broken_off(&self) -> Read {
        Read {
            content: Err(failed("read", &self.entry).into()),
            at: self.begun,
        }
    }
}
