//! The queue as the rest of the program sees it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::options::ApiOptions;
use super::pushes::{Measure, Pushes, Room, Sharing, divide};
use crate::features::{Feature, PushForm};
use crate::{
    ApiError, BundlePush, Cargo, Delivery, DeliveryError, DeliveryErrorKind, Drafts, ErrorClass,
    Expectations, MessageHeader, Parts, Platform, Queue, Shipment,
};

/// Hands the parts to the platform with `stixBundlePush`, as many at a time as fit.
///
/// The platform queues each push for the source connector as one message. A worker that takes a
/// message of several objects splits it, and adds them to the expectations of its work; one of a
/// single object it imports at once, and the caller has added it before. Platforms before 6.5.7
/// know no work of the caller: they open one for each push. The workers of those before 6.3.0 do
/// not split, so that each part is pushed alone.
///
/// The platform marks what it queues as `update`, and as the applicant's if our account may bypass
/// restrictions, else as our account's. A shipment for a draft is refused: a push cannot say which
/// draft, and the parts would go live.
pub struct ApiQueue {
    platform: Arc<dyn Platform>,
    options: ApiOptions,
    form: PushForm,
}

impl ApiQueue {
    /// A queue behind `platform`.
    pub fn new(platform: Arc<dyn Platform>, options: ApiOptions) -> Self {
        Self {
            platform,
            options,
            form: PushForm::of(options.version),
        }
    }

    fn pushes(&self, parts: &dyn Parts) -> Pushes {
        let sharing = match self.form {
            PushForm::Impossible(_) | PushForm::OneObject => Sharing::Alone,
            PushForm::Bundle | PushForm::BundleToWork => Sharing::Together,
        };
        let (measures, room) = measure(parts, self.options.room());
        divide(&measures, &room, sharing)
    }

    async fn deliver_file(
        &self,
        connector_id: &str,
        file: &Cargo<'_>,
        stop: &CancellationToken,
    ) -> Result<Delivery, DeliveryError> {
        if file.header.draft_id.is_some() {
            let message = "an import into a draft cannot go over the API";
            return Err(failure(DeliveryErrorKind::Contract, 0, message));
        }
        let pushes = self.pushes(file.parts);
        let mut confirmed = 0;
        for indexes in &pushes.bundles {
            if stop.is_cancelled() {
                return Err(failure(
                    DeliveryErrorKind::Stopped,
                    confirmed,
                    "asked to stop",
                ));
            }
            let taken = self.push(connector_id, file, indexes).await;
            taken.map_err(|error| failed(error, file.header, indexes, confirmed))?;
            confirmed += indexes.len();
        }
        Ok(Delivery {
            confirmed,
            bundles: pushes.bundles.len(),
            doubtful: 0,
            refused: pushes.refused,
        })
    }

    async fn push(
        &self,
        connector_id: &str,
        file: &Cargo<'_>,
        indexes: &[usize],
    ) -> Result<(), ApiError> {
        let header = file.header;
        let push = BundlePush {
            connector_id,
            work: (self.form == PushForm::BundleToWork).then_some(&header.work_id),
            applicant_id: header.applicant_id.as_deref(),
            bundle: bundle(file.parts, indexes)?,
        };
        self.platform.push_bundle(push).await
    }
}

impl fmt::Debug for ApiQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiQueue")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for ApiQueue {
    /// The platform that a work is opened at next is the one that takes the parts.
    async fn prepare(&self) -> Result<(), DeliveryError> {
        if let PushForm::Impossible(version) = self.form {
            let since = Feature::Push.since();
            let message = format!(
                "this platform is {version}, and takes bundles over its API from {since} on; set \
                 CONNECTOR_QUEUE_PROTOCOL=amqp"
            );
            return Err(failure(DeliveryErrorKind::Contract, 0, &message));
        }
        Ok(())
    }

    fn drafts(&self) -> Drafts {
        Drafts::NotCarried
    }

    /// The platform refuses no push for the sake of its queue.
    fn is_stalled(&self) -> bool {
        false
    }

    fn expectations(&self, parts: &dyn Parts, confirmed: usize) -> Expectations {
        let pushes = self.pushes(parts);
        let mut expected = Expectations {
            told: pushes.refused.len(),
            added_by_workers: 0,
        };
        if self.form != PushForm::BundleToWork {
            return expected;
        }
        let mut before = 0;
        for bundle in &pushes.bundles {
            before += bundle.len();
            if before <= confirmed {
                continue;
            }
            match bundle.len() {
                1 => expected.told += 1,
                several => expected.added_by_workers += several,
            }
        }
        expected
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        stop: &CancellationToken,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let mut outcomes = Vec::with_capacity(shipment.files.len());
        let mut failed: Option<DeliveryError> = None;
        for file in shipment.files {
            let outcome = match &failed {
                None => self.deliver_file(shipment.connector_id, file, stop).await,
                Some(error) => Err(DeliveryError {
                    confirmed: 0,
                    doubtful: 0,
                    ..error.clone()
                }),
            };
            if let Err(error) = &outcome {
                failed.get_or_insert_with(|| error.clone());
            }
            outcomes.push(outcome);
        }
        match failed.filter(|error| error.kind == DeliveryErrorKind::Unroutable) {
            Some(error) => all_failed(outcomes, &error),
            None => outcomes,
        }
    }
}

