//! Delivering one import: register, open a work, publish. Doing, in the order that loses nothing.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use opencti_client::{
    ApiError, Delivery, DeliveryError, DeliveryErrorKind, DraftId, ErrorClass, MessageHeader,
    Parts, Platform, PlatformVersion, Queue, Registration, Route, Shipment, WorkId,
};
use stix_bundle::Split;
use tokio_util::sync::CancellationToken;

use crate::connectors::Connectors;
use crate::examine::Import;
use crate::trouble::{Fatal, Trouble, chain};
use crate::works::{Room, Share, Upcoming, Works, WorksError};
use crate::{Applicant, Code, Refusal, Validation};

/// Drafts can be used without a feature flag from here on.
const DRAFTS_SINCE: PlatformVersion = PlatformVersion {
    major: 6,
    minor: 6,
    patch: 0,
};

/// What is needed to deliver.
pub(crate) struct Courier {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) works: Arc<dyn Works>,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) version: Option<PlatformVersion>,
    pub(crate) stop: CancellationToken,
}

/// An import that was delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) share: Share,
    pub(crate) delivery: Delivery,
}

/// An import that was not.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// It can never be: the file is to be set aside.
    Refused(Refusal),
    /// Not on this platform as it is.
    Unavailable(Code, String),
    /// Not now.
    Trouble(Trouble),
    /// Nothing can be.
    Fatal(Fatal),
}

impl<T: Into<Trouble>> From<T> for Undelivered {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl From<WorksError> for Undelivered {
    fn from(error: WorksError) -> Self {
        match error {
            WorksError::Platform(error) => Self::Trouble(error.into()),
            WorksError::Ledger(error) => Self::Fatal(error.into()),
        }
    }
}

impl Courier {
    /// Delivers an import. On success every message is confirmed or listed as refused; on failure
    /// the expectations of what was surely not sent are given back.
    pub(crate) async fn deliver(
        &mut self,
        import: &Import<'_>,
        applicant: &Applicant,
        modified: DateTime<Utc>,
    ) -> Result<Delivered, Undelivered> {
        self.check_validation(import.envelope.validation)?;
        self.prepare().await?;
        let connector = &import.envelope.connector;
        let route = self.route(connector).await?;
        match self.attempt(import, applicant, modified, &route).await {
            Err(Undelivered::Trouble(Trouble::Queue(error)))
                if error.kind == DeliveryErrorKind::Unroutable =>
            {
                tracing::warn!(
                    connector = connector.name,
                    connector_id = connector.id,
                    "the connector's queue is missing on the broker; registering it again"
                );
                let route = self.connectors.route_anew(connector).await?;
                self.attempt(import, applicant, modified, &route).await
            }
            result => result,
        }
    }

    /// Opens or joins a work, and sends.
    async fn attempt(
        &mut self,
        import: &Import<'_>,
        applicant: &Applicant,
        modified: DateTime<Utc>,
        route: &Route,
    ) -> Result<Delivered, Undelivered> {
        let file = Upcoming {
            connector: &import.envelope.connector,
            modified,
            messages: import.split.part_count(),
            added_by_workers: 0,
            room: match import.envelope.validation {
                Validation::NotRequested => Room::Shared,
                Validation::Requested => Room::Alone,
            },
        };
        let share = self.begin(&file).await?;
        match self.send(import, applicant, route, &share.work).await {
            Ok(delivery) => Ok(Delivered { share, delivery }),
            Err(trouble) => {
                self.give_back(&share, file.messages, &trouble).await;
                Err(Undelivered::Trouble(trouble))
            }
        }
    }

    async fn prepare(&self) -> Result<(), Trouble> {
        tokio::select! {
            ready = self.queue.prepare() => Ok(ready?),
            () = self.stop.cancelled() => Err(Trouble::Queue(DeliveryError {
                kind: DeliveryErrorKind::Stopped,
                confirmed: 0,
                doubtful: 0,
                message: "asked to stop".to_owned(),
                source: None,
            })),
        }
    }

