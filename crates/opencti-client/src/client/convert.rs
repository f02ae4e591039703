//! From our values to what the platform is sent, and back.

use chrono::{DateTime, SecondsFormat, Utc};

use super::answer;
use super::operations::{self as op, Operation};
use crate::{
    ApiError, BrokerAddress, ConnectorInfo, ErrorClass, KnownConnector, QueueDetails, Registered,
    Registration, Route, S3Connection, Secret, WorkProgress, WorkStatus,
};

/// A registration with the keys that every platform knows.
pub(super) fn registration_input(
    registration: &Registration,
) -> op::register_connector::RegisterConnectorInput {
    op::register_connector::RegisterConnectorInput {
        id: registration.id.clone(),
        name: registration.name.clone(),
        type_: registration.connector_type.into(),
        scope: Some(scope_of(registration)),
        auto: Some(false),
        only_contextual: Some(false),
        playbook_compatible: Some(false),
        auto_update: None,
    }
}

/// What there is to say of a connector without a scope: a blank entry, which the platform leaves out.
/// From 6.3.7 on it refuses to take a scope away by an empty list, or by none.
fn scope_of(registration: &Registration) -> Vec<String> {
    if registration.scope.is_empty() {
        return vec![String::new()];
    }
    registration.scope.clone()
}

pub(super) fn known_connectors(
    connectors: Vec<Option<op::connectors::ConnectorsConnectors>>,
) -> Vec<KnownConnector> {
    let connectors = connectors.into_iter().flatten();
    connectors
        .map(|connector| KnownConnector {
            id: connector.id,
            name: connector.name,
            connector_type: connector.connector_type,
        })
        .collect()
}

pub(super) fn registered(
    connector: op::register_connector::RegisterConnectorRegisterConnector,
) -> Result<Registered, ApiError> {
    let config = connector
        .config
        .ok_or_else(|| missing(&op::REGISTER_CONNECTOR))?;
    let broker = config.connection;
    let port = port(broker.port, "broker")?;
    Ok(Registered {
        state: connector.connector_state,
        route: Route {
            exchange: config.push_exchange,
            routing_key: config.push_routing,
            queue: config.push,
        },
        broker: BrokerAddress {
            host: broker.host,
            port,
            vhost: broker.vhost,
            use_ssl: broker.use_ssl,
            user: broker.user,
            password: Secret::new(broker.pass),
        },
    })
}

pub(super) fn connector_info(
    info: &ConnectorInfo,
) -> op::ping_connector_with_info::ConnectorInfoInput {
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    op::ping_connector_with_info::ConnectorInfoInput {
        run_and_terminate: info.run_and_terminate,
        buffering: info.buffering,
        queue_threshold: info.queue_threshold_mb,
        queue_messages_size: info.queue_messages_mb,
        next_run_datetime: info.next_run.map(text),
        last_run_datetime: info.last_run.map(text),
    }
}

pub(super) fn storage(
    s3: op::platform_storage::PlatformStorageRegisterConnectorConfigS3,
) -> Result<S3Connection, ApiError> {
    Ok(S3Connection {
        port: port(s3.port, "storage")?,
        endpoint: s3.endpoint,
        use_ssl: s3.use_ssl,
        bucket_name: s3.bucket_name,
        bucket_region: s3.bucket_region,
        access_key: Secret::new(s3.access_key),
        secret_key: Secret::new(s3.secret_key),
    })
}

fn port(number: i64, whose: &str) -> Result<u16, ApiError> {
    u16::try_from(number).map_err(|error| {
        let message = format!("the platform gives {number} as its {whose}'s port");
        ApiError::new(op::REGISTER_CONNECTOR.name, ErrorClass::Transient, message)
            .with_source(error)
    })
}

/// A work that took what was announced for it, and is not alive.
pub(super) fn work_not_alive(operation: &Operation) -> ApiError {
    let message = "the work is not alive: workers drop the messages that are sent for it";
    ApiError::new(operation.name, ErrorClass::WorkGone, message)
}

pub(super) fn progress(work: &op::work::WorkWork) -> WorkProgress {
    let status = match work.status {
        op::work::State::wait => WorkStatus::Wait,
        op::work::State::progress => WorkStatus::Progress,
        op::work::State::complete => WorkStatus::Complete,
        op::work::State::timeout => WorkStatus::Timeout,
        op::work::State::Other(_) => WorkStatus::Other,
    };
    let tracking = work.tracking.as_ref();
    WorkProgress {
        status,
        expected: tracking
            .and_then(|tracking| tracking.import_expected_number)
            .unwrap_or(0),
        processed: tracking
            .and_then(|tracking| tracking.import_processed_number)
            .unwrap_or(0),
    }
}

pub(super) fn queue_details(
    connector: &op::queue_details::QueueDetailsConnector,
) -> Result<QueueDetails, ApiError> {
    let details = &connector.connector_queue_details;
    Ok(QueueDetails {
        messages: whole(details.messages_number)?,
        bytes: whole(details.messages_size)?,
    })
}

/// A count that the platform writes as a number of any kind. It counts what a queue holds, so a
/// number that is none, negative, or beyond what a number of JSON holds exactly makes no sense.
fn whole(number: f64) -> Result<u64, ApiError> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    if !(0.0..=MOST).contains(&number) {
        let message = format!("the platform counts {number} in a queue");
        return Err(ApiError::new(
            op::QUEUE_DETAILS.name,
            ErrorClass::Contract,
            message,
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range just checked; a fraction of a byte is of no interest"
    )]
    let whole = number as u64;
    Ok(whole)
}

/// An edit of a work that the platform answered; without an error, `null` means that it did
/// nothing.
pub(super) fn done<T>(work_edit: Option<T>, operation: &Operation) -> Result<(), ApiError> {
    work_edit.map(drop).ok_or_else(|| missing(operation))
}

/// Whether the platform took a bundle; `None` where it does not say.
pub(super) fn pushed(answer: Option<bool>) -> Result<(), ApiError> {
    match answer {
        Some(true) => Ok(()),
        Some(false) => {
            let message = "the platform did not take the bundle";
            Err(ApiError::new(
                op::STIX_BUNDLE_PUSH.name,
                ErrorClass::Contract,
                message,
            ))
        }
        None => Err(missing(&op::STIX_BUNDLE_PUSH)),
    }
}

/// No header can carry the id of the user whom we are to speak for.
pub(super) fn unspeakable(operation: &Operation) -> ApiError {
    let message = "the applicant's id holds characters that cannot be sent";
    ApiError::new(operation.name, ErrorClass::Contract, message)
}

/// The platform answered, but not with what was asked for.
pub(super) fn missing(operation: &Operation) -> ApiError {
    answer::without_data(operation).error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_and_possible() {
        check(0.0, Some(0));
        check(12.0, Some(12));
        check(12.9, Some(12));
        check(9_007_199_254_740_992.0, Some(1 << 53));
        check(1e300, None);
        check(-1.0, None);
        check(f64::NAN, None);
    }

    fn check(number: f64, expect: Option<u64>) {
        assert_eq!(whole(number).ok(), expect, "{number}");
    }
}
