//! The queue behind the platform's API, for where its broker cannot be reached.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    ApiError, Delivery, DeliveryError, DeliveryErrorKind, ErrorClass, Platform, Queue, Shipment,
};

/// Hands each part to the platform with `stixBundlePush`, one after another.
///
/// The platform queues what it is given for the source connector, and tells a part's work when it
/// is imported; it does not count what it is given, so the caller adds the expectations, one per
/// part, before it delivers. The applicant is the token's account, whatever the header says. A
/// shipment for a draft is refused: the API cannot say which draft, and the parts would go live.
pub struct ApiQueue {
    platform: Arc<dyn Platform>,
}

impl ApiQueue {
    /// A queue behind `platform`.
    pub fn new(platform: Arc<dyn Platform>) -> Self {
        Self { platform }
    }

    async fn push(&self, shipment: &Shipment<'_>, index: usize) -> Result<(), DeliveryError> {
        let mut content = Vec::new();
        shipment.parts.write(index, &mut content);
        let bundle = String::from_utf8(content).map_err(|error| DeliveryError {
            kind: DeliveryErrorKind::Contract,
            confirmed: index,
            doubtful: 0,
            message: format!("part {} is not UTF-8", index + 1),
            source: Some(error.into()),
        })?;
        let work = &shipment.header.work_id;
        let pushed = self
            .platform
            .push_bundle(shipment.connector_id, &bundle, work)
            .await;
        pushed.map_err(|error| failed(error, index))
    }
}

impl fmt::Debug for ApiQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiQueue").finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for ApiQueue {
    /// The platform that a work is opened at next is the one that takes the parts.
    async fn prepare(&self) -> Result<(), DeliveryError> {
        Ok(())
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        stop: &CancellationToken,
    ) -> Result<Delivery, DeliveryError> {
        if shipment.header.draft_id.is_some() {
            return Err(DeliveryError {
                kind: DeliveryErrorKind::Contract,
                confirmed: 0,
                doubtful: 0,
                message: "an import into a draft cannot go over the API".to_owned(),
                source: None,
            });
        }
        let count = shipment.parts.count();
        for index in 0..count {
            if stop.is_cancelled() {
                return Err(DeliveryError {
                    kind: DeliveryErrorKind::Stopped,
                    confirmed: index,
                    doubtful: 0,
                    message: "asked to stop".to_owned(),
                    source: None,
                });
            }
            self.push(shipment, index).await?;
        }
        Ok(Delivery {
            confirmed: count,
            doubtful: 0,
            refused: Vec::new(),
        })
    }
}

fn failed(error: ApiError, index: usize) -> DeliveryError {
    let kind = match error.class() {
        ErrorClass::Credentials | ErrorClass::Forbidden => DeliveryErrorKind::Denied,
        ErrorClass::Contract => DeliveryErrorKind::Contract,
        // The platform knows the connector no longer; registering it again mends that.
        ErrorClass::WorkGone => DeliveryErrorKind::Unroutable,
        ErrorClass::Transient => DeliveryErrorKind::Unavailable,
    };
    DeliveryError {
        kind,
        confirmed: index,
        // Where nobody knows whether the platform has seen the part, it may have queued it.
        doubtful: usize::from(kind == DeliveryErrorKind::Unavailable),
        message: format!("the platform did not take part {}", index + 1),
        source: Some(error.into()),
    }
}
