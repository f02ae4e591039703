//! Why a shipment ends early, before it is known how far it got.

use std::error::Error;
use std::sync::Arc;

use crate::{DeliveryError, DeliveryErrorKind};

/// A [`DeliveryError`] without its count.
#[derive(Debug)]
pub(super) struct Failure {
    kind: DeliveryErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    fails_all: bool,
}

impl Failure {
    pub(super) fn new(kind: DeliveryErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            fails_all: kind == DeliveryErrorKind::Unroutable,
        }
    }

    /// The same, for every file of the shipment, even those whose messages are all confirmed.
    pub(super) fn for_all_files(mut self) -> Self {
        self.fails_all = true;
        self
    }

    /// Whether every file of the shipment has failed with it.
    pub(super) fn fails_all_files(&self) -> bool {
        self.fails_all
    }

    /// Whether the broker cannot be asked anything.
    pub(super) fn is_broker_unreachable(&self) -> bool {
        matches!(
            self.kind,
            DeliveryErrorKind::Unavailable | DeliveryErrorKind::Denied
        )
    }

    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error, after `confirmed` messages, and `doubtful` ones of which nothing was heard.
    pub(super) fn after(self, confirmed: usize, doubtful: usize) -> DeliveryError {
        DeliveryError {
            kind: self.kind,
            confirmed,
            doubtful,
            message: self.message,
            source: self.source.map(Arc::from),
        }
    }
}
