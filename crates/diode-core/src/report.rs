//! What is told of a file and of a pass.

use std::collections::BTreeMap;
use std::time::Duration;

use bundle_source::Entry;
use chrono::{DateTime, Utc};

use crate::examine::LeftOut;
use crate::state::watermark;
use crate::{Code, Outcome, Unmapped, Way};

/// What became of one file in one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct FileReport {
    /// The file's name in its source.
    pub file: String,
    /// The file's own modification time.
    pub modified: DateTime<Utc>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not imported whole.
    pub code: Option<Code>,
    /// Why, in words.
    pub message: Option<String>,
    /// The way it took, where it was delivered.
    pub way: Way,
    /// How many messages were delivered, as the workers get them: one for each object. None of a
    /// file that went into the workbench.
    pub messages: usize,
    /// What was handed over of it; nothing in a rehearsal.
    pub sent: Sent,
    /// Objects that were not sent, by code and type.
    pub not_sent: Vec<LeftOut>,
    /// Objects that the content policy refused, by code: commands, and objects of the platform's own
    /// types. None of a file that waits.
    pub denied: BTreeMap<&'static str, usize>,
    /// References that were taken out of objects that were sent.
    pub taken_out: TakenOut,
    /// Objects of it, where it was delivered, whose id is of another type than they are.
    pub ids_of_other_types: usize,
    /// A source applicant that no mapping names. Of a file that waits for a mapping, only where that was
    /// not said before.
    pub unmapped: Option<Unmapped>,
}

/// References that were taken out of objects that were sent: of a type that the platform does not take,
/// or closing a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenOut {
    /// How many.
    pub references: usize,
    /// In words, the first objects that lost references which say who may see them, or what is in them
    /// (`object_marking_refs`, `object_refs`).
    pub stripped: Vec<String>,
    /// How many objects lost such.
    pub stripped_objects: usize,
}

impl TakenOut {
    /// In words, which objects lost references that say who may see them, or what is in them.
    pub(crate) fn stripped_in_words(&self) -> Option<String> {
        if self.stripped.is_empty() {
            return None;
        }
        let words = self.stripped.join(", ");
        let unnamed = self.stripped_objects.saturating_sub(self.stripped.len());
        Some(match unnamed {
            0 => words,
            more => format!("{words}, and more in {more} other objects"),
        })
    }
}

/// What was handed over to the platform of a file that was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Bundles: messages to the broker, pushes to the API, a file in the workbench.
    pub bundles: usize,
    /// Objects in them.
    pub objects: usize,
}

/// Why a pass ended before all files were tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interruption {
    /// We were asked to stop.
    Stopped,
    /// The source could not be listed.
    Source,
    /// The source is not ours, or not any more: another process may be at work on it.
    Lease,
    /// The ledger could not be read or written.
    Ledger,
    /// The platform refused our token, or its account lacks a capability that importing needs.
    Credentials,
    /// The platform did not answer.
    Platform,
    /// The broker could not be reached, or refused us.
    Broker,
}

impl Interruption {
    /// The stable name, as logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stop",
            Self::Source => "source",
            Self::Lease => "lease",
            Self::Ledger => "ledger",
            Self::Credentials => "credentials",
            Self::Platform => "platform",
            Self::Broker => "broker",
        }
    }

    /// Whether a pass over another source would be cut short just so.
    pub fn reaches_all_sources(self) -> bool {
        match self {
            Self::Source | Self::Lease => false,
            Self::Stopped | Self::Ledger | Self::Credentials | Self::Platform | Self::Broker => {
                true
            }
        }
    }
}

/// What a pass over one source did.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// The source's name.
    pub source: String,
    /// Files by what became of them; a file that merely waits on as before is counted, too.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// Files that wait for the platform or the broker.
    pub undelivered: usize,
    /// Messages delivered.
    pub messages: usize,
    /// Objects not sent.
    pub not_sent: usize,
    /// Files deleted after an earlier import, or because their retention had passed.
    pub removed: usize,
    /// Source applicants without a mapping, with the number of files.
    pub unmapped: BTreeMap<Unmapped, usize>,
    /// Files that were not tried because the pass ended early.
    pub untried: usize,
    /// Why it ended early, if it did.
    pub interruption: Option<Interruption>,
    /// The first time of the files that wait or were not tried, as far as the pass saw them: the file's
    /// own modification time.
    pub oldest_waiting: Option<DateTime<Utc>>,
    /// How long it took to find out what there is to do.
    pub(crate) looking: Duration,
    /// Files for which the platform or the broker would be asked in vain again.
    pub(crate) unavailable: usize,
    /// The last time of the files that were imported or set aside, now or earlier.
    pub(crate) done: Option<DateTime<Utc>>,
}

