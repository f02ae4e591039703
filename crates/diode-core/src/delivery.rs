//! Delivering imports: register, open a work, publish. Doing, in the order that loses nothing.

mod asking;
mod parts;
mod room;
mod workbench;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use opencti_client::{
    ApiError, Cargo, Delivery, DeliveryError, DeliveryErrorKind, DraftId, ErrorClass, Expectations,
    MessageHeader, Platform, PlatformVersion, Queue, Registration, Route, Shipment, WorkId,
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

/// An import that is to be delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consignment<'a> {
    pub(crate) import: &'a Import<'a>,
    pub(crate) applicant: &'a Applicant,
    /// The file's time.
    pub(crate) modified: DateTime<Utc>,
}

/// What became of imports that were to be delivered together.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Those that were delivered: the first so many, in their order.
    pub(crate) files: Vec<Arrived>,
    /// Why the others were not.
    pub(crate) rest: Option<Undelivered>,
}

/// An import that was delivered.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) share: Share,
    pub(crate) delivery: Delivery,
}

/// Why an import was not.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// It can never be: the file is to be set aside.
    Refused(Refusal),
    /// Not by this way of validation on this platform as it is; that does not concern other ways.
    Unavailable(String),
    /// Not by this way of validation; that does not concern other files.
    Unfit(String),
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

    /// Delivers imports of one connector in their order, by the same way; a draft or the workbench
    /// takes one at a time. Every message of those that were delivered is confirmed or listed as
    /// refused; for the others the expectations of what was surely not sent are given back.
    pub(crate) async fn deliver(&self, way: Way, files: &[Consignment<'_>]) -> Delivered {
        let mut arrived = Vec::with_capacity(files.len());
        let rest = self.try_to_deliver(way, files, &mut arrived).await.err();
        Delivered {
            files: arrived,
            rest,
        }
    }

    async fn try_to_deliver(
        &self,
        way: Way,
        files: &[Consignment<'_>],
        arrived: &mut Vec<Arrived>,
    ) -> Result<(), Undelivered> {
        let Some(first) = files.first() else {
            return Ok(());
        };
        if way == Way::Workbench {
            for file in files {
                arrived.push(self.put_into_workbench(file).await?);
            }
            return Ok(());
        }
        let connector = &first.import.envelope.connector;
        // Broker and platform are asked at the same time.
        let (ready, route) = tokio::join!(self.prepare(), self.route(connector));
        ready?;
        let route = route?;
        self.find_room(connector).await?;
        self.unless_stopped()?;
        match self.attempt(way, files, &route, arrived).await {
            Err(Undelivered::Trouble(Trouble::Queue(error)))
                if error.kind == DeliveryErrorKind::Unroutable =>
            {
                tracing::warn!(
                    connector = connector.name,
                    connector_id = connector.id,
                    "the connector's queue is missing on the broker; registering it again"
                );
                let route = self.connectors.route_anew(connector).await?;
                let rest = files.get(arrived.len()..).unwrap_or_default();
                self.attempt(way, rest, &route, arrived).await
            }
            result => result,
        }
    }

    /// Opens or joins a work, and sends; a second time where the work did not outlive that.
    async fn attempt(
        &self,
        way: Way,
        files: &[Consignment<'_>],
        route: &Route,
        arrived: &mut Vec<Arrived>,
    ) -> Result<(), Undelivered> {
        match self.attempt_once(way, files, route, arrived).await {
            Err(Undelivered::Trouble(Trouble::Platform(error)))
                if error.class() == ErrorClass::WorkGone =>
            {
                self.unless_stopped()?;
                self.attempt_once(way, files, route, arrived).await
            }
            result => result,
        }
    }

    async fn attempt_once(
        &self,
        way: Way,
        files: &[Consignment<'_>],
        route: &Route,
        arrived: &mut Vec<Arrived>,
    ) -> Result<(), Undelivered> {
        let Some(first) = files.first() else {
            return Ok(());
        };
        let parts: Vec<SplitParts<'_>> = files
            .iter()
            .map(|file| SplitParts::of(file.import))
            .collect();
        let expected = self.expected_of(&parts);
        let upcoming = Upcoming {
            connector: &first.import.envelope.connector,
            modified: first.modified,
            messages: expected.told,
            added_by_workers: expected.added_by_workers,
            room: match way {
                Way::Direct | Way::Workbench => Room::Shared,
                Way::Draft => Room::Alone,
            },
        };
        let share = self.begin(&upcoming).await?;
        let outcomes = match self.send(way, files, &parts, route, &share.work).await {
            Ok(outcomes) => outcomes,
            Err(undelivered) => {
                let unsent = signed(expected.told);
                self.give_back(&share, unsent, &undelivered).await;
                return Err(undelivered);
            }
        };
        for (outcome, file) in outcomes.iter().zip(files) {
            self.take_room(file.import, outcome);
        }
        if outcomes.iter().any(Result::is_ok) {
            self.make_sure_of(&share).await?;
        }
        let mut unsent = 0;
        let mut failed: Option<DeliveryError> = None;
        for (outcome, parts) in outcomes.into_iter().zip(&parts) {
            match outcome {
                Ok(delivery) if failed.is_none() => arrived.push(Arrived {
                    share: share.clone(),
                    delivery,
                }),
                // It goes again, behind the one that failed.
                Ok(delivery) => unsent += told_in_excess(&delivery),
                Err(error) => {
                    let open = self.queue.expectations(parts, error.confirmed);
                    unsent += signed(open.told) - signed(error.doubtful);
                    failed.get_or_insert(error);
                }
            }
        }
        let Some(error) = failed else {
            return Ok(());
        };
        let undelivered = error.into();
        self.give_back(&share, unsent, &undelivered).await;
        Err(undelivered)
    }

    /// Makes sure that the workers import what was sent: the broker's confirmation alone does not.
    async fn make_sure_of(&self, share: &Share) -> Result<(), Undelivered> {
        let undelivered = match self.works.is_alive(share).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(work_gone().into()),
            Err(error) => error.into(),
        };
        // All of it may have arrived, and all of it is sent again.
        self.give_back(share, 0, &undelivered).await;
        Err(undelivered)
    }

    fn expected_of(&self, parts: &[SplitParts<'_>]) -> Expectations {
        parts
            .iter()
            .map(|parts| self.queue.expectations(parts, 0))
            .fold(Expectations::default(), |sum, file| Expectations {
                told: sum.told + file.told,
                added_by_workers: sum.added_by_workers + file.added_by_workers,
            })
    }

    fn unless_stopped(&self) -> Result<(), Trouble> {
        if self.stop.is_cancelled() {
            return Err(stopped());
        }
        Ok(())
    }

    /// Sees to it that the broker is there, unless we are to stop.
    pub(crate) async fn prepare(&self) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped()),
            ready = self.queue.prepare() => ready.map_err(Trouble::Broker),
        }
    }

    async fn route(&self, connector: &Registration) -> Result<Route, Undelivered> {
        let route = self.connectors.route(connector).await;
        route.map_err(not_registered)
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
        files: &[Consignment<'_>],
        parts: &[SplitParts<'_>],
        route: &Route,
        work: &WorkId,
    ) -> Result<Vec<Result<Delivery, DeliveryError>>, Undelivered> {
        let draft_id = self.draft(way, work).await?;
        let headers: Vec<MessageHeader> = files
            .iter()
            .map(|file| MessageHeader {
                applicant_id: file.applicant.target().map(str::to_owned),
                update: file.import.envelope.update,
                draft_id: draft_id.clone(),
                work_id: work.clone(),
            })
            .collect();
        let cargoes: Vec<Cargo<'_>> = headers
            .iter()
            .zip(parts)
            .map(|(header, parts)| Cargo { header, parts })
            .collect();
        let Some(connector) = files.first().map(|file| &file.import.envelope.connector) else {
            return Ok(Vec::new());
        };
        let shipment = Shipment {
            connector_id: &connector.id,
            route,
            files: &cargoes,
        };
        Ok(self.queue.deliver(&shipment, &self.stop).await)
    }

    async fn draft(&self, way: Way, work: &WorkId) -> Result<Option<DraftId>, Undelivered> {
        if way != Way::Draft {
            return Ok(None);
        }
        let draft = self.platform.add_draft(&format!("{work}.json")).await;
        let draft = draft.map_err(no_validation)?;
        let tied = self.platform.add_draft_context(work, &draft).await;
        tied.map_err(no_validation)?;
        Ok(Some(draft))
    }

    /// Best effort: the file is sent again in full, and a work that expects too much is put right
    /// when its queue is empty.
    async fn give_back(&self, share: &Share, unsent: i64, undelivered: &Undelivered) {
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

/// By how many the messages that were told of exceed those that may have arrived, of a file that
/// was handed over to the end.
fn told_in_excess(delivery: &Delivery) -> i64 {
    signed(delivery.refused.len()) - signed(delivery.doubtful)
}

/// Counts of messages in memory are far below that limit.
fn signed(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

impl Undelivered {
    fn why(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.message.clone(),
            Self::Unavailable(message) | Self::Unfit(message) => message.clone(),
            Self::Trouble(trouble) => trouble.to_string(),
            Self::Fatal(fatal) => fatal.to_string(),
        }
    }
}

/// The work did not outlive the sending of its messages.
fn work_gone() -> ApiError {
    ApiError::new(
        "isWorkAlive",
        ErrorClass::WorkGone,
        "the work was deleted or ended while messages were sent for it, and the workers drop them",
    )
}

/// We were asked to stop, before anything was sent.
fn stopped() -> Trouble {
    Trouble::Broker(DeliveryError {
        kind: DeliveryErrorKind::Stopped,
        confirmed: 0,
        doubtful: 0,
        message: "asked to stop".to_owned(),
        source: None,
    })
}

/// A registration that the platform itself does not accept as it is will not be accepted later. What
/// stands before the platform knows nothing of connectors.
fn not_registered(error: ApiError) -> Undelivered {
    if !error.is_refusal() {
        return error.into();
    }
    Undelivered::Refused(Refusal::new(
        Code::InvalidConnector,
        format!(
            "the platform does not register this connector: {}",
            chain(&error)
        ),
    ))
}

/// An error on the way to validation. Where the platform does not do that for us, imports that
/// need none go on.
fn no_validation(error: ApiError) -> Undelivered {
    match error.class() {
        ErrorClass::Contract | ErrorClass::Forbidden => Undelivered::Unavailable(chain(&error)),
        _ => error.into(),
    }
}
