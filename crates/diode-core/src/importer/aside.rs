//! Cleaning up: what leaves its place, and how that is remembered.

use std::collections::HashSet;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use bundle_source::{Entry, Location, Removal, SourceError};
use chrono::TimeDelta;

use super::Importer;
use super::failures::Failures;
use crate::Outcome;
use crate::ledger::Known;
use crate::plan::AfterImport;
use crate::report::PassReport;
use crate::trouble::{Fatal, chain};

/// How long the ledger knows of a file that is gone.
const REMEMBERED: TimeDelta = TimeDelta::days(90);

/// From one time that it is told what was set aside to the next.
const TOLD_EVERY: TimeDelta = TimeDelta::weeks(1);

/// Whether a source permits a kind of change. Where it does not, that is said once, and tried once
/// in a pass: the ledger keeps what stays from being imported again.
#[derive(Debug, Default)]
pub(super) struct Permission {
    is_refused: AtomicBool,
    is_said: AtomicBool,
    /// What fails although it is permitted.
    failures: Failures,
}

impl Permission {
    /// A new pass begins: it may have been granted since.
    pub(super) fn ask_again(&self) {
        self.is_refused.store(false, Ordering::Relaxed);
        if let Some(files) = self.failures.pass_begins() {
            tracing::warn!(
                files,
                "besides those that were named, so many files could not be deleted or set aside in \
                 the last pass"
            );
        }
    }

    fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    fn granted(&self) {
        self.is_said.store(false, Ordering::Relaxed);
    }

    /// Says so, unless that was said already: of this kind of change, or in this pass of the other.
    fn refused(&self, other: &Self, source: &str, error: &SourceError) {
        self.is_refused.store(true, Ordering::Relaxed);
        if !self.is_said.swap(true, Ordering::Relaxed) && !other.is_refused() {
            tracing::warn!(
                source,
                error = chain(error),
                "this source permits reading only: what was imported or rejected stays in its place, \
                 and is not imported again"
            );
        }
    }
}

impl Importer {
    /// Deletes a file whose import is recorded. Where that fails, the next pass tries again.
    pub(super) async fn remove(&self, entry: &Entry) -> Result<bool, Fatal> {
        Ok(self.remove_all(slice::from_ref(entry)).await? == 1)
    }

    /// Deletes several. Returns how many are gone.
    pub(super) async fn remove_all(&self, files: &[Entry]) -> Result<usize, Fatal> {
        if files.is_empty() || self.removing.is_refused() {
            return Ok(0);
        }
        // What an earlier pass or process wrote must be on disk before a file leaves because of it.
        self.ledger.flush()?;
        let removals = self.source.remove_all(files).await;
        let gone: Vec<&Location> = files
            .iter()
            .zip(removals)
            .filter_map(|(file, removal)| self.is_gone(file, removal).then_some(&file.location))
            .collect();
        let count = gone.len();
        if count > 0 {
            self.ledger
                .deleted(self.source.name(), gone, (self.clock)())?;
        }
        Ok(count)
    }

    fn is_gone(&self, entry: &Entry, removal: Result<Removal, SourceError>) -> bool {
        match removal {
            Ok(Removal::Removed | Removal::AlreadyGone) => {
                self.removing.granted();
                return true;
            }
            Ok(Removal::Replaced) => tracing::info!(
                file = entry.location.as_str(),
                "another file has taken an imported one's name; it is imported next"
            ),
            Err(error) if error.read_only => {
                let other = &self.setting_aside;
                self.removing.refused(other, self.source.name(), &error);
            }
            Err(error) => {
                let error = chain(&error);
                if self.removing.failures.is_news_of(entry, &error) {
                    tracing::error!(
                        file = entry.location.as_str(),
                        error,
                        "an imported file cannot be deleted; it is not imported again"
                    );
                }
            }
        }
        false
    }

    /// Moves a file away whose refusal is recorded. Where that fails, the next pass tries again.
    pub(super) async fn set_aside(&self, entry: &Entry) -> Result<Option<String>, Fatal> {
        if self.setting_aside.is_refused() {
            return Ok(None);
        }
        self.ledger.flush()?;
        let reason = self.ledger.reason(self.source.name(), &entry.location)?;
        let reason = reason.unwrap_or_else(|| b"{}\n".to_vec());
        match self.source.set_aside(entry, &reason).await {
            Ok(moved_to) => {
                self.setting_aside.granted();
                self.left(entry, moved_to.as_deref())?;
                Ok(moved_to)
            }
            Err(error) if error.read_only => {
                let other = &self.removing;
                self.setting_aside
                    .refused(other, self.source.name(), &error);
                Ok(None)
            }
            Err(error) => {
                let error = chain(&error);
                if self.setting_aside.failures.is_news_of(entry, &error) {
                    tracing::error!(
                        file = entry.location.as_str(),
                        error,
                        "a rejected file cannot be set aside; it stays, and is not imported again"
                    );
                }
                Ok(None)
            }
        }
    }

