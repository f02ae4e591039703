//! One file: read, judge, deliver, record, clean up.

use bundle_source::{Entry, ReadError};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use opencti_client::Refused;

use super::{Company, Course, Importer, log};
use crate::delivery::{Delivered, Undelivered};
use crate::examine::{Examined, Import, LeftOut, examine, fingerprint, left_out};
use crate::ledger::{Known, Record};
use crate::plan::{AfterImport, must_wait};
use crate::read_ahead::Read;
use crate::refusal::{Finding, FindingLevel, Reason, Refusal};
use crate::report::FileReport;
use crate::trouble::{Fatal, chain};
use crate::works::Shortfall;
use crate::{Applicant, Code, Outcome, Way};

/// What a log line has beyond the report.
#[derive(Debug, Default)]
pub(crate) struct Details<'a> {
    pub(crate) connector: Option<&'a str>,
    pub(crate) connector_id: Option<&'a str>,
    pub(crate) applicant_id: Option<&'a str>,
    pub(crate) work: Option<&'a str>,
    pub(crate) moved_to: Option<&'a str>,
}

/// A file on its way through a pass.
struct Case<'a> {
    entry: &'a Entry,
    /// What was known of the file's location before.
    row: Option<&'a Known>,
    /// When it was read.
    read_at: DateTime<Utc>,
    fingerprint: Option<&'a str>,
}

impl Importer {
    /// Imports a file, or sees why not. `None` where there is nothing to tell: it has gone, or is
    /// one we know.
    pub(super) async fn import(
        &mut self,
        entry: &Entry,
        row: Option<&Known>,
        read: Read,
        course: &mut Course,
    ) -> Result<Option<FileReport>, Fatal> {
        let case = Case {
            entry,
            row,
            read_at: read.at,
            fingerprint: None,
        };
        let bytes = match read.content {
            Ok(bytes) => bytes,
            Err(error) => return self.unread(&case, error).await,
        };
        let fingerprint = fingerprint(&bytes);
        if let Some(row) = same_content(row, &fingerprint) {
            self.recognise(entry, row).await?;
            return Ok(None);
        }
        let row = match row {
            Some(row) if row.outcome != Outcome::Waiting => {
                // Another file has taken the name: what became of the old one stays as history.
                self.left(entry, None)?;
                None
            }
            row => row,
        };
        let case = Case {
            entry,
            row,
            read_at: read.at,
            fingerprint: Some(&fingerprint),
        };
        self.judge(&case, &bytes, &fingerprint, course)
            .await
            .map(Some)
    }

    async fn unread(&self, case: &Case<'_>, error: ReadError) -> Result<Option<FileReport>, Fatal> {
        match error {
            ReadError::Gone { .. } => Ok(None),
            ReadError::TooLarge { .. } => {
                let refusal = Refusal::new(Code::TooLarge, error.to_string());
                self.refuse(case, refusal, &Details::default())
                    .await
                    .map(Some)
            }
            ReadError::Changed { .. } | ReadError::Failed(_) => self
                .wait(case, Code::Unreadable, chain(&error), &Details::default())
                .map(Some),
        }
    }

    async fn judge(
        &mut self,
        case: &Case<'_>,
        bytes: &Bytes,
        fingerprint: &str,
        course: &mut Course,
    ) -> Result<FileReport, Fatal> {
        match examine(bytes, fingerprint, &self.rules.limits, &self.rules.profile) {
            Examined::Foreign(what) => self.ignore(case, what),
            Examined::Refused(refusal) => self.refuse(case, refusal, &Details::default()).await,
            Examined::Ready(import) => self.send(case, &import, course).await,
        }
    }

    async fn send(
        &mut self,
        case: &Case<'_>,
        import: &Import<'_>,
        course: &mut Course,
    ) -> Result<FileReport, Fatal> {
        let connector = import.envelope.connector.clone();
        let applicant_id = import.envelope.applicant_id.clone();
        let applicant = self.rules.applicants.map(applicant_id.as_deref());
        let details = Details {
            connector: Some(&connector.name),
            connector_id: Some(&connector.id),
            applicant_id: applicant_id.as_deref(),
            ..Details::default()
        };
        if let Some(trouble) = course.held.get(&connector.id) {
            let message = format!(
                "an earlier file of this connector waits: {}",
                chain(trouble)
            );
            return self.wait(case, trouble.code(), message, &details);
        }
        let way = match self.courier.way(import.envelope.validation) {
            Ok(way) => way,
            Err(why) => return self.wait(case, Code::ValidationUnavailable, why, &details),
        };
        if let Some(why) = course.closed.get(&way) {
            return self.wait(case, Code::ValidationUnavailable, why.clone(), &details);
        }
        match self
            .courier
            .deliver(way, import, &applicant, case.entry.modified)
            .await
        {
            Ok(delivered) => {
                course.failures = 0;
                self.delivered(case, import, &delivered, &applicant, &details, course)
                    .await
            }
            Err(Undelivered::Refused(refusal)) => self.refuse(case, refusal, &details).await,
            Err(Undelivered::Unavailable(message)) => {
                course.closed.insert(way, message.clone());
                self.wait(case, Code::ValidationUnavailable, message, &details)
            }
            Err(Undelivered::Fatal(fatal)) => Err(fatal),
            Err(Undelivered::Trouble(trouble)) => {
                let (code, message) = (trouble.code(), chain(&trouble));
                course.hold(&connector.id, trouble);
                self.wait(case, code, message, &details)
            }
        }
    }

