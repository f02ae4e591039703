//! A rehearsal: what a pass would do, without doing any of it.

mod forecast;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bundle_source::{Entry, Location, ReadError, Source, Wanted};
use chrono::{DateTime, Utc};
use opencti_client::{Drafts, PlatformVersion};
use tokio_util::sync::CancellationToken;

use self::forecast::{Forecast, Outlook, of_examined, of_refusal, waits};
use crate::fingerprint::Fingerprint;
use crate::importer::file::{Details, same_content};
use crate::importer::log_as;
use crate::ledger::{Known, KnownFiles, SameContent};
use crate::listing::list;
use crate::plan::{Step, plan};
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::report::{FileReport, Interruption, PassReport};
use crate::trouble::{Fatal, chain};
use crate::{Clock, Code, Company, Ledger, Outcome, Rules, Way, summary};

/// What a [`Rehearsal`] is made of.
pub struct RehearsalParts {
    /// Where the files are.
    pub source: Arc<dyn Source>,
    /// Whose files lie there.
    pub company: Company,
    /// What is known of files from real runs, where there were any. It is only read.
    pub ledger: Option<Arc<Ledger>>,
    /// The platform's version, where it is known.
    pub version: Option<PlatformVersion>,
    /// Whether the queue that would be used carries drafts.
    pub drafts: Drafts,
    /// The time.
    pub clock: Clock,
    /// When to stop.
    pub stop: CancellationToken,
}

/// Goes over the files of one source as an [`Importer`](crate::Importer) does, and says what
/// would become of them. Nothing is registered, sent, moved, deleted or recorded.
pub struct Rehearsal {
    parts: RehearsalParts,
    rules: Rules,
    reader: Reader,
    /// The files of the last pass, and what was said of them.
    said: HashMap<Location, Said>,
    /// Whether there is something to say that the last summary did not.
    news: News,
}

/// Whether a summary would say anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Some,
    None,
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rehearsal")
            .field("source", &self.parts.source)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Said {
    entry: Entry,
    since: DateTime<Utc>,
    report: FileReport,
}

impl Rehearsal {
    /// A rehearsal of what `rules` say.
    pub fn new(parts: RehearsalParts, rules: Rules) -> Self {
        let (source, clock) = (Arc::clone(&parts.source), Arc::clone(&parts.clock));
        Self {
            reader: rules.reader(source, clock),
            parts,
            rules,
            said: HashMap::new(),
            news: News::Some,
        }
    }

    /// Goes over all files once. Each is named in the log when it is seen for the first time, and
    /// again when it changed, or what would become of it; the report counts them all. A summary
    /// follows where anything was said.
    pub async fn pass(&mut self) -> PassReport {
        let mut report = PassReport::new(self.parts.source.name());
        if let Err(fatal) = self.walk(&mut report).await {
            tracing::error!(
                error = chain(&fatal),
                "nothing can be said without the ledger"
            );
            report.interruption = Some(Interruption::Ledger);
        }
        if self.news == News::Some {
            summary::tell_unmapped(&report, self.rules.applicants.stand_in());
            summary::tell(
                &report,
                "rehearsal done: nothing was sent, moved or deleted",
            );
        }
        self.news = News::None;
        report
    }

    async fn walk(&mut self, report: &mut PassReport) -> Result<(), Fatal> {
        let RehearsalParts { source, stop, .. } = &self.parts;
        let listing = match list(&**source, &Wanted::all(), stop).await {
            Ok(listing) => listing,
            Err(interruption) => {
                report.interruption = Some(interruption);
                return Ok(());
            }
        };
        let known = match &self.parts.ledger {
            Some(ledger) => ledger.known(self.parts.source.name())?,
            None => KnownFiles::default(),
        };
        let before = std::mem::take(&mut self.said);
        let policy = self.rules.policy.clone();
        let steps = plan(listing.iter(), &known, &policy, (self.parts.clock)());
        for step in steps {
            if self.parts.stop.is_cancelled() {
                report.interruption = Some(Interruption::Stopped);
                break;
            }
            self.take(step, &known, &before, report).await;
        }
        Ok(())
    }

