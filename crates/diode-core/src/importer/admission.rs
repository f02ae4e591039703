//! Which source connectors are registered in a pass, and whose files wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bundle_source::Entry;
use opencti_client::{ErrorClass, KnownConnector, Registration};

use super::{Course, Importer};
use crate::connector_policy::{Seen, Verdict};
use crate::trouble::{Fatal, chain};
use crate::{Code, LedgerError};

/// How many new connectors a pass registers as it comes to them. The files of further ones are come back
/// to after all others, so that a flood of new connectors does not hold up those that are known.
pub(super) const AT_ONCE: usize = 8;

/// The connectors of the platform by id, or that they cannot be told.
type Here = Option<Arc<HashMap<String, KnownConnector>>>;

/// What a pass knows of connectors.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    /// The connectors on the platform, once they were asked for.
    here: Option<Here>,
    /// How many new ones were registered.
    new: usize,
    /// Files of new ones that are come back to.
    put_off: Vec<Entry>,
    /// Their connectors.
    put_off_connectors: HashSet<String>,
    /// Whether it is their turn.
    is_last_round: bool,
    /// Connectors whose files wait.
    waiting: HashMap<String, Registration>,
    /// Files that wait for what the settings say of connectors, by code.
    told: BTreeMap<&'static str, Told>,
}

/// Files that are told of in one line.
#[derive(Debug, Default)]
struct Told {
    files: usize,
    connectors: BTreeSet<String>,
    /// Whether one of them began to wait.
    is_news: bool,
}

/// Whether the files of a connector are sent.
pub(super) enum Admission {
    Goes,
    /// After all other files of the pass.
    PutOff,
    /// Not in this pass.
    Waits(Code, String),
}

impl Admissions {
    /// Takes note of a file that is come back to.
    pub(super) fn put_off(&mut self, connector_id: &str, entry: &Entry) {
        self.put_off_connectors.insert(connector_id.to_owned());
        self.put_off.push(entry.clone());
    }

    /// The files that it is time to come back to.
    pub(super) fn take_put_off(&mut self) -> Vec<Entry> {
        self.is_last_round = true;
        std::mem::take(&mut self.put_off)
    }

    /// Whether the platform told that it has a connector.
    pub(super) fn is_here(&self, connector_id: &str) -> bool {
        let here = self.here.as_ref().and_then(Option::as_ref);
        here.is_some_and(|here| here.contains_key(connector_id))
    }

    /// Counts a file in that waits with a code of which one line tells for all.
    pub(super) fn tell(&mut self, code: Code, connector_id: Option<&str>, is_news: bool) {
        let told = self.told.entry(code.as_str()).or_default();
        told.files += 1;
        told.is_news |= is_news;
        if let Some(connector_id) = connector_id
            && !told.connectors.contains(connector_id)
        {
            told.connectors.insert(connector_id.to_owned());
        }
    }
}

/// Whether one line of a pass tells of all files that wait with a code.
pub(super) fn is_told_together(code: Code) -> bool {
    setting_of(code).is_some()
}

/// What to change so that files with a code go in.
fn setting_of(code: Code) -> Option<&'static str> {
    match code {
        Code::ConnectorNotAllowed => {
            Some("add those that are to be imported to DIODE_IMPORT_ALLOWED_CONNECTORS")
        }
        Code::TooManyNewConnectors => Some(
            "they go in as the days allow; if so many are right, raise \
             DIODE_IMPORT_MAX_NEW_CONNECTORS",
        ),
        Code::ConnectorExists => Some(
            "the platform has these connectors with another type: give them other ids, or set \
             DIODE_IMPORT_OVERWRITE_CONNECTORS to true",
        ),
        _ => None,
    }
}

impl Importer {
    /// Whether the files of a connector are sent now. A new connector counts from here on.
    pub(super) async fn admit(
        &self,
        connector: &Registration,
        course: &mut Course,
    ) -> Result<Admission, Fatal> {
        if self.courier.connectors.needs_no_registration(connector) {
            return Ok(Admission::Goes);
        }
        let id = &connector.id;
        let admissions = &course.admissions;
        if !admissions.is_last_round && admissions.put_off_connectors.contains(id) {
            return Ok(Admission::PutOff);
        }
        let here = self.here(course).await;
        match self.verdict(connector, here.as_deref(), course)? {
            Verdict::Known => {
                self.tell_of_other_name(connector, here.as_deref());
                self.ledger.keep_connector(id, None)?;
                Ok(Admission::Goes)
            }
            Verdict::New
                if !course.admissions.is_last_round && course.admissions.new >= AT_ONCE =>
            {
                Ok(Admission::PutOff)
            }
            Verdict::New => {
                course.admissions.new += 1;
                self.ledger.keep_connector(id, Some(self.now()))?;
                Ok(Admission::Goes)
            }
            Verdict::Waits(code, why) => {
                let waiting = &mut course.admissions.waiting;
                waiting.insert(id.clone(), connector.clone());
                Ok(Admission::Waits(code, why))
            }
        }
    }

