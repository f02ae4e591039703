//! Which source connectors are registered in a pass, and whose files wait.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bundle_source::Entry;
use opencti_client::{ConnectorType, ErrorClass, KnownConnector, Registration};

use super::{Course, Importer};
use crate::connector_policy::{ConnectorRecord, Verdict};
use crate::trouble::{Fatal, chain};
use crate::{Code, LedgerError};

/// How many new connectors a pass registers as it comes to them. The files of further ones are come back
/// to after all others, so that a flood of new connectors does not hold up those that are known.
pub(super) const AT_ONCE: usize = 8;

/// The connectors of the platform by id; `None`: it does not tell them.
type OnPlatform = Option<Arc<HashMap<String, KnownConnector>>>;

/// What a pass knows of connectors.
#[derive(Debug, Default)]
pub(super) struct Admissions {
    /// The connectors on the platform, once they were asked for.
    on_platform: Option<OnPlatform>,
    /// The new ones that were registered.
    new: HashSet<String>,
    /// Files of further new ones, which follow after all others.
    deferred: Vec<Entry>,
    /// Their connectors.
    deferred_connectors: HashSet<String>,
    /// Whether it is their turn.
    is_last_round: bool,
    /// Connectors whose files wait.
    waiting: HashMap<String, Registration>,
    /// Files that wait for what the settings say of connectors, by code.
    told: BTreeMap<&'static str, WaitingFiles>,
}

/// Files that are told of in one line.
#[derive(Debug, Default)]
struct WaitingFiles {
    files: usize,
    connectors: BTreeSet<String>,
    /// Whether one of them began to wait.
    is_news: bool,
}

/// Whether the files of a connector are sent.
pub(super) enum Admission {
    Goes,
    /// After all other files of the pass.
    Deferred,
    /// Not in this pass.
    Waits(Code, String),
}

impl Admissions {
    /// Takes note of a file that follows after all others.
    pub(super) fn defer(&mut self, connector_id: &str, entry: &Entry) {
        self.deferred_connectors.insert(connector_id.to_owned());
        self.deferred.push(entry.clone());
    }

    /// The files that follow after all others, whose turn it is.
    pub(super) fn take_deferred(&mut self) -> Vec<Entry> {
        self.is_last_round = true;
        std::mem::take(&mut self.deferred)
    }

    /// Whether the platform told that it has a connector.
    pub(super) fn is_on_platform(&self, connector_id: &str) -> bool {
        let connectors = self.on_platform.as_ref().and_then(Option::as_ref);
        connectors.is_some_and(|connectors| connectors.contains_key(connector_id))
    }

    /// Whether a connector counts as new in this pass. It could not be registered, and does not any more.
    pub(super) fn take_new(&mut self, connector_id: &str) -> bool {
        self.new.remove(connector_id)
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
        if !admissions.is_last_round && admissions.deferred_connectors.contains(id) {
            return Ok(Admission::Deferred);
        }
        let on_platform = self.on_platform(course).await;
        match self.verdict(connector, on_platform.as_deref(), course)? {
            Verdict::Known => {
                self.tell_of_other_name(connector, on_platform.as_deref());
                self.ledger.keep_connector(id, None)?;
                Ok(Admission::Goes)
            }
            Verdict::New
                if !course.admissions.is_last_round && course.admissions.new.len() >= AT_ONCE =>
            {
                Ok(Admission::Deferred)
            }
            Verdict::New => {
                course.admissions.new.insert(id.clone());
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
        on_platform: Option<&HashMap<String, KnownConnector>>,
        course: &Course,
    ) -> Result<Verdict, LedgerError> {
        let (id, connectors) = (&connector.id, &self.courier.connectors);
        let deferred = if course.admissions.is_last_round {
            0
        } else {
            course.admissions.deferred_connectors.len()
        };
        // The platform was asked before this pass registered any.
        let ours = connectors.registered_type(id);
        let theirs = on_platform.and_then(|connectors| connectors.get(id));
        let their_type = theirs.and_then(|theirs| theirs.connector_type.as_deref());
        let record = ConnectorRecord {
            connector_type: ours.map(ConnectorType::as_str).or(their_type),
            is_known: ours.is_some() || theirs.is_some() || self.ledger.has_connector(id)?,
            new_lately: self.ledger.new_connectors(self.now())? + deferred,
        };
        Ok(self.rules.connectors.judge(connector, &record))
    }

    /// Holds connectors whose files waited in the last pass, and still have to: their files need not be
    /// read again to find that out.
    pub(super) async fn hold_not_admitted(&self, course: &mut Course) -> Result<(), Fatal> {
        let before = std::mem::take(&mut *self.not_admitted());
        if before.is_empty() {
            return Ok(());
        }
        let on_platform = self.on_platform(course).await;
        for (id, connector) in before {
            let verdict = self.verdict(&connector, on_platform.as_deref(), course)?;
            if let Verdict::Waits(code, why) = verdict {
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
    async fn on_platform(&self, course: &mut Course) -> OnPlatform {
        if let Some(on_platform) = &course.admissions.on_platform {
            return on_platform.clone();
        }
        let answer = tokio::select! {
            answer = self.courier.platform.connectors() => answer,
            () = self.turn.cancelled() => return None,
        };
        let on_platform = match answer {
            Ok(all) => {
                self.courier.connectors.listing_failure().is_over();
                let by_id = all.into_iter().map(|one| (one.id.clone(), one));
                Some(Arc::new(by_id.collect()))
            }
            Err(error) => {
                if self
                    .courier
                    .connectors
                    .listing_failure()
                    .is_due(self.own_now())
                {
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
        course.admissions.on_platform = Some(on_platform.clone());
        on_platform
    }

    /// Said once for each connector: it bears the name of the envelope once it is registered.
    fn tell_of_other_name(
        &self,
        connector: &Registration,
        on_platform: Option<&HashMap<String, KnownConnector>>,
    ) {
        let id = &connector.id;
        let Some(theirs) = on_platform.and_then(|connectors| connectors.get(id)) else {
            return;
        };
        if theirs.name == connector.name || self.courier.connectors.registered_type(id).is_some() {
            return;
        }
        tracing::warn!(
            connector_id = id,
            connector = connector.name,
            name_here = theirs.name,
            "the platform has this connector under another name, which is replaced by that of the \
             envelope: if these are two connectors, give one of them another id"
        );
    }
}