/// What the queue had taken of the files before may be gone with it.
fn all_failed(
    outcomes: Vec<Result<Delivery, DeliveryError>>,
    error: &DeliveryError,
) -> Vec<Result<Delivery, DeliveryError>> {
    let lost = |delivery: Delivery| {
        Err(DeliveryError {
            confirmed: delivery.confirmed,
            doubtful: delivery.doubtful,
            ..error.clone()
        })
    };
    let outcomes = outcomes.into_iter();
    outcomes.map(|outcome| outcome.and_then(lost)).collect()
}

/// How large each part is within a bundle, and the room there is beside the bundle itself.
fn measure(parts: &dyn Parts, room: Room) -> (Vec<Measure>, Room) {
    let mut text = Vec::new();
    parts.write_together(&[], &mut text);
    let frame = (text.len(), escaped_len(&text));
    let mut one = |index| {
        text.clear();
        parts.write_together(&[index], &mut text);
        Measure {
            // The one byte is the comma between two objects.
            bytes: text.len().saturating_sub(frame.0) + 1,
            escaped: escaped_len(&text).saturating_sub(frame.1) + 1,
            level: parts.level(index),
        }
    };
    let measures = (0..parts.count()).map(&mut one).collect();
    let room = Room {
        bytes: room.bytes.saturating_sub(frame.0),
        escaped: room.escaped.saturating_sub(frame.1),
        ..room
    };
    (measures, room)
}

/// How many bytes a JSON text takes as a string within JSON.
fn escaped_len(text: &[u8]) -> usize {
    let extra = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.iter().map(extra).sum::<usize>()
}

fn bundle(parts: &dyn Parts, indexes: &[usize]) -> Result<String, ApiError> {
    let mut text = Vec::new();
    match indexes {
        [only] => parts.write(*only, &mut text),
        several => parts.write_together(several, &mut text),
    }
    String::from_utf8(text).map_err(|error| {
        let message = "the bundle is not UTF-8";
        ApiError::new("stixBundlePush", ErrorClass::Contract, message).with_source(error)
    })
}

fn failure(kind: DeliveryErrorKind, confirmed: usize, message: &str) -> DeliveryError {
    DeliveryError {
        kind,
        confirmed,
        doubtful: 0,
        message: message.to_owned(),
        source: None,
    }
}

fn failed(
    error: ApiError,
    header: &MessageHeader,
    indexes: &[usize],
    confirmed: usize,
) -> DeliveryError {
    let what = format!(
        "the platform did not take a push of {} objects",
        indexes.len()
    );
    let (kind, message) = match (&header.applicant_id, error.class()) {
        (Some(applicant), _) if is_about_the_applicant(&error) => (
            DeliveryErrorKind::Contract,
            format!(
                "{what} on behalf of {applicant}: over the API that user must exist here and have \
                 the capability CONNECTORAPI"
            ),
        ),
        (_, ErrorClass::Credentials | ErrorClass::Forbidden) => (DeliveryErrorKind::Denied, what),
        (_, ErrorClass::Contract) => (DeliveryErrorKind::Contract, what),
        // The platform knows the connector no longer; registering it again mends that.
        (_, ErrorClass::WorkGone) => (DeliveryErrorKind::Unroutable, what),
        (_, ErrorClass::Transient) => (DeliveryErrorKind::Unavailable, what),
    };
    // Where nobody knows whether the platform has seen a push, it may have queued it. What workers
    // count is counted when they take it, and not told by us.
    let is_told = indexes.len() == 1 && kind == DeliveryErrorKind::Unavailable;
    DeliveryError {
        doubtful: usize::from(is_told),
        source: Some(Arc::new(error)),
        ..failure(kind, confirmed, &message)
    }
}

/// The platform judges a request by the rights of the user that it is made for: what that user
/// may not do says nothing against our own account.
fn is_about_the_applicant(error: &ApiError) -> bool {
    error.class() == ErrorClass::Forbidden || error.to_string().contains("impersonate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what goes to the platform is measured"
    )]
    fn escaped_texts_are_measured_without_being_written() {
        let control: String = (0..0x80).map(char::from).collect();
        for text in ["", "plain", r#"{"a":"b\"c"}"#, "é\n\t\u{1}\u{7f}", &control] {
            let written = serde_json::to_string(text).unwrap();
            assert_eq!(escaped_len(text.as_bytes()) + 2, written.len(), "{text:?}");
        }
    }
}