    /// A file that an earlier run or pass decided on, but did not get to move.
    pub(super) async fn set_aside_as_recorded(&self, entry: &Entry) -> Result<(), Fatal> {
        if let Some(moved_to) = self.set_aside(entry).await? {
            tracing::info!(
                file = entry.location.as_str(),
                moved_to,
                "a file rejected earlier was set aside"
            );
        }
        Ok(())
    }

    /// A file that was written anew with the content that we know: nothing is sent again.
    pub(super) async fn recognise(&self, entry: &Entry, row: &Known<'_>) -> Result<(), Fatal> {
        self.ledger.recognise(row.id, entry)?;
        tracing::info!(
            file = entry.location.as_str(),
            outcome = row.outcome.as_str(),
            "a file was written anew with the same content; it is not imported again"
        );
        match (row.outcome, self.rules.policy.after_import(row)) {
            (Outcome::Imported, AfterImport::Delete) => self.remove(entry).await.map(drop),
            (Outcome::Rejected | Outcome::Partial, _) => self.set_aside(entry).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Deletes rejected files whose retention has passed; only such as we set aside ourselves.
    pub(super) async fn discard_expired(&self, report: &mut PassReport) -> Result<(), Fatal> {
        let Some(retention) = self.rules.policy.rejected_retention else {
            return Ok(());
        };
        let Some(before) = chrono::TimeDelta::from_std(retention)
            .ok()
            .and_then(|retention| (self.clock)().checked_sub_signed(retention))
        else {
            return Ok(());
        };
        for file in self.ledger.set_aside_before(self.source.name(), before)? {
            match self.source.discard(&file.moved_to).await {
                Ok(()) => {
                    self.ledger.discarded(file.id)?;
                    report.removed += 1;
                    tracing::info!(
                        file = file.moved_to,
                        "a rejected file's retention has passed"
                    );
                }
                Err(error) => {
                    let error = chain(&error);
                    if self.removing.failures.is_news_of_row(file.id, &error) {
                        tracing::warn!(
                            file = file.moved_to,
                            error,
                            "a rejected file whose retention has passed cannot be deleted"
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// Says once a week how much lies where rejected files were set aside, if anything does: nobody else
    /// reminds of it. When that was is in the ledger, so that no restart repeats it or puts it off.
    ///
    /// What somebody took away from there meanwhile is noted as gone.
    pub(super) async fn tell_set_aside(&self) -> Result<(), Fatal> {
        let (source, now) = (self.source.name(), (self.clock)());
        let told = self.ledger.set_aside_told(source)?;
        // One that is still to come was told by a clock that has been set back.
        if told.is_some_and(|told| (TimeDelta::zero()..TOLD_EVERY).contains(&(now - told))) {
            return Ok(());
        }
        match self.source.list_set_aside().await {
            Ok(listing) => {
                let there: HashSet<&str> = listing.iter().map(|file| file.location).collect();
                self.ledger.keep_set_aside(source, &there)?;
                if !listing.is_empty() {
                    let bytes: u64 = listing.iter().map(|file| file.size).sum();
                    tracing::warn!(
                        source,
                        files = listing.len(),
                        bytes,
                        "rejected files lie where they were set aside: see the reason beside each, and \
                         put the file back to have it imported, or delete both"
                    );
                }
            }
            // The pass meets it, too, and says so.
            Err(error) if error.transient => return Ok(()),
            Err(error) => tracing::warn!(
                source,
                error = chain(&error),
                "cannot see which rejected files were set aside"
            ),
        }
        Ok(self.ledger.tell_set_aside(source, now)?)
    }

    /// Drops what the ledger knows of files that have long been gone.
    pub(super) fn forget_old(&self) -> Result<(), Fatal> {
        let now = (self.clock)();
        self.ledger
            .prune(self.source.name(), now - REMEMBERED, now)?;
        Ok(())
    }

    pub(super) fn left(&self, entry: &Entry, moved_to: Option<&str>) -> Result<(), Fatal> {
        let now = (self.clock)();
        Ok(self
            .ledger
            .left(self.source.name(), &entry.location, moved_to, now)?)
    }
}
