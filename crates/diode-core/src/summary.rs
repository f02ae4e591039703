//! What the log says at the end of a pass, done or rehearsed.

use crate::report::{Interruption, PassReport};
use crate::{Outcome, StandIn, Unmapped};

/// One line with the counts of a pass; `message` says what kind of pass it was.
pub(crate) fn tell(report: &PassReport, message: &str) {
    tracing::info!(
        source = report.source,
        imported = report.count(Outcome::Imported),
        partial = report.count(Outcome::Partial),
        rejected = report.count(Outcome::Rejected),
        ignored = report.count(Outcome::Ignored),
        waiting = report.count(Outcome::Waiting),
        untried = report.untried,
        removed = report.removed,
        messages = report.messages,
        objects_not_sent = report.not_sent,
        interrupted_by = report.interruption.map(Interruption::as_str),
        "{message}"
    );
}

/// A line for each applicant that no mapping names: what becomes of its files, and the setting.
pub(crate) fn tell_unmapped(report: &PassReport, stand_in: &StandIn) {
    for (who, files) in &report.unmapped {
        let connector_id = who.connector.as_deref();
        match (stand_in, who.source.as_str()) {
            (StandIn::Worker, "") => tracing::warn!(
                files,
                "files without an applicant_id belong to no user of this platform: the workers (over \
                 the API: OPENCTI_TOKEN's account) import them in their own name; let the sending \
                 connector set one, or set DIODE_IMPORT_DEFAULT_APPLICANT"
            ),
            (StandIn::Worker, id) => tracing::warn!(
                applicant_id = id,
                connector_id,
                files,
                "no mapping for this applicant: the workers (over the API: OPENCTI_TOKEN's account) \
                 import its files in their own name; {}",
                advice(who)
            ),
            (StandIn::User(user), "") => tracing::info!(
                files,
                default_applicant = user,
                "files without an applicant_id are imported in the name of \
                 DIODE_IMPORT_DEFAULT_APPLICANT"
            ),
            (StandIn::User(user), id) => tracing::info!(
                applicant_id = id,
                connector_id,
                files,
                default_applicant = user,
                "no mapping for this applicant: its files are imported in the name of \
                 DIODE_IMPORT_DEFAULT_APPLICANT; if that is not right, {}",
                advice(who)
            ),
            (StandIn::Nobody, "") => tracing::warn!(
                files,
                "files without an applicant_id wait: set DIODE_IMPORT_DEFAULT_APPLICANT, or let the \
                 sending connector set one"
            ),
            (StandIn::Nobody, id) => tracing::warn!(
                applicant_id = id,
                connector_id,
                files,
                "no mapping for this applicant: its files wait; {}",
                advice(who)
            ),
        }
    }
}

fn advice(who: &Unmapped) -> String {
    let entry = who.entry();
    format!("add {entry}:<id of a user of this platform> to DIODE_IMPORT_APPLICANT_MAPPINGS")
}
