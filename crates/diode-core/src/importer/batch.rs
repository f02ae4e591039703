//! Small files that are read, and then imported together: the broker and the disk are waited for
//! once.

use std::iter::Peekable;

use bundle_source::Entry;
use tokio::time::Instant;

use super::Importer;
use super::file::Waiting;
use super::held::Held;
use crate::ledger::{Known, KnownFiles};
use crate::plan::Step;
use crate::read_ahead::ReadAhead;
use crate::reader::Read;

/// How many files are imported together at most.
const MOST_FILES: usize = 128;

/// How many bytes files that are imported together have at most; a larger file goes alone.
const MOST_BYTES: u64 = 4 << 20;

/// A file, and what was known of it before.
pub(super) struct Loaded<'k> {
    pub(super) entry: Entry,
    pub(super) row: Option<Known<'k>>,
    pub(super) content: Content,
}

/// What there is to judge a file by.
pub(super) enum Content {
    /// It was read.
    Read(Read),
    /// It was not.
    Waits(Waiting),
}

/// Whether a file of `size` bytes may join `files` others of `bytes` bytes together.
fn may_join(files: usize, bytes: u64, size: u64) -> bool {
    files < MOST_FILES && bytes.saturating_add(size) <= MOST_BYTES
}

impl Importer {
    /// Reads a file, and the next ones that may be imported together with it. One that would only
    /// wait on is not read.
    pub(super) async fn gather<'k>(
        &self,
        first: Entry,
        steps: &mut Peekable<impl Iterator<Item = Step>>,
        known: &'k KnownFiles,
        ahead: &mut ReadAhead<'_>,
        held: &Held,
    ) -> Vec<Loaded<'k>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut waiting = self.waiting(&first, held);
        let mut next = first;
        let mut deadline = None;
        loop {
            let content = if let Some(waiting) = waiting {
                ahead.pass_over(&next);
                Content::Waits(waiting)
            } else {
                let read = ahead.read(&next, bytes).await;
                bytes = bytes.saturating_add(next.size);
                Content::Read(read)
            };
            batch.push(Loaded {
                row: known.get(next.location.as_str()),
                entry: next,
                content,
            });
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.gathering);
            let Some(Step::Examine(entry)) = steps.peek() else {
                break;
            };
            waiting = self.waiting(entry, held);
            let size = waiting.as_ref().map_or(entry.size, |_| 0);
            if !may_join(batch.len(), bytes, size)
                || self.turn.is_cancelled()
                || !(waiting.is_some() || ahead.is_read_by(entry, deadline).await)
            {
                break;
            }
            let Some(Step::Examine(entry)) = steps.next() else {
                break;
            };
            next = entry;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_imported_together() {
        for (files, bytes, size, expect) in [
            (1, 10, 10, true),
            (MOST_FILES - 1, 10, 10, true),
            (MOST_FILES, 10, 10, false),
            (1, 10, MOST_BYTES - 10, true),
            (1, 10, MOST_BYTES - 9, false),
            (1, MOST_BYTES + 1, 0, false),
            (1, 10, u64::MAX, false),
        ] {
            assert_eq!(
                may_join(files, bytes, size),
                expect,
                "{files} {bytes} {size}"
            );
        }
    }
}