    /// Every message is confirmed: from here on nothing may send them again.
    async fn delivered(
        &self,
        case: &Case<'_>,
        import: &Import<'_>,
        delivered: &Delivered,
        applicant: &Applicant,
        details: &Details<'_>,
        course: &mut Course,
    ) -> Result<FileReport, Fatal> {
        let refusal = broken_objects(import, &delivered.delivery.refused);
        let outcome = if refusal.is_some() {
            Outcome::Partial
        } else {
            Outcome::Imported
        };
        let mut not_sent = match (delivered.way, &refusal) {
            // The bundle went as it is.
            (Way::Workbench, None) => Vec::new(),
            _ => left_out(import.split.not_sent()),
        };
        if !delivered.delivery.refused.is_empty() {
            not_sent.push(LeftOut {
                code: REFUSED_BY_BROKER,
                object_type: None,
                count: delivered.delivery.refused.len(),
            });
        }
        let mut file = report(case, outcome, refusal.as_ref());
        file.way = delivered.way;
        file.messages = delivered.delivery.confirmed;
        file.not_sent = not_sent;
        file.unmapped = unmapped(applicant);
        let details = Details {
            work: Some(&delivered.share.work.0),
            connector: details.connector,
            connector_id: details.connector_id,
            applicant_id: details.applicant_id,
            moved_to: None,
        };
        self.record(case, &file, refusal.as_ref(), &details)?;
        self.account(case, delivered, refusal.as_ref()).await;
        self.clean_up(case, &file, details, course).await?;
        Ok(file)
    }

    /// The messages are delivered whether or not the work can be told so.
    async fn account(&self, case: &Case<'_>, delivered: &Delivered, refusal: Option<&Refusal>) {
        let shortfall = Shortfall {
            refused: delivered.delivery.refused.len(),
            doubtful: delivered.delivery.doubtful,
            errors: errors(case.entry.location.as_str(), refusal),
        };
        let share = &delivered.share;
        if let Err(error) = self.courier.works.sent(share, &shortfall).await {
            tracing::warn!(
                work = %share.work,
                error = chain(&error),
                "cannot tell the platform what was not sent"
            );
        }
    }

    async fn clean_up(
        &self,
        case: &Case<'_>,
        file: &FileReport,
        details: Details<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        match (file.outcome, self.rules.policy.after_import) {
            (Outcome::Imported, AfterImport::Delete) => {
                log(file, &details);
                course.leaving.add(case.entry, (self.clock)());
            }
            (Outcome::Imported, AfterImport::Keep) => log(file, &details),
            _ => self.move_away(case, file, details).await?,
        }
        Ok(())
    }

    async fn move_away(
        &self,
        case: &Case<'_>,
        file: &FileReport,
        mut details: Details<'_>,
    ) -> Result<(), Fatal> {
        let moved_to = self.set_aside(case.entry).await?;
        details.moved_to = moved_to.as_deref();
        log(file, &details);
        Ok(())
    }

    async fn refuse(
        &self,
        case: &Case<'_>,
        refusal: Refusal,
        details: &Details<'_>,
    ) -> Result<FileReport, Fatal> {
        if self.may_be_unfinished(case, refusal.code) {
            self.steady.looks_unfinished(case.entry);
            let message = format!("it may still be being copied: {}", refusal.message);
            return self.wait(case, refusal.code, message, details);
        }
        if self.company == Company::Shared && refusal.code.may_be_anybodys() {
            return self.leave_alone(case, &refusal);
        }
        let file = report(case, Outcome::Rejected, Some(&refusal));
        self.record(case, &file, Some(&refusal), details)?;
        let details = Details {
            connector: details.connector,
            connector_id: details.connector_id,
            applicant_id: details.applicant_id,
            ..Details::default()
        };
        self.move_away(case, &file, details).await?;
        Ok(file)
    }

    /// Whether a file refused with `code` is to be waited for. It may have been read long ago, and
    /// have been written to since.
    fn may_be_unfinished(&self, case: &Case<'_>, code: Code) -> bool {
        let (entry, policy) = (case.entry, &self.rules.policy);
        if let Some(settled) = self.steady.is_settled(entry, policy.settle) {
            return code.may_be_unfinished() && !settled;
        }
        let seen_since = case
            .row
            .filter(|row| row.is(entry))
            .map_or(case.read_at, |row| row.seen_since);
        must_wait(code, entry.modified, seen_since, policy, case.read_at)
    }

