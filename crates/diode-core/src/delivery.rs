//! Delivering one import: register, open a work, publish. Doing, in the order that loses nothing.

mod parts;
mod room;
mod workbench;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use opencti_client::{
    ApiError, Delivery, DeliveryError, DeliveryErrorKind, DraftId, ErrorClass, MessageHeader,
    Platform, PlatformVersion, Queue, Registration, Route, Shipment, WorkId,
};
use tokio_util::sync::CancellationToken;

use self::parts::SplitParts;
use crate::connectors::Connectors;
use crate::examine::Import;
use crate::pressure::Backpressure;
use crate::trouble::{Fatal, Trouble, chain};
use crate::validation::{Validation, ValidationRules, Way};
use crate::works::{Room, Share, Upcoming, Works, WorksError};
use crate::{Applicant, Code, Refusal};

/// What is needed to deliver.
pub(crate) struct Courier {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) works: Arc<dyn Works>,
    pub(crate) connectors: Arc<Connectors>,
    pub(crate) pressure: Option<Arc<Backpressure>>,
    pub(crate) version: Option<PlatformVersion>,
    pub(crate) validation: ValidationRules,
    pub(crate) stop: CancellationToken,
}

/// An import that was delivered.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) way: Way,
    pub(crate) share: Share,
    pub(crate) delivery: Delivery,
}

/// An import that was not.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// It can never be: the file is to be set aside.
    Refused(Refusal),
    /// Not by validation on this platform as it is; that does not concern other ways.
    Unavailable(String),
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
    /// The way that an import takes which asks for `validation`.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) fn way(&self, validation: Validation) -> Result<Way, String> {
        self.validation
            .way(validation, self.version, self.queue.drafts())
    }

    /// Delivers an import. On success every message is confirmed or listed as refused; on failure
    /// the expectations of what was surely not sent are given back.
    pub(crate) async fn deliver(
        &self,
        way: Way,
        import: &Import<'_>,
        applicant: &Applicant,
        modified: DateTime<Utc>,
    ) -> Result<Delivered, Undelivered> {
        if way == Way::Workbench {
            return self.put_into_workbench(import, modified).await;
        }
        self.prepare().await?;
        let connector = &import.envelope.connector;
        let route = self.route(connector).await?;
        self.find_room(connector).await?;
        match self.attempt(way, import, applicant, modified, &route).await {
            Err(Undelivered::Trouble(Trouble::Queue(error)))
                if error.kind == DeliveryErrorKind::Unroutable =>
            {
                tracing::warn!(
                    connector = connector.name,
                    connector_id = connector.id,
                    "the connector's queue is missing on the broker; registering it again"
                );
                let route = self.connectors.route_anew(connector).await?;
                self.attempt(way, import, applicant, modified, &route).await
            }
            result => result,
        }
    }

    /// Opens or joins a work, and sends.
    async fn attempt(
        &self,
        way: Way,
        import: &Import<'_>,
        applicant: &Applicant,
        modified: DateTime<Utc>,
        route: &Route,
    ) -> Result<Delivered, Undelivered> {
        let parts = SplitParts::of(import);
        let expected = self.queue.expectations(&parts, 0);
        let file = Upcoming {
            connector: &import.envelope.connector,
            modified,
            messages: expected.told,
            added_by_workers: expected.added_by_workers,
            room: match way {
                Way::Direct | Way::Workbench => Room::Shared,
                Way::Draft => Room::Alone,
            },
        };
        let share = self.begin(&file).await?;
        let sent = self.send(way, import, applicant, route, &share.work).await;
        self.take_room(import, &sent);
        match sent {
            Ok(delivery) => Ok(Delivered {
                way,
                share,
                delivery,
            }),
            Err(undelivered) => {
                let unsent = self.queue.expectations(&parts, undelivered.confirmed());
                let unsent = unsent.told.saturating_sub(undelivered.doubtful());
                self.give_back(&share, unsent, &undelivered).await;
                Err(undelivered)
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

    /// A registration that the platform does not accept as it is will not be accepted later.
    async fn route(&self, connector: &Registration) -> Result<Route, Undelivered> {
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
    async fn begin(&self, file: &Upcoming<'_>) -> Result<Share, Undelivered> {
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
        &self,
        way: Way,
        import: &Import<'_>,
        applicant: &Applicant,
        route: &Route,
        work: &WorkId,
    ) -> Result<Delivery, Undelivered> {
        let connector = &import.envelope.connector;
        let header = MessageHeader {
            applicant_id: applicant.target().map(str::to_owned),
            update: import.envelope.update,
            draft_id: self.draft(way, work).await?,
            work_id: work.clone(),
        };
        let parts = SplitParts::of(import);
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

    async fn draft(&self, way: Way, work: &WorkId) -> Result<Option<DraftId>, Undelivered> {
        if way != Way::Draft {
            return Ok(None);
        }
        let draft = self.platform.add_draft(&format!("{work}.json")).await;
        let draft = draft.map_err(no_validation)?;
        self.platform.add_draft_context(work, &draft).await?;
        Ok(Some(draft))
    }

    /// Best effort: the file is sent again in full, and a work that expects too much is put right
    /// when its queue is empty.
    async fn give_back(&self, share: &Share, unsent: usize, undelivered: &Undelivered) {
        let why = undelivered.why();
        if let Err(error) = self.works.broken_off(share, unsent, &why).await {
            tracing::warn!(
                work = %share.work,
                error = chain(&error),
                "cannot tell the platform that sending was broken off"
            );
        }
    }
}

impl Undelivered {
    /// How many parts were confirmed before.
    fn confirmed(&self) -> usize {
        match self {
            Self::Trouble(Trouble::Queue(error)) => error.confirmed,
            _ => 0,
        }
    }

    /// How many more of what was told may have arrived: it was in flight when a connection broke.
    fn doubtful(&self) -> usize {
        match self {
            Self::Trouble(Trouble::Queue(error)) => error.doubtful,
            _ => 0,
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.message.clone(),
            Self::Unavailable(message) => message.clone(),
            Self::Trouble(trouble) => trouble.to_string(),
            Self::Fatal(fatal) => fatal.to_string(),
        }
    }
}

/// An error on the way to validation. Where the platform does not do that for us, imports that
/// need none go on.
fn no_validation(error: ApiError) -> Undelivered {
    match error.class() {
        ErrorClass::Contract | ErrorClass::Forbidden => Undelivered::Unavailable(chain(&error)),
        _ => error.into(),
    }
}
