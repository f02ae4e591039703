//! Connectors that the platform fails to register cost others nothing: their files wait without being
//! asked for, and one is tried again now and then, after all other files.

use opencti_client::Registration;

use super::{Course, Importer};
use crate::Code;
use crate::trouble::{Reach, Trouble, chain};

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

    /// Tries again what failed before and is due, up to the next failure. The files follow with the next
    /// pass.
    pub(super) async fn register_again(&self, course: &mut Course) {
        while course.report.interruption.is_none() {
            let now = self.steady.now();
            let is_wanted = |connector_id: &str| self.waits.are_there_of(connector_id);
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
