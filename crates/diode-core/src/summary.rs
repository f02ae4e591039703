//! What the log says at the end of a pass, done or rehearsed.

use crate::Outcome;
use crate::report::{Interruption, PassReport};

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

/// A line for each applicant that nobody here stands for.
pub(crate) fn tell_unmapped(report: &PassReport) {
    for (applicant, files) in &report.unmapped {
        if applicant.is_empty() {
            tracing::warn!(
                files,
                "files without an applicant_id belong to no user of this platform: the workers (over \
                 the API: OPENCTI_TOKEN's account) import them in their own name; let the sending \
                 connector set one"
            );
        } else {
            tracing::warn!(
                applicant_id = applicant,
                files,
                "no mapping for this applicant: the workers (over the API: OPENCTI_TOKEN's account) \
                 import its files in their own name; add {applicant}:<id of a user of this platform> \
                 to DIODE_IMPORT_APPLICANT_MAPPINGS"
            );
        }
    }
}