    fn ignore(&self, case: &Case<'_>, what: &str) -> Result<FileReport, Fatal> {
        self.leave_alone(case, &Refusal::new(Code::NotAnEnvelope, what))
    }

    fn leave_alone(&self, case: &Case<'_>, why: &Refusal) -> Result<FileReport, Fatal> {
        let file = report(case, Outcome::Ignored, Some(why));
        self.record(case, &file, None, &Details::default())?;
        log(&file, &Details::default());
        Ok(file)
    }

    /// Says that a file waits; says it again only when it, or the reason, is another one.
    fn wait(
        &self,
        case: &Case<'_>,
        code: Code,
        message: String,
        details: &Details<'_>,
    ) -> Result<FileReport, Fatal> {
        let file = report(case, Outcome::Waiting, Some(&Refusal::new(code, message)));
        let said = case.row.filter(|row| {
            row.is(case.entry) && row.outcome == Outcome::Waiting && row.code == Some(code)
        });
        // Or the file would wait until a clock that was set back has caught up.
        let from_the_future = |row: &Known| row.seen_since > (self.clock)();
        if said.is_none_or(from_the_future) {
            self.record(case, &file, None, details)?;
        }
        let is_news = self.waits.is_news(&case.entry.location, code);
        if is_news || said.is_none() {
            log(&file, details);
        }
        Ok(file)
    }

    fn record(
        &self,
        case: &Case<'_>,
        file: &FileReport,
        refusal: Option<&Refusal>,
        details: &Details<'_>,
    ) -> Result<(), Fatal> {
        let now = (self.clock)();
        let name = case.entry.location.as_str();
        let reason = refusal.map(|refusal| {
            Reason::new(name, case.entry.size, case.fingerprint, refusal, now).to_json()
        });
        let record = Record {
            fingerprint: case.fingerprint,
            code: file.code,
            reason: reason.as_deref(),
            connector_id: details.connector_id,
            connector_name: details.connector,
            applicant_id: details.applicant_id,
            work_id: details.work,
            messages: file.messages,
            not_sent: file.not_sent.iter().map(|left| left.count).sum(),
        };
        Ok(self
            .ledger
            .record(self.source.name(), case.entry, file.outcome, &record, now)?)
    }
}

fn report(case: &Case<'_>, outcome: Outcome, refusal: Option<&Refusal>) -> FileReport {
    FileReport {
        file: case.entry.location.to_string(),
        modified: case.entry.modified,
        outcome,
        code: refusal.map(|refusal| refusal.code),
        message: refusal.map(|refusal| refusal.message.clone()),
        way: Way::default(),
        messages: 0,
        not_sent: Vec::new(),
        unmapped: None,
    }
}

/// The code of an object that this broker does not take.
const REFUSED_BY_BROKER: &str = "refused-by-broker";

/// A row about the same content at the same place, decided for good; not one that went missing
/// meanwhile: who brings a file again wants it imported again.
pub(crate) fn same_content<'a>(row: Option<&'a Known>, fingerprint: &str) -> Option<&'a Known> {
    row.filter(|row| {
        !row.missed
            && row.outcome != Outcome::Waiting
            && row.fingerprint.as_deref() == Some(fingerprint)
    })
}

pub(crate) fn unmapped(applicant: &Applicant) -> Option<String> {
    match applicant {
        Applicant::Mapped(_) => None,
        Applicant::Unmapped(id) => Some(id.clone()),
        Applicant::Unnamed => Some(String::new()),
    }
}

/// What the platform is to show of a file's objects that were not sent.
fn errors(file: &str, refusal: Option<&Refusal>) -> Vec<String> {
    refusal
        .iter()
        .flat_map(|refusal| &refusal.findings)
        .filter(|finding| finding.level == FindingLevel::Error)
        .map(|finding| {
            format!(
                "{file}: {} was not sent: {} [{}]",
                finding.path, finding.message, finding.code
            )
        })
        .collect()
}

/// The refusal of those objects of a delivered import that were not: broken ones, and ones that
/// the broker does not take.
fn broken_objects(import: &Import<'_>, refused: &[Refused]) -> Option<Refusal> {
    if refused.is_empty() {
        return import.defects.clone();
    }
    let mut refusal = import.defects.clone().unwrap_or_else(|| {
        Refusal::new(
            Code::Partial,
            format!("{} objects were refused by the broker", refused.len()),
        )
    });
    refusal.findings.extend(refused.iter().map(|message| {
        let part = import.split.part(message.index);
        Finding {
            code: REFUSED_BY_BROKER,
            level: FindingLevel::Error,
            path: format!("$.bundle.objects[{}]", part.object),
            message: message.reason.clone(),
        }
    }));
    Some(refusal)
}