    fn verdict(
        &self,
        connector: &Registration,
        here: Option<&HashMap<String, KnownConnector>>,
        course: &Course,
    ) -> Result<Verdict, LedgerError> {
        let id = &connector.id;
        let put_off = if course.admissions.is_last_round {
            0
        } else {
            course.admissions.put_off_connectors.len()
        };
        let by_us = self.courier.connectors.is_registered(id) || self.ledger.has_connector(id)?;
        let seen = Seen {
            here: here.and_then(|here| here.get(id)),
            by_us,
            new_lately: self.ledger.new_connectors(self.now())? + put_off,
        };
        Ok(self.rules.connectors.judge(connector, &seen))
    }

    /// Holds connectors whose files waited in the last pass, and still have to: their files need not be
    /// read again to find that out.
    pub(super) async fn hold_not_admitted(&self, course: &mut Course) -> Result<(), Fatal> {
        let before = std::mem::take(&mut *self.not_admitted());
        if before.is_empty() {
            return Ok(());
        }
        let here = self.here(course).await;
        for (id, connector) in before {
            if let Verdict::Waits(code, why) = self.verdict(&connector, here.as_deref(), course)? {
                course.held.hold(&id, code, why);
                course.admissions.waiting.insert(id, connector);
            }
        }
        Ok(())
    }

    /// One line for each reason for which files wait as the settings for connectors say, where some
    /// began to.
    pub(super) fn tell_of_not_admitted(&self, course: &mut Course) {
        let admissions = &mut course.admissions;
        *self.not_admitted() = std::mem::take(&mut admissions.waiting);
        for (code, told) in &admissions.told {
            let advice = code.parse().ok().and_then(setting_of);
            if told.is_news {
                tracing::warn!(
                    source = self.source.name(),
                    code,
                    files = told.files,
                    connectors = told.connectors.len(),
                    "files wait for what the settings say of their connectors: {}",
                    advice.unwrap_or_default()
                );
            }
        }
    }

    /// The connectors on the platform, asked for once in a pass. Where they cannot be told, we go by those
    /// that we registered ourselves.
    async fn here(&self, course: &mut Course) -> Here {
        if let Some(here) = &course.admissions.here {
            return here.clone();
        }
        let answer = tokio::select! {
            answer = self.courier.platform.connectors() => answer,
            () = self.turn.cancelled() => return None,
        };
        let here = match answer {
            Ok(all) => {
                self.courier.connectors.blind().is_over();
                let by_id = all.into_iter().map(|one| (one.id.clone(), one));
                Some(Arc::new(by_id.collect()))
            }
            Err(error) => {
                if self.courier.connectors.blind().is_due(self.own_now()) {
                    let advice = match error.class() {
                        ErrorClass::Forbidden => "; give the account the capability MODULES",
                        _ => "",
                    };
                    tracing::warn!(
                        error = chain(&error),
                        "the platform does not tell which connectors it has: those that this program \
                         did not register count as new, and one of another type may be registered \
                         over{advice}"
                    );
                }
                None
            }
        };
        course.admissions.here = Some(here.clone());
        here
    }

    /// Said once for each connector: it bears the name of the envelope once it is registered.
    fn tell_of_other_name(
        &self,
        connector: &Registration,
        here: Option<&HashMap<String, KnownConnector>>,
    ) {
        let id = &connector.id;
        let Some(here) = here.and_then(|here| here.get(id)) else {
            return;
        };
        if here.name == connector.name || self.courier.connectors.is_registered(id) {
            return;
        }
        tracing::warn!(
            connector_id = id,
            connector = connector.name,
            name_here = here.name,
            "the platform has this connector under another name, which is replaced by that of the \
             envelope: if these are two connectors, give one of them another id"
        );
    }
}
