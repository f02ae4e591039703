//! One file: read, judged, recorded, cleaned up.

use std::collections::HashSet;
use std::sync::Arc;

use bundle_source::{Entry, ReadError};
use chrono::{DateTime, Utc};
use opencti_client::{Delivery, Refused};

use super::admission::is_told_together;
use super::batch::{Content, Loaded};
use super::convoy::{Convoys, Passenger};
use super::held::Held;
use super::waits::{Sender, may_be_being_written};
use super::{Course, Importer, log};
use crate::connectors::unfit;
use crate::examine::{Examined, Import, LeftOut, left_out};
use crate::fingerprint::Fingerprint;
use crate::ledger::{Known, Record, SameContent};
use crate::plan::{AfterImport, must_wait};
use crate::refusal::{Finding, FindingLevel, Reason, Refusal, in_file, shown};
use crate::report::{FileReport, Sent, TakenOut};
use crate::trouble::{Fatal, Trouble, chain};
use crate::{Applicant, Code, Company, Outcome, Unlisted, Way};

/// What a log line has beyond the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Details<'a> {
    pub(crate) connector: Option<&'a str>,
    pub(crate) connector_id: Option<&'a str>,
    pub(crate) applicant_id: Option<&'a str>,
    /// The user here in whose name it was delivered.
    pub(crate) user_id: Option<&'a str>,
    pub(crate) work: Option<&'a str>,
    pub(crate) moved_to: Option<&'a str>,
    /// A file with the same content that was imported before.
    pub(crate) same: Option<&'a SameContent>,
}

impl<'a> Details<'a> {
    /// Those of an import that nothing was sent of yet.
    pub(super) fn of(import: &'a Import<'_>) -> Self {
        let envelope = &import.envelope;
        Self {
            connector: Some(&envelope.connector.name),
            connector_id: Some(&envelope.connector.id),
            applicant_id: envelope.applicant_id.as_deref(),
            ..Self::default()
        }
    }
}

/// A file on its way through a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) entry: &'a Entry,
    /// What was known of the file's location before.
    row: Option<Known<'a>>,
    /// When it was read.
    read_at: DateTime<Utc>,
    pub(super) fingerprint: Option<Fingerprint>,
}

/// What a batch of files came to.
#[derive(Default)]
struct Judged<'a> {
    /// What can be sent.
    convoys: Convoys<'a>,
    /// What is somebody else's.
    foreign: Vec<(Case<'a>, FileReport)>,
    /// The contents of files that can be sent and are without fault, where none is to be sent twice.
    contents: HashSet<Fingerprint>,
    /// Files with the content of one of those: what becomes of that one is awaited first.
    twins: Vec<&'a Loaded<'a>>,
}

