//! What would become of one file: pure.

use std::collections::BTreeMap;

use bundle_source::Entry;
use chrono::{DateTime, Utc};
use opencti_client::{Drafts, PlatformVersion};

use crate::connectors::unfit;
use crate::examine::{Examined, Import, left_out};
use crate::importer::file::{ALREADY_IMPORTED, user_id};
use crate::ledger::SameContent;
use crate::plan::must_wait;
use crate::refusal::Refusal;
use crate::report::{FileReport, Sent, TakenOut};
use crate::{Applicant, Code, Company, Outcome, Rules, Unlisted, Way};

/// What a forecast depends on beside the file.
pub(super) struct Outlook<'a> {
    pub(super) rules: &'a Rules,
    pub(super) version: Option<PlatformVersion>,
    pub(super) drafts: Drafts,
    pub(super) company: Company,
    pub(super) now: DateTime<Utc>,
}

/// What would become of a file.
#[derive(Debug)]
pub(super) struct Forecast {
    pub(super) file: FileReport,
    pub(super) who: Who,
    /// A file with the same content that was imported before.
    pub(super) same: Option<SameContent>,
}

/// Whose file it is.
#[derive(Debug, Default)]
pub(super) struct Who {
    pub(super) connector: Option<String>,
    pub(super) connector_id: Option<String>,
    pub(super) applicant_id: Option<String>,
    /// The user here in whose name it would be imported.
    pub(super) user_id: Option<String>,
}

impl Forecast {
    /// The same of a file whose content was imported before: within a time that is set, it would not be
    /// sent again.
    pub(super) fn known(self, same: Option<SameContent>, outlook: &Outlook<'_>) -> Self {
        let is_sent = matches!(self.file.outcome, Outcome::Imported | Outcome::Partial);
        let Some(same) = same.filter(|_| is_sent) else {
            return self;
        };
        let policy = &outlook.rules.policy;
        let is_skipped =
            policy.skips(same.imported_at, outlook.now) && same.user_id == self.who.user_id;
        let file = if is_skipped {
            FileReport {
                outcome: Outcome::Imported,
                code: Some(Code::AlreadyImported),
                message: Some(ALREADY_IMPORTED.to_owned()),
                way: Way::default(),
                messages: 0,
                not_sent: Vec::new(),
                unmapped: None,
                ..self.file
            }
        } else {
            self.file
        };
        Self {
            file,
            who: self.who,
            same: Some(same),
        }
    }
}

/// The forecast for a file that was read, and has been as it is `since` then.
pub(super) fn of_examined(
    examined: &Examined<'_>,
    entry: &Entry,
    since: DateTime<Utc>,
    outlook: &Outlook<'_>,
) -> Forecast {
    match examined {
        Examined::Foreign(what) => {
            let refusal = Refusal::new(Code::NotAnEnvelope, *what);
            report(entry, Outcome::Ignored, Some(refusal)).into()
        }
        Examined::Refused(refusal) => of_refusal(refusal.clone(), entry, since, outlook),
        Examined::Ready(import) => match unfit(&import.envelope.connector, outlook.version) {
            Ok(()) => of_import(import, entry, outlook),
            Err(refusal) => of_refusal(refusal, entry, since, outlook),
        },
    }
}

/// The forecast for a file that is refused, or may still be being copied.
pub(super) fn of_refusal(
    refusal: Refusal,
    entry: &Entry,
    since: DateTime<Utc>,
    outlook: &Outlook<'_>,
) -> Forecast {
    let policy = &outlook.rules.policy;
    if must_wait(refusal.code, entry.modified, since, policy, outlook.now) {
        let message = format!("it may still be being copied: {}", refusal.message);
        return waits(entry, refusal.code, message);
    }
    if outlook.company == Company::Shared && refusal.code.may_be_anybodys() {
        return report(entry, Outcome::Ignored, Some(refusal)).into();
    }
    report(entry, Outcome::Rejected, Some(refusal)).into()
}

/// The forecast for a file that waits.
pub(super) fn waits(entry: &Entry, code: Code, message: String) -> Forecast {
    report(entry, Outcome::Waiting, Some(Refusal::new(code, message))).into()
}

fn of_import(import: &Import<'_>, entry: &Entry, outlook: &Outlook<'_>) -> Forecast {
    let envelope = &import.envelope;
    let mut who = Who {
        connector: Some(envelope.connector.name.clone()),
        connector_id: Some(envelope.connector.id.clone()),
        applicant_id: envelope.applicant_id.clone(),
        user_id: None,
    };
    if import.is_empty() {
        let file = report(entry, Outcome::Imported, None);
        return Forecast {
            file,
            who,
            same: None,
        };
    }
    let policy = &outlook.rules.connectors;
    if let Some(why) = policy.unlisted(&envelope.connector.id) {
        let outcome = match policy.unlisted {
            Unlisted::Wait => Outcome::Waiting,
            Unlisted::Reject => Outcome::Rejected,
        };
        let refusal = Refusal::new(Code::ConnectorNotAllowed, why);
        return Forecast {
            file: report(entry, outcome, Some(refusal)),
            who,
            same: None,
        };
    }
    let applicant = envelope.applicant(&outlook.rules.applicants);
    if let Some(why) = applicant.wanting() {
        let file = FileReport {
            unmapped: applicant.unmapped().cloned(),
            ..waits(entry, Code::UnmappedApplicant, why).file
        };
        return Forecast {
            file,
            who,
            same: None,
        };
    }
    let validation = &outlook.rules.validation;
    let file = match validation.way(envelope.validation, outlook.version, outlook.drafts) {
        Ok(way) => {
            who.user_id = user_id(&applicant, way).map(str::to_owned);
            delivered(import, entry, way, &applicant)
        }
        Err(why) => waits(entry, Code::ValidationUnavailable, why).file,
    };
    Forecast {
        file,
        who,
        same: None,
    }
}

fn delivered(import: &Import<'_>, entry: &Entry, way: Way, applicant: &Applicant) -> FileReport {
    let outcome = match import.defects {
        Some(_) => Outcome::Partial,
        None => Outcome::Imported,
    };
    let file = FileReport {
        way,
        unmapped: applicant.unmapped().cloned(),
        taken_out: import.taken_out(way),
        ids_of_other_types: import.split.ids_of_other_types(),
        ..report(entry, outcome, import.defects.clone())
    };
    match way {
        Way::Workbench if import.may_go_as_it_came() => file,
        Way::Workbench => FileReport {
            not_sent: left_out(import.split.not_sent()),
            ..file
        },
        Way::Direct | Way::Draft => FileReport {
            messages: import.split.part_count(),
            not_sent: left_out(import.split.not_sent()),
            ..file
        },
    }
}

fn report(entry: &Entry, outcome: Outcome, refusal: Option<Refusal>) -> FileReport {
    let (code, message) = match refusal {
        Some(refusal) => (Some(refusal.code), Some(refusal.message)),
        None => (None, None),
    };
    FileReport {
        file: entry.location.to_string(),
        modified: entry.modified,
        outcome,
        code,
        message,
        way: Way::default(),
        messages: 0,
        sent: Sent::default(),
        not_sent: Vec::new(),
        denied: BTreeMap::new(),
        taken_out: TakenOut::default(),
        ids_of_other_types: 0,
        unmapped: None,
    }
}

impl From<FileReport> for Forecast {
    fn from(file: FileReport) -> Self {
        Self {
            file,
            who: Who::default(),
            same: None,
        }
    }
}
