//! Connectors that the platform fails to register cost others nothing: their files wait without being
//! asked for, and one is tried again now and then, after all other files.

use opencti_client::Registration;

use super::{Course, Importer};
use crate::trouble::{Reach, Trouble, chain};
use crate::{Code, LedgerError};

impl Importer {
    /// A registration failed, and it is about that connector alone.
    pub(super) fn registration_failed(&self, connector: &Registration, trouble: &Trouble) {
        let now = self.steady.now();
        let mut failed = self.courier.connectors.failed();
        let why = format!(
            "the platform fails to register this connector, which is tried again now and then: {}",
            chain(trouble)
        );
        failed.failed(connector, &why, now);
    }

    /// Holds the files of all connectors whose registration failed before.
    pub(super) fn hold_unregistered(&self, course: &Course) {
        for (connector_id, why) in self.courier.connectors.failed().all() {
            course
                .held
                .hold(connector_id, Code::Platform, why.to_owned());
        }
    }

    /// Whether a connector is known, or there is room for a new one. One of which the ledger cannot tell
    /// is not registered.
    fn may_be_registered(&self, connector_id: &str, course: &Course) -> bool {
        let most = self.rules.connectors.max_new;
        course.admissions.is_on_platform(connector_id)
            || self.ledger.has_connector(connector_id).unwrap_or(false)
            || self
                .ledger
                .new_connectors(self.now())
                .is_ok_and(|new| usize::try_from(most).map_or(true, |most| new < most))
    }

    fn keep_registered(&self, connector_id: &str, course: &Course) -> Result<(), LedgerError> {
        let is_on_platform = course.admissions.is_on_platform(connector_id);
        let new_at = (!is_on_platform).then(|| self.now());
        self.ledger.keep_connector(connector_id, new_at)
    }

    /// Tries again what failed before and is due, up to the next failure. The files follow with the next
    /// pass.
    pub(super) async fn register_again(&self, course: &mut Course) {
        while course.report.interruption.is_none() {
            let now = self.steady.now();
            let is_wanted =
                |id: &str| self.waits.are_there_of(id) && self.may_be_registered(id, course);
            let due = self.courier.connectors.failed().due(is_wanted, now);
            let Some(connector) = due else { return };
            let answer = tokio::select! {
                answer = self.courier.connectors.route_anew(&connector) => answer,
                () = self.turn.cancelled() => return,
            };
            let Err(error) = answer else {
                self.courier
                    .connectors
                    .failed()
                    .registered(&connector.id, now);
                if let Err(error) = self.keep_registered(&connector.id, course) {
                    tracing::warn!(
                        connector_id = connector.id,
                        error = chain(&error),
                        "the ledger does not take note that this connector is registered"
                    );
                }
                continue;
            };
            tracing::debug!(
                connector_id = connector.id,
                error = chain(&error),
                "the platform still does not register this connector"
            );
            let trouble = Trouble::Platform(error);
            if let Reach::Everything(interruption) = self.reach_of(&trouble, course).await {
                course.report.interruption = Some(interruption);
                return;
            }
            self.registration_failed(&connector, &trouble);
            return;
        }
    }
}