impl Importer {
    /// Imports files that were read, or sees why not.
    pub(super) async fn import(
        &mut self,
        batch: &[Loaded<'_>],
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let mut files: Vec<&Loaded<'_>> = batch.iter().collect();
        while !files.is_empty() {
            let mut judged = Judged::default();
            for file in files {
                self.judge(file, &mut judged, course).await?;
            }
            self.leave_alone(&judged.foreign, course)?;
            for convoy in judged.convoys {
                self.send(&convoy, course).await?;
            }
            files = judged.twins;
        }
        Ok(())
    }

    /// Judges a file by its content: what can be sent joins a convoy.
    async fn judge<'a>(
        &self,
        file: &'a Loaded<'a>,
        judged: &mut Judged<'a>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let read = match &file.content {
            Content::Read(read) => read,
            Content::Waits(waiting) => return self.wait_on(file, waiting, course),
        };
        let case = Case {
            entry: &file.entry,
            row: file.row,
            read_at: read.at,
            fingerprint: None,
        };
        let case = match case.row {
            // Who brings a file again brings another one, whatever there is to be read of it.
            Some(row) if row.missed => self.take_the_place(case)?,
            _ => case,
        };
        let content = match &read.content {
            Ok(content) => content,
            Err(error) => return self.unread(&case, error, course).await,
        };
        if let Some(row) = same_content(case.row, content.fingerprint()) {
            return self.recognise(case.entry, &row).await;
        }
        let case = Case {
            fingerprint: Some(content.fingerprint()),
            ..case
        };
        match content.examined() {
            Examined::Foreign(what) => {
                let case = self.take_the_place(case)?;
                judged
                    .foreign
                    .push(ignored(case, Code::NotAnEnvelope, what));
                Ok(())
            }
            Examined::Refused(refusal) => {
                let refusal = refusal.clone();
                self.refuse(&case, refusal, &Details::default(), course)
                    .await
            }
            Examined::Ready(import) if import.is_empty() => {
                let case = self.take_the_place(case)?;
                self.import_nothing(&case, import, course).await
            }
            Examined::Ready(_) if judged.contents.contains(&content.fingerprint()) => {
                judged.twins.push(file);
                Ok(())
            }
            Examined::Ready(import) => {
                let connector = &import.envelope.connector;
                if let Err(refusal) = unfit(connector, self.courier.version) {
                    let details = Details::of(import);
                    return self.refuse(&case, refusal, &details, course).await;
                }
                if let Some(why) = self.rules.connectors.unlisted(&connector.id) {
                    return self.not_listed(&case, why, import, course).await;
                }
                let case = self.take_the_place(case)?;
                if let Some(same) = self.sent_lately(content.fingerprint(), import)? {
                    return self.skip(&case, import, &same, course).await;
                }
                if self.rules.policy.skip_known.is_some() && import.defects.is_none() {
                    judged.contents.insert(content.fingerprint());
                }
                self.line_up(case, import, &mut judged.convoys, course)
            }
        }
    }

    /// A list names the connectors whose files are imported, and not that of this one.
    async fn not_listed(
        &self,
        case: &Case<'_>,
        why: String,
        import: &Import<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let (code, details) = (Code::ConnectorNotAllowed, Details::of(import));
        match self.rules.connectors.unlisted {
            Unlisted::Wait => self.wait(case, code, why, &details, course),
            Unlisted::Reject => {
                let refusal = Refusal::new(code, why);
                self.refuse(case, refusal, &details, course).await
            }
        }
    }

    /// Another file has taken the name of one that was decided on: what became of the old one stays
    /// as history.
    fn take_the_place<'a>(&self, case: Case<'a>) -> Result<Case<'a>, Fatal> {
        if case.row.is_none_or(is_waiting) {
            return Ok(case);
        }
        self.left(case.entry, None)?;
        Ok(Case { row: None, ..case })
    }

    /// A file with that content that was imported so lately, and in the name of the same user, that it is
    /// not to be sent again.
    fn sent_lately(
        &self,
        fingerprint: Fingerprint,
        import: &Import<'_>,
    ) -> Result<Option<SameContent>, Fatal> {
        let policy = &self.rules.policy;
        if policy.skip_known.is_none() {
            return Ok(None);
        }
        let applicant = import.envelope.applicant(&self.rules.applicants);
        let way = self.courier.way(import.envelope.validation);
        let user_id = way.map_or(None, |way| user_id(&applicant, way));
        let is_skipped = |same: &SameContent| {
            policy.skips(same.imported_at, (self.clock)()) && same.user_id.as_deref() == user_id
        };
        Ok(self.ledger.same_content(fingerprint)?.filter(is_skipped))
    }

    /// Lets a file count as imported of which nothing is sent again.
    async fn skip(
        &self,
        case: &Case<'_>,
        import: &Import<'_>,
        same: &SameContent,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let refusal = Refusal::new(Code::AlreadyImported, ALREADY_IMPORTED);
        let file = report(case, Outcome::Imported, Some(&refusal));
        let details = Details {
            same: Some(same),
            ..Details::of(import)
        };
        self.record(case, &file, None, &details)?;
        self.clean_up(case, &file, details, course).await
    }

    async fn unread(
        &self,
        case: &Case<'_>,
        error: &ReadError,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let details = Details::default();
        match error {
            ReadError::Gone { .. } => Ok(()),
            ReadError::TooLarge { size, .. } => {
                let refusal = Refusal::too_large(&error.to_string(), *size);
                self.refuse(case, refusal, &details, course).await
            }
            ReadError::Changed { .. } | ReadError::Failed(_) => {
                self.wait(case, Code::Unreadable, chain(error), &details, course)
            }
        }
    }

    /// A feed had nothing new: nothing is registered, opened or sent for it.
    async fn import_nothing(
        &self,
        case: &Case<'_>,
        import: &Import<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let file = report(case, Outcome::Imported, None);
        let details = Details::of(import);
        self.record(case, &file, None, &details)?;
        self.clean_up(case, &file, details, course).await
    }

    /// Lets an import join the convoy it can go with, unless it has to wait.
    fn line_up<'a>(
        &self,
        case: Case<'a>,
        import: &'a Import<'a>,
        convoys: &mut Convoys<'a>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let applicant = import.envelope.applicant(&self.rules.applicants);
        let way = self.courier.way(import.envelope.validation);
        let passenger = Passenger {
            case,
            import,
            applicant,
        };
        let details = passenger.details();
        let connector_id = passenger.connector_id();
        if let Some((code, why)) = obstacle(&passenger.applicant, connector_id, &course.held) {
            return self.wait(&case, code, why, &details, course);
        }
        match way {
            Ok(way) => {
                convoys.board(way, passenger);
                Ok(())
            }
            Err(why) => self.wait(&case, Code::ValidationUnavailable, why, &details, course),
        }
    }

    /// What there is to tell of a file that was delivered, and why objects of it were not sent that
    /// should have been.
    pub(super) fn delivered_file(
        passenger: &Passenger<'_>,
        way: Way,
        delivery: &Delivery,
    ) -> (FileReport, Option<Refusal>) {
        let Passenger { case, import, .. } = passenger;
        let refusal = broken_objects(import, &delivery.refused);
        let outcome = if refusal.is_some() {
            Outcome::Partial
        } else {
            Outcome::Imported
        };
        let mut not_sent = match way {
            Way::Workbench if import.may_go_as_it_came() => Vec::new(),
            _ => left_out(import.split.not_sent()),
        };
        if !delivery.refused.is_empty() {
            not_sent.push(LeftOut {
                code: REFUSED_BY_BROKER,
                object_type: None,
                count: delivery.refused.len(),
            });
        }
        let mut file = report(case, outcome, refusal.as_ref());
        file.way = way;
        file.messages = delivery.confirmed;
        file.sent = sent(import, way, delivery);
        file.not_sent = not_sent;
        file.taken_out = import.taken_out(way);
        file.ids_of_other_types = import.split.ids_of_other_types();
        file.unmapped = passenger.applicant.unmapped().cloned();
        (file, refusal)
    }

    pub(super) async fn clean_up(
        &self,
        case: &Case<'_>,
        file: &FileReport,
        details: Details<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        course.leaving.recorded((self.clock)());
        match (file.outcome, self.rules.policy.after_import) {
            (Outcome::Imported, AfterImport::Delete) => {
                log(file, &details);
                course.leaving.add(case.entry);
            }
            (Outcome::Imported, AfterImport::Keep) => log(file, &details),
            _ => self.move_away(case, file, details).await?,
        }
        self.count(file, course);
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

    pub(super) async fn refuse(
        &self,
        case: &Case<'_>,
        refusal: Refusal,
        details: &Details<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        if self.may_be_unfinished(case, refusal.code) {
            self.steady.looks_unfinished(case.entry);
            let message = format!("it may still be being copied: {}", refusal.message);
            return self.wait(case, refusal.code, message, details, course);
        }
        let case = &self.take_the_place(*case)?;
        if self.company == Company::Shared && refusal.code.may_be_anybodys() {
            let file = ignored(*case, refusal.code, &refusal.message);
            return self.leave_alone(&[file], course);
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
        self.count(&file, course);
        Ok(())
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

    /// Leaves files where they are, and never reads them again unless they change.
    fn leave_alone(
        &self,
        files: &[(Case<'_>, FileReport)],
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let decided: Vec<Decided<'_>> = files
            .iter()
            .map(|(case, file)| Decided {
                case,
                file,
                refusal: None,
                details: Details::default(),
            })
            .collect();
        if decided.is_empty() {
            return Ok(());
        }
        self.record_all(&decided)?;
        for (_, file) in files {
            log(file, &Details::default());
            self.count(file, course);
        }
        Ok(())
    }

    /// What a file would wait for once more, as far as that can be told without reading it.
    pub(super) fn waiting(&self, entry: &Entry, held: &Held) -> Option<Waiting> {
        let sender = self.waits.sender_of_waiting(entry, held)?;
        if let Some(why) = self.rules.connectors.unlisted(&sender.connector_id) {
            let code = Code::ConnectorNotAllowed;
            return Some(Waiting { sender, code, why });
        }
        let applicant = self
            .rules
            .applicants
            .map(&sender.connector_id, sender.applicant_id.as_deref());
        let (code, why) = obstacle(&applicant, &sender.connector_id, held)?;
        Some(Waiting { sender, code, why })
    }

    fn wait_on(
        &self,
        file: &Loaded<'_>,
        waiting: &Waiting,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let case = Case {
            entry: &file.entry,
            row: file.row,
            read_at: (self.clock)(),
            fingerprint: None,
        };
        let (why, details) = (waiting.why.clone(), waiting.sender.details());
        self.wait(&case, waiting.code, why, &details, course)
    }

    /// Says that a file waits; says it again only when it, or the reason, is another one.
    pub(super) fn wait(
        &self,
        case: &Case<'_>,
        code: Code,
        message: String,
        details: &Details<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let mut file = report(case, Outcome::Waiting, Some(&Refusal::new(code, message)));
        let said = case
            .row
            .filter(|row| row.is(case.entry) && is_waiting(*row) && row.code == Some(code));
        // Or the file would wait until a clock that was set back has caught up.
        let from_the_future = |row: Known<'_>| row.seen_since > (self.clock)();
        // What was decided counts until this can be read: it may be the very content, written anew.
        let is_open = case.row.is_none_or(is_waiting);
        if is_open && said.is_none_or(from_the_future) {
            self.record(case, &file, None, details)?;
        }
        let is_news = self.waits.note(case.entry, code, details);
        // One that grows is another file each time that we look.
        let is_said = is_news || (said.is_none() && !may_be_being_written(code));
        if is_told_together(code) {
            let admissions = &mut course.admissions;
            admissions.tell(code, details.connector_id, is_said);
        } else if is_said {
            log(&file, details);
        }
        if is_news && code == Code::UnmappedApplicant {
            let connector_id = details.connector_id.unwrap_or_default();
            let applicant = self
                .rules
                .applicants
                .map(connector_id, details.applicant_id);
            file.unmapped = applicant.unmapped().cloned();
        }
        self.count(&file, course);
        Ok(())
    }

    fn record(
        &self,
        case: &Case<'_>,
        file: &FileReport,
        refusal: Option<&Refusal>,
        details: &Details<'_>,
    ) -> Result<(), Fatal> {
        self.record_all(&[Decided {
            case,
            file,
            refusal,
            details: *details,
        }])
    }

    /// Records what became of files: of all, or of none.
    pub(super) fn record_all(&self, files: &[Decided<'_>]) -> Result<(), Fatal> {
        let now = (self.clock)();
        let reasons: Vec<Option<Vec<u8>>> = files.iter().map(|file| file.reason(now)).collect();
        let records: Vec<Record<'_>> = files
            .iter()
            .zip(&reasons)
            .map(|(file, reason)| file.record(reason.as_deref()))
            .collect();
        let rows = files
            .iter()
            .zip(&records)
            .map(|(file, record)| (file.case.entry, file.file.outcome, record));
        Ok(self.ledger.record_all(self.source.name(), rows, now)?)
    }
}

/// A file that was not read, since it would only wait once more.
pub(super) struct Waiting {
    sender: Arc<Sender>,
    code: Code,
    why: String,
}

/// A file whose lot is decided, with what is to be remembered of it.
pub(super) struct Decided<'a> {
    pub(super) case: &'a Case<'a>,
    pub(super) file: &'a FileReport,
    pub(super) refusal: Option<&'a Refusal>,
    pub(super) details: Details<'a>,
}

impl<'a> Decided<'a> {
    fn reason(&self, now: DateTime<Utc>) -> Option<Vec<u8>> {
        let Case {
            entry, fingerprint, ..
        } = self.case;
        self.refusal.map(|refusal| {
            let name = entry.location.as_str();
            Reason::new(name, entry.size, *fingerprint, refusal, now).to_json()
        })
    }

    fn record(&self, reason: Option<&'a [u8]>) -> Record<'a> {
        Record {
            fingerprint: self.case.fingerprint,
            code: self.file.code,
            reason,
            connector_id: self.details.connector_id,
            connector_name: self.details.connector,
            applicant_id: self.details.applicant_id,
            user_id: self.details.user_id,
            work_id: self.details.work,
            messages: self.file.messages,
            not_sent: self.file.not_sent.iter().map(|left| left.count).sum(),
        }
    }
}

/// What keeps a file from being sent in this pass, if something does that concerns its sender.
fn obstacle(applicant: &Applicant, connector_id: &str, held: &Held) -> Option<(Code, String)> {
    match applicant.wanting() {
        Some(why) => Some((Code::UnmappedApplicant, why)),
        None => held.why(connector_id),
    }
}

/// A file that is somebody else's, and what there is to tell of it.
fn ignored<'a>(case: Case<'a>, code: Code, why: &str) -> (Case<'a>, FileReport) {
    let file = report(&case, Outcome::Ignored, Some(&Refusal::new(code, why)));
    (case, file)
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
        sent: Sent::default(),
        not_sent: Vec::new(),
        denied: refusal.map(Refusal::denied).unwrap_or_default(),
        taken_out: TakenOut::default(),
        ids_of_other_types: 0,
        unmapped: None,
    }
}

/// Why a file is not sent whose content was imported lately.
pub(crate) const ALREADY_IMPORTED: &str =
    "its content was imported within DIODE_IMPORT_SKIP_KNOWN_HOURS";

/// The code of an object that this broker does not take.
const REFUSED_BY_BROKER: &str = "refused-by-broker";

/// A row about the same content at the same place, decided for good; not one that went missing
/// meanwhile: who brings a file again wants it imported again.
pub(crate) fn same_content(row: Option<Known<'_>>, fingerprint: Fingerprint) -> Option<Known<'_>> {
    row.filter(|row| !row.missed && !is_waiting(*row) && row.fingerprint == Some(fingerprint))
}

fn is_waiting(row: Known<'_>) -> bool {
    row.outcome == Outcome::Waiting
}

/// The user here in whose name an import goes that way; `None`: nobody's of those that are mapped. What
/// is put into the workbench is imported by whoever validates it.
pub(crate) fn user_id(applicant: &Applicant, way: Way) -> Option<&str> {
    match way {
        Way::Direct | Way::Draft => applicant.target(),
        Way::Workbench => None,
    }
}

/// Why a file waits behind an earlier one of its connector.
pub(super) fn behind(trouble: &Trouble) -> String {
    format!(
        "an earlier file of this connector waits: {}",
        chain(trouble)
    )
}

/// What the platform is to show of a file's objects that were not sent.
pub(super) fn errors(file: &str, refusal: Option<&Refusal>) -> Vec<String> {
    refusal
        .iter()
        .flat_map(|refusal| &refusal.findings)
        .filter(|finding| finding.level == FindingLevel::Error)
        .map(|finding| {
            format!(
                "{file}: {} was not sent: {} [{}]",
                finding.place(),
                finding.message,
                finding.code
            )
        })
        .collect()
}

/// What went to the platform. The workbench gets the bundle as it came, or the parts that it was split
/// into as one.
fn sent(import: &Import<'_>, way: Way, delivery: &Delivery) -> Sent {
    let objects = match way {
        Way::Direct | Way::Draft => delivery.confirmed,
        Way::Workbench if import.may_go_as_it_came() => {
            import.split.part_count() + import.split.not_sent().len()
        }
        Way::Workbench => import.split.part_count(),
    };
    Sent {
        bundles: delivery.bundles,
        objects,
    }
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
            path: in_file(&import.split.path(part.object)),
            id: Some(shown(part.id)),
            message: message.reason.clone(),
        }
    }));
    Some(refusal)
}