    async fn take(
        &mut self,
        step: Step,
        known: &KnownFiles,
        before: &HashMap<Location, Said>,
        report: &mut PassReport,
    ) {
        let entry = match step {
            Step::Examine(entry) => entry,
            Step::Remove(_) | Step::SetAside(_) => {
                report.removed += 1;
                return;
            }
        };
        let row = known.get(entry.location.as_str());
        let earlier = before
            .get(&entry.location)
            .filter(|said| said.entry == entry);
        let since = since(&entry, row, earlier).unwrap_or_else(|| (self.parts.clock)());
        let file = match earlier {
            Some(said) if said.report.outcome != Outcome::Waiting => Some(said.report.clone()),
            _ => self.look_into(&entry, row, since, earlier).await,
        };
        if let Some(file) = file {
            report.add(&file);
            let said = Said {
                since,
                report: file,
                entry: entry.clone(),
            };
            self.said.insert(entry.location, said);
        }
    }

    /// What would become of a file; `None`: nothing, since it has gone, or was imported before.
    async fn look_into(
        &mut self,
        entry: &Entry,
        row: Option<Known<'_>>,
        since: DateTime<Utc>,
        earlier: Option<&Said>,
    ) -> Option<FileReport> {
        let outlook = Outlook {
            rules: &self.rules,
            version: self.parts.version,
            drafts: self.parts.drafts,
            company: self.parts.company,
            now: (self.parts.clock)(),
        };
        let forecast = match self.reader.read(entry).await.content {
            Ok(file) => {
                if same_content(row, file.fingerprint()).is_some() {
                    return None;
                }
                let same = self.same_content(file.fingerprint());
                of_examined(file.examined(), entry, since, &outlook).known(same, &outlook)
            }
            Err(ReadError::Gone { .. }) => return None,
            Err(error @ ReadError::TooLarge { size, .. }) => {
                let refusal = Refusal::too_large(&error.to_string(), size);
                of_refusal(refusal, entry, since, &outlook)
            }
            Err(error @ (ReadError::Changed { .. } | ReadError::Failed(_))) => {
                waits(entry, Code::Unreadable, chain(&error))
            }
        };
        if earlier.is_none_or(|said| said.report != forecast.file) {
            say(&forecast);
            self.news = News::Some;
        }
        Some(forecast.file)
    }
}

impl Rehearsal {
    /// A file with that content that was imported by a real run. A ledger that cannot be read is told of
    /// with the next pass.
    fn same_content(&self, fingerprint: Fingerprint) -> Option<SameContent> {
        let ledger = self.parts.ledger.as_ref()?;
        ledger.same_content(fingerprint).ok().flatten()
    }
}

/// Since when a file is as it is now, as far as anybody has seen it.
fn since(entry: &Entry, row: Option<Known<'_>>, earlier: Option<&Said>) -> Option<DateTime<Utc>> {
    let row = row.filter(|row| row.is(entry)).map(|row| row.seen_since);
    row.or(earlier.map(|said| said.since))
}

fn say(forecast: &Forecast) {
    let Forecast { file, who, same } = forecast;
    let message = match (file.outcome, file.way) {
        (Outcome::Imported, _) if file.code == Some(Code::AlreadyImported) => {
            "file would not be sent again"
        }
        (Outcome::Imported, Way::Direct) => "file would be imported",
        (Outcome::Imported, Way::Draft) => "file would be put into a draft, to await validation",
        (Outcome::Imported, Way::Workbench) => {
            "file would be put into the workbench, to await validation"
        }
        (Outcome::Ignored, _) => "file would be ignored, and left where it is",
        (Outcome::Waiting, _) => "file would wait",
        (Outcome::Partial, _) => "file would be imported in part",
        (Outcome::Rejected, _) => "file would be rejected",
    };
    let details = Details {
        connector: who.connector.as_deref(),
        connector_id: who.connector_id.as_deref(),
        applicant_id: who.applicant_id.as_deref(),
        same: same.as_ref(),
        ..Details::default()
    };
    log_as(message, file, &details);
}