impl PassReport {
    /// A report on a pass over `source` in which nothing has happened yet.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            ..Self::default()
        }
    }

    /// Counts a file in.
    pub(crate) fn add(&mut self, file: &FileReport) {
        *self.outcomes.entry(file.outcome.as_str()).or_default() += 1;
        self.messages += file.messages;
        self.not_sent += file.not_sent.iter().map(|left| left.count).sum::<usize>();
        if let Some(applicant) = &file.unmapped {
            *self.unmapped.entry(applicant.clone()).or_default() += 1;
        }
        match file.outcome {
            Outcome::Waiting => {
                self.waits(file.modified);
                self.undelivered +=
                    usize::from(matches!(file.code, Some(Code::Platform | Code::Queue)));
                self.add_waiting(file);
            }
            Outcome::Ignored | Outcome::Imported | Outcome::Partial | Outcome::Rejected => {}
        }
    }

    fn add_waiting(&mut self, file: &FileReport) {
        if let Some(Code::Platform | Code::Queue | Code::QueueFull | Code::ValidationUnavailable) =
            file.code
        {
            self.unavailable += 1;
        }
    }

    /// Adds what another pass over the same source did. Files that wait are not counted: each pass
    /// finds the same.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.source = other.source;
        for (outcome, files) in other.outcomes {
            if outcome != Outcome::Waiting.as_str() {
                *self.outcomes.entry(outcome).or_default() += files;
            }
        }
        self.messages += other.messages;
        self.not_sent += other.not_sent;
        self.removed += other.removed;
        for (applicant, files) in other.unmapped {
            *self.unmapped.entry(applicant).or_default() += files;
        }
    }

    /// Counts in a file that the pass did not get to.
    pub(crate) fn leave_untried(&mut self, file: &Entry) {
        self.untried += 1;
        self.waits(file.modified);
    }

    /// Counts in several files that the pass did not get to, the oldest of which has this time.
    pub(crate) fn leave_all_untried(&mut self, files: usize, oldest: DateTime<Utc>) {
        self.untried += files;
        self.waits(oldest);
    }

    fn waits(&mut self, modified: DateTime<Utc>) {
        self.oldest_waiting = Some(first_of(self.oldest_waiting, modified));
    }

    /// Takes note of a file of that time that was imported or set aside by `now`. A time that is still to
    /// come says nothing of what was imported.
    pub(crate) fn is_done(&mut self, modified: DateTime<Utc>, now: DateTime<Utc>) {
        if modified <= now {
            self.done = self.done.max(Some(modified));
        }
    }

    /// The source's watermark after the pass, where it was `before`. It is never later than `now`.
    pub(crate) fn watermark(&self, before: Option<f64>, now: DateTime<Utc>) -> Option<f64> {
        match self.interruption {
            // What the pass did not get to was not counted: the watermark could pass it.
            Some(Interruption::Ledger) => watermark(before, None, None, now),
            _ => watermark(before, self.done, self.oldest_waiting, now),
        }
    }

    /// How many files had this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.get(outcome.as_str()).copied().unwrap_or(0)
    }

    /// Whether there is anything to tell: a file changed its lot, or the pass was cut short.
    pub fn is_eventful(&self) -> bool {
        // A pass that did not begin was told of by the lease.
        self.interruption
            .is_some_and(|it| it != Interruption::Lease || self.untried > 0)
            || self.changed_files()
    }

    /// Whether any file changed its lot.
    pub(crate) fn changed_files(&self) -> bool {
        self.removed > 0
            || self.count(Outcome::Imported) > 0
            || self.count(Outcome::Partial) > 0
            || self.count(Outcome::Rejected) > 0
    }
}

fn first_of(one: Option<DateTime<Utc>>, other: DateTime<Utc>) -> DateTime<Utc> {
    one.map_or(other, |one| one.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_stays_where_the_pass_lost_count() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        for (interruption, expect) in [
            (None, 20.0),
            (Some(Interruption::Platform), 20.0),
            (Some(Interruption::Ledger), 10.0),
        ] {
            let report = PassReport {
                interruption,
                done: Some(at(20)),
                ..PassReport::new("source")
            };
            assert_eq!(report.watermark(Some(10.0), at(30)), Some(expect));
        }
    }
}
