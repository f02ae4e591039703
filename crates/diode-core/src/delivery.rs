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
use crate::trouble::{Trouble, chain};
use crate::works::Works;
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
    pub(crate) work: WorkId,
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
}

impl<T: Into<Trouble>> From<T> for Undelivered {
    fn from(trouble: T) -> Self {
        Self::Trouble(trouble.into())
    }
}

impl Courier {
    /// Delivers an import. On success every message is confirmed or listed as refused; on failure
    /// the expectations of what was not sent are given back.
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
        let parts = import.split.part_count();
        let work = self.open_work(connector, modified, parts).await?;
        match self.send(import, applicant, &route, &work).await {
            Ok(delivery) => Ok(Delivered { work, delivery }),
            Err(trouble) => {
                self.give_back(&work, parts, &trouble).await;
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
    async fn open_work(
        &mut self,
        connector: &Registration,
        modified: DateTime<Utc>,
        parts: usize,
    ) -> Result<WorkId, ApiError> {
        match self.works.open(connector, modified, parts).await {
            Err(error) if matches!(error.class(), ErrorClass::Contract | ErrorClass::WorkGone) => {
                self.connectors.route_anew(connector).await?;
                self.works.open(connector, modified, parts).await
            }
            result => result,
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
        match self.ship(connector, route, &header, &parts).await {
            Err(error) if error.kind == DeliveryErrorKind::Unroutable => {
                tracing::warn!(
                    connector = connector.name,
                    connector_id = connector.id,
                    "the connector's queue is missing on the broker; registering it again"
                );
                let route = self.connectors.route_anew(connector).await?;
                Ok(self.ship(connector, &route, &header, &parts).await?)
            }
            result => Ok(result?),
        }
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

    /// Best effort: the file is sent again in full, in a work of its own.
    async fn give_back(&self, work: &WorkId, parts: usize, trouble: &Trouble) {
        let confirmed = match trouble {
            Trouble::Queue(error) => error.confirmed,
            Trouble::Platform(_) => 0,
        };
        let unsent = parts.saturating_sub(confirmed);
        let why = trouble.to_string();
        if let Err(error) = self.works.broken_off(work, unsent, &why).await {
            tracing::warn!(
                work = %work,
                error = chain(&error),
                "cannot tell the platform that a work was broken off"
            );
        }
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
