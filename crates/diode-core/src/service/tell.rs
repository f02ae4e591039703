//! What a service says in the log.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::reminder::Reminder;
use crate::report::{Interruption, PassReport};
use crate::state::ConnectorState;
use crate::{Importer, StandIn, summary};

pub(super) fn pass(report: &PassReport, stand_in: &StandIn) {
    summary::tell_unmapped(report, stand_in);
    if report.is_eventful() {
        summary::tell(report, "pass done");
    }
}

/// Files that wait for long are told of again after a pass that found them so: what lasts is not to look
/// like nothing to do.
pub(super) fn lasting_waits(report: &PassReport, importer: &Importer) {
    // One that was cut short did not get to all of them, and is told of itself.
    if report.interruption.is_some() {
        return;
    }
    for waits in importer.lasting_waits() {
        tracing::warn!(
            source = importer.source(),
            code = waits.code.as_str(),
            files = waits.files,
            oldest = waits.oldest,
            modified = %waits.modified.to_rfc3339_opts(SecondsFormat::Secs, true),
            "files still wait"
        );
    }
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

/// A clock that was wrong, or a file with such a time, made that of the state.
pub(super) fn later_than_now(later: &[(&str, f64)], now: DateTime<Utc>) {
    for (key, seconds) in later {
        tracing::warn!(
            key,
            seconds,
            now = %now.to_rfc3339_opts(SecondsFormat::Secs, true),
            "the connector's state has a time that is later than now: it is not believed, and not handed \
             in again, or files of now would count as imported"
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

/// By what the last round over each source was kept from it. While that lasts it is said once, and then
/// ever more rarely.
#[derive(Debug, Default)]
pub(super) struct Interrupted(HashMap<String, (Interruption, Reminder)>);

impl Interrupted {
    /// Says how a pass went.
    pub(super) fn pass(&mut self, report: &PassReport, importer: &Importer) {
        let is_news = match report.interruption {
            Some(interruption) => self.is_news(importer, interruption),
            None => self.0.remove(importer.source()).is_some(),
        };
        if is_news || report.changed_files() {
            pass(report, importer.stand_in());
        } else {
            summary::tell_unmapped(report, importer.stand_in());
        }
    }

    /// Says that there was no pass over a source.
    pub(super) fn passed_over(&mut self, importer: &Importer, interruption: Interruption) {
        if interruption != Interruption::Stopped && self.is_news(importer, interruption) {
            tracing::warn!(
                source = importer.source(),
                because_of = interruption.as_str(),
                "source passed over: the pass before it was cut short by what would cut this one \
                 short, too"
            );
        }
    }

    fn is_news(&mut self, importer: &Importer, interruption: Interruption) -> bool {
        let news = (interruption, Reminder::default());
        let known = self.0.entry(importer.source().to_owned()).or_insert(news);
        if known.0 != interruption {
            *known = news;
        }
        known.1.is_due(importer.own_now())
    }
}
