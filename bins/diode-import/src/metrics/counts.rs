//! What is counted: pure.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diode_core::{Code, FileReport, Interruption, Outcome, PassReport};
use opencti_client::ApiError;
use stix_bundle::NotSentCode;

/// What was done so far in this run of the program. How large it is depends on the number of sources
/// alone, not on what is in files.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Passes that were begun.
    pub(super) runs: usize,
    /// What was handed over to the platform.
    pub(super) bundles: usize,
    pub(super) objects: usize,
    /// Files that were set aside.
    pub(super) client_errors: usize,
    /// Signs of life that the platform took.
    pub(super) pings: usize,
    /// Those that it did not take.
    pub(super) failed_pings: usize,
    /// Each source by its name.
    pub(super) sources: BTreeMap<String, SourceCounts>,
}

/// What was done with one source.
#[derive(Clone, Debug)]
pub(super) struct SourceCounts {
    /// Files that were decided on, by outcome and code; the empty code is none.
    pub(super) files: BTreeMap<(&'static str, &'static str), usize>,
    /// Files that wait, by code, as the last pass found them.
    pub(super) waiting: BTreeMap<&'static str, usize>,
    /// Files that the last pass did not come to.
    pub(super) untried: usize,
    /// The first time of all these.
    pub(super) oldest_waiting: Option<DateTime<Utc>>,
    pub(super) removed: usize,
    pub(super) objects_not_sent: usize,
    /// Objects that the content policy refused, by code.
    pub(super) denied: BTreeMap<&'static str, usize>,
    /// Objects whose id is of another type than they are.
    pub(super) ids_of_other_types: usize,
    /// When a file was imported last, whole or in part.
    pub(super) last_import: Option<DateTime<Utc>>,
    pub(super) last_pass: Option<LastPass>,
    under_way: Option<UnderWay>,
}

/// A pass that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastPass {
    pub(super) ended: DateTime<Utc>,
    /// Nothing, where the clock was set back meanwhile.
    pub(super) took: Duration,
    pub(super) interruption: Option<Interruption>,
}

/// A pass that is not over.
#[derive(Clone, Debug)]
struct UnderWay {
    began: DateTime<Utc>,
    /// Files that it found to wait, by code.
    waiting: BTreeMap<&'static str, usize>,
}

impl Counts {
    pub(super) fn pass_began(&mut self, source: &str, now: DateTime<Utc>) {
        self.runs += 1;
        self.of(source).under_way = Some(UnderWay {
            began: now,
            waiting: BTreeMap::new(),
        });
    }

    pub(super) fn file(&mut self, source: &str, file: &FileReport, now: DateTime<Utc>) {
        self.bundles += file.sent.bundles;
        self.objects += file.sent.objects;
        if matches!(file.outcome, Outcome::Partial | Outcome::Rejected) {
            self.client_errors += 1;
        }
        self.of(source).file(file, now);
    }

    pub(super) fn pass_ended(&mut self, report: &PassReport, now: DateTime<Utc>) {
        self.of(&report.source).pass_ended(report, now);
    }

    pub(super) fn sign_of_life(&mut self, result: Result<(), &ApiError>) {
        match result {
            Ok(()) => self.pings += 1,
            Err(_) => self.failed_pings += 1,
        }
    }

    /// Whether a pass is under way.
    pub(super) fn is_running(&self) -> bool {
        self.sources.values().any(|of| of.under_way.is_some())
    }

    fn of(&mut self, source: &str) -> &mut SourceCounts {
        self.sources.entry(source.to_owned()).or_default()
    }
}

impl Default for SourceCounts {
    /// That no file was imported yet, and no object refused, is told: how much a count has grown is only seen from the first time
    /// that it is told.
    fn default() -> Self {
        let imported = (Outcome::Imported.as_str(), "");
        let in_part = (Outcome::Partial.as_str(), Code::Partial.as_str());
        Self {
            files: [(imported, 0), (in_part, 0)].into(),
            waiting: BTreeMap::new(),
            untried: 0,
            oldest_waiting: None,
            removed: 0,
            objects_not_sent: 0,
            denied: NotSentCode::DENIED.map(|code| (code.as_str(), 0)).into(),
            ids_of_other_types: 0,
            last_import: None,
            last_pass: None,
            under_way: None,
        }
    }
}

impl SourceCounts {
    fn file(&mut self, file: &FileReport, now: DateTime<Utc>) {
        let code = file.code.map_or("", Code::as_str);
        if file.outcome == Outcome::Waiting {
            if let Some(pass) = &mut self.under_way {
                *pass.waiting.entry(code).or_default() += 1;
            }
            return;
        }
        *self.files.entry((file.outcome.as_str(), code)).or_default() += 1;
        self.objects_not_sent += file.not_sent.iter().map(|left| left.count).sum::<usize>();
        self.ids_of_other_types += file.ids_of_other_types;
        for (code, objects) in &file.denied {
            *self.denied.entry(code).or_default() += objects;
        }
        if matches!(file.outcome, Outcome::Imported | Outcome::Partial) {
            self.last_import = Some(now);
        }
    }

    fn pass_ended(&mut self, report: &PassReport, now: DateTime<Utc>) {
        self.removed += report.removed;
        self.untried = report.untried;
        let Some(pass) = self.under_way.take() else {
            return;
        };
        if knows_what_waits(report) {
            self.waiting = pass.waiting;
            self.oldest_waiting = report.oldest_waiting;
        }
        self.last_pass = Some(LastPass {
            ended: now,
            took: (now - pass.began).to_std().unwrap_or_default(),
            interruption: report.interruption,
        });
    }
}

/// Whether a pass came to all files, or knows of those that it did not come to. Else nothing has changed
/// as far as we know: that a source cannot be listed does not make its files wait no longer.
fn knows_what_waits(report: &PassReport) -> bool {
    match report.interruption {
        Some(Interruption::Source | Interruption::Lease | Interruption::Ledger) => false,
        None
        | Some(
            Interruption::Stopped
            | Interruption::Credentials
            | Interruption::Platform
            | Interruption::Broker,
        ) => true,
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
