#![doc = include_str!("../README.md")]

mod amqp;
mod answers;
mod api_queue;
mod backoff;
mod capability;
mod client;
mod error;
mod features;
mod message;
mod ping;
mod platform;
mod queue;
mod secret;
mod text;
mod tls;
mod version;

pub use amqp::{AmqpOptions, AmqpQueue};
pub use answers::{Account, Applicant, QueueDetails, WorkProgress, WorkStatus};
pub use api_queue::{ApiOptions, ApiQueue};
pub use capability::Capability;
pub use client::{
    Client, ClientConfig, ClientError, HttpProxy, ProxyError, RetryPolicy, ServerTime,
};
pub use error::{ApiError, ErrorClass};
pub use message::encode_message;
pub use ping::{ConnectorInfo, Ping};
pub use platform::{
    BundlePush, ConnectorType, DraftId, KnownConnector, PendingFile, Platform, Registered,
    Registration, S3Connection, UnknownConnectorType, WorkEnd, WorkId,
};
pub use queue::{
    BrokerAddress, Cargo, Delivery, DeliveryError, DeliveryErrorKind, Drafts, Expectations,
    MessageHeader, Parts, Queue, Refused, Route, Shipment,
};
pub use secret::Secret;
pub use tls::{Identity, Pem, TlsError, TlsOptions, Trust};
pub use version::PlatformVersion;
