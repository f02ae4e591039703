//! `check`: what would become of a file, without any platform.

use serde::Serialize;
use stix_bundle::{Limits, Profile};

use crate::examine::{Examined, LeftOut, MAX_NAMED, examine_all, left_out, stripped};
use crate::refusal::{Finding, Refusal};
use crate::{Code, Outcome, Way};

/// What would become of one file. Serialised, it is one line of `check --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The file, as it was named.
    pub file: String,
    /// `imported`, `partial`, `rejected` or `ignored`; `waiting`, where it cannot be read now.
    pub outcome: &'static str,
    /// Why it would not be imported whole.
    pub code: Option<&'static str>,
    /// The same in words.
    pub message: Option<String>,
    /// The source connector.
    pub connector: Option<CheckedConnector>,
    /// The source applicant.
    pub applicant_id: Option<String>,
    /// How many messages would be sent.
    pub messages: usize,
    /// Objects that would not be sent, by code and type: the first thousand kinds.
    pub not_sent: Vec<LeftOut>,
    /// How many kinds there are beyond those.
    pub not_sent_omitted: usize,
    /// How many objects of those kinds there are.
    pub not_sent_omitted_objects: usize,
    /// References that would be taken out of the objects that would be sent: of a type that the platform
    /// does not take, or closing a cycle.
    pub references_removed: usize,
    /// What the bundle breaks, errors and warnings: the first thousand; behind them, objects that would
    /// lose references which say who may see them, or what is in them: the first thousand.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub findings_omitted: usize,
}

/// A source connector as `check` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedConnector {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub connector_type: &'static str,
}

impl CheckReport {
    /// Whether nothing of the file would be left behind.
    pub fn is_whole(&self) -> bool {
        self.outcome == Outcome::Imported.as_str()
    }

    /// The report of a file that cannot be read now: an import lets it wait.
    pub fn unreadable(file: &str, message: String) -> Self {
        Self {
            code: Some(Code::Unreadable.as_str()),
            message: Some(message),
            ..Self::new(file, Outcome::Waiting)
        }
    }

    /// The report of a file of `size` bytes, of which an import would read nothing.
    pub fn too_large(file: &str, size: u64, limit: u64) -> Self {
        let message = format!("it has {size} bytes, more than the {limit} allowed");
        Self::refused(file, &Refusal::too_large(&message, size))
    }

    fn new(file: &str, outcome: Outcome) -> Self {
        Self {
            file: file.to_owned(),
            outcome: outcome.as_str(),
            code: None,
            message: None,
            connector: None,
            applicant_id: None,
            messages: 0,
            not_sent: Vec::new(),
            not_sent_omitted: 0,
            not_sent_omitted_objects: 0,
            references_removed: 0,
            findings: Vec::new(),
            findings_omitted: 0,
        }
    }

    fn refused(file: &str, refusal: &Refusal) -> Self {
        Self {
            code: Some(refusal.code.as_str()),
            message: Some(refusal.message.clone()),
            findings: refusal.findings.clone(),
            ..Self::new(file, Outcome::Rejected)
        }
    }
}

/// Reads, validates and splits a file as an import would.
pub fn check(file: &str, bytes: &[u8], limits: &Limits, profile: &Profile) -> CheckReport {
    let (examined, found) = examine_all(bytes, limits, profile);
    match examined {
        Examined::Foreign(what) => CheckReport {
            code: Some(Code::NotAnEnvelope.as_str()),
            message: Some(what.to_owned()),
            ..CheckReport::new(file, Outcome::Ignored)
        },
        Examined::Refused(refusal) => CheckReport::refused(file, &refusal),
        Examined::Ready(import) => {
            let outcome = match import.defects {
                Some(_) => Outcome::Partial,
                None => Outcome::Imported,
            };
            let stripped: Vec<Finding> = stripped(&import.split).collect();
            let taken_out = import.taken_out(Way::Direct);
            let unnamed = taken_out.stripped_objects.saturating_sub(stripped.len());
            let mut not_sent = left_out(import.split.not_sent());
            let omitted = not_sent.split_off(not_sent.len().min(MAX_NAMED));
            let connector = import.envelope.connector;
            CheckReport {
                code: import.defects.as_ref().map(|refusal| refusal.code.as_str()),
                message: import.defects.map(|refusal| refusal.message),
                connector: Some(CheckedConnector {
                    id: connector.id,
                    name: connector.name,
                    connector_type: connector.connector_type.as_str(),
                }),
                applicant_id: import.envelope.applicant_id,
                messages: import.split.part_count(),
                not_sent,
                not_sent_omitted: omitted.len(),
                not_sent_omitted_objects: omitted.iter().map(|left| left.count).sum(),
                references_removed: taken_out.references,
                findings: found
                    .kept()
                    .iter()
                    .map(Finding::from)
                    .chain(stripped)
                    .collect(),
                findings_omitted: found.omitted() + unnamed,
                ..CheckReport::new(file, outcome)
            }
        }
    }
}