    fn check_validation(&self, validation: Validation) -> Result<(), Undelivered> {
        match (validation, self.version) {
            (Validation::Requested, Some(version)) if version < DRAFTS_SINCE => {
                Err(Undelivered::Unavailable(
                    Code::ValidationUnavailable,
                    format!(
                        "the connector asks for validation before import, which needs platform \
                         {DRAFTS_SINCE} or newer; this one is {version}"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// A registration that the platform does not accept as it is will not be accepted later.
    async fn route(&mut self, connector: &Registration) -> Result<Route, Undelivered> {
        self.connectors
            .route(connector)
            .await
            .map_err(|error| match error.class() {
                ErrorClass::Contract => Undelivered::Refused(Refusal::new(
                    Code::InvalidConnector,
                    format!(
                        "the platform does not register this connector: {}",
                        chain(&error)
                    ),
                )),
                _ => error.into(),
            })
    }

    /// The platform may have lost the connector since it was registered, by a user's hand.
    async fn begin(&mut self, file: &Upcoming<'_>) -> Result<Share, Undelivered> {
        match self.works.begin(file).await {
            Err(WorksError::Platform(error))
                if matches!(error.class(), ErrorClass::Contract | ErrorClass::WorkGone) =>
            {
                self.connectors.route_anew(file.connector).await?;
                Ok(self.works.begin(file).await?)
            }
            result => Ok(result?),
        }
    }

    async fn send(
        &mut self,
        import: &Import<'_>,
        applicant: &Applicant,
        route: &Route,
        work: &WorkId,
    ) -> Result<Delivery, Trouble> {
        let connector = &import.envelope.connector;
        let header = MessageHeader {
            applicant_id: applicant.target().map(str::to_owned),
            update: import.envelope.update,
            draft_id: self.draft(import.envelope.validation, work).await?,
            work_id: work.clone(),
        };
        let parts = SplitParts {
            split: &import.split,
            bundle_id: &import.bundle_id,
        };
        Ok(self.ship(connector, route, &header, &parts).await?)
    }

    async fn ship(
        &self,
        connector: &Registration,
        route: &Route,
        header: &MessageHeader,
        parts: &SplitParts<'_>,
    ) -> Result<Delivery, DeliveryError> {
        let shipment = Shipment {
            connector_id: &connector.id,
            route,
            header,
            parts,
        };
        self.queue.deliver(&shipment, &self.stop).await
    }

    async fn draft(
        &self,
        validation: Validation,
        work: &WorkId,
    ) -> Result<Option<DraftId>, ApiError> {
        if validation == Validation::NotRequested {
            return Ok(None);
        }
        let draft = self.platform.add_draft(&format!("{work}.json")).await?;
        self.platform.add_draft_context(work, &draft).await?;
        Ok(Some(draft))
    }

    /// Best effort: the file is sent again in full, and a work that expects too much is put right
    /// when its queue is empty.
    async fn give_back(&self, share: &Share, parts: usize, trouble: &Trouble) {
        let unsent = surely_unsent(parts, trouble);
        let why = trouble.to_string();
        if let Err(error) = self.works.broken_off(share, unsent, &why).await {
            tracing::warn!(
                work = %share.work,
                error = chain(&error),
                "cannot tell the platform that sending was broken off"
            );
        }
    }
}

/// How many of a file's messages have surely reached no queue. What was in flight when a
/// connection broke may have.
fn surely_unsent(parts: usize, trouble: &Trouble) -> usize {
    match trouble {
        Trouble::Platform(_) => parts,
        Trouble::Queue(error) => parts
            .saturating_sub(error.confirmed)
            .saturating_sub(error.doubtful),
    }
}

/// The parts of a split bundle, as a queue asks for them.
struct SplitParts<'a> {
    split: &'a Split<'a>,
    bundle_id: &'a str,
}

impl Parts for SplitParts<'_> {
    fn count(&self) -> usize {
        self.split.part_count()
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) {
        self.split.write_part(index, self.bundle_id, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_did_not_arrive_is_given_back() {
        let platform = ApiError::new("call", ErrorClass::Transient, "made to fail");
        assert_eq!(surely_unsent(10, &platform.into()), 10);
        for (confirmed, doubtful, expect) in [(0, 0, 10), (4, 0, 6), (4, 5, 1), (4, 9, 0)] {
            let error = DeliveryError {
                kind: DeliveryErrorKind::Unavailable,
                confirmed,
                doubtful,
                message: "made to fail".into(),
                source: None,
            };
            assert_eq!(
                surely_unsent(10, &error.into()),
                expect,
                "{confirmed} {doubtful}"
            );
        }
    }
}
