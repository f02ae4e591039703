//! What a service says in the log.

use crate::report::{Interruption, PassReport};
use crate::state::ConnectorState;
use crate::{Importer, Outcome};

pub(super) fn pass(report: &PassReport) {
    for (applicant, files) in &report.unmapped {
        unmapped(applicant, *files);
    }
    if !report.is_eventful() {
        return;
    }
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
        "pass done"
    );
}

/// A platform that was set up anew, or a connector that was deleted there, is no reset: files that
/// are kept stay imported, and somebody may wonder why.
pub(super) fn without_watermark(importer: &Importer, state: &ConnectorState) {
    // A ledger that cannot be read is told by the first pass.
    let files = importer.kept_files().unwrap_or(0);
    if files > 0 && state.last_run(importer.state_key()).is_none() {
        tracing::warn!(
            source = importer.source(),
            files,
            "the platform does not know of these files, which were imported before; they are not \
             imported again; if they should be, reset the connector's state in the platform"
        );
    }
}

pub(super) fn reset(files: usize) {
    tracing::info!(
        files,
        "following the reset of the connector's state: what became of these files is forgotten, \
         and they are looked at again"
    );
}

pub(super) fn passed_over(source: &str, interruption: Interruption) {
    if interruption != Interruption::Stopped {
        tracing::warn!(
            source,
            because_of = interruption.as_str(),
            "source passed over: the pass before it was cut short by what would cut this one \
             short, too"
        );
    }
}

fn unmapped(applicant: &str, files: usize) {
    if applicant.is_empty() {
        tracing::warn!(
            files,
            "files without an applicant_id were imported as the platform worker's own user; let \
             the sending connector set one"
        );
    } else {
        tracing::warn!(
            applicant_id = applicant,
            files,
            "no mapping for this applicant: its files were imported as the platform worker's own \
             user; add {applicant}:<id of a user of this platform> to \
             DIODE_IMPORT_APPLICANT_MAPPINGS"
        );
    }
}
