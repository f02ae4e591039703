//! The queue as the rest of the program sees it.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::dialer::Dialer;
use super::link::Link;
use super::options::AmqpOptions;
use super::run::Run;
use super::stall::Stall;
use crate::{BrokerAddress, Delivery, DeliveryError, Drafts, Expectations, Parts, Queue, Shipment};

/// The platform's broker, spoken to directly.
///
/// One connection is opened with the first shipment and kept. Shipments go one after another:
/// a second one waits for the first. A message counts as confirmed when the broker has taken
/// charge of it *and* it reached a queue, and a shipment as delivered when that queue is there
/// after its last confirm. What a broken connection leaves unconfirmed is sent
/// again, so that a message can arrive twice, but never not at all.
///
/// ```
/// use opencti_client::{AmqpOptions, AmqpQueue, BrokerAddress, Secret};
///
/// let address = BrokerAddress {
///     host: "rabbitmq".to_owned(),
///     port: 5672,
///     vhost: "/".to_owned(),
///     use_ssl: false,
///     user: "opencti".to_owned(),
///     password: Secret::new("not to be seen"),
/// };
/// let queue = AmqpQueue::new(address, AmqpOptions::default());
/// assert_eq!(format!("{queue:?}"), r#"AmqpQueue { broker: "rabbitmq:5672", .. }"#);
/// ```
pub struct AmqpQueue {
    options: AmqpOptions,
    broker: RwLock<Broker>,
    link: Mutex<Option<Kept>>,
    pub(super) stall: Stall,
}

/// The broker's address, and how often it was another one.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) address: BrokerAddress,
    pub(super) version: u64,
}

/// A connection, and the version of the address that it was made to.
pub(super) struct Kept {
    pub(super) link: Link,
    pub(super) version: u64,
}

impl AmqpQueue {
    /// A queue at `address`; nothing is connected yet.
    pub fn new(address: BrokerAddress, options: AmqpOptions) -> Self {
        Self {
            options,
            broker: RwLock::new(Broker {
                address,
                version: 0,
            }),
            link: Mutex::new(None),
            stall: Stall::default(),
        }
    }

    /// Replaces the broker's address, as a new registration may tell. The next shipment, or a
    /// connection that is re-established, uses it; the same address again changes nothing.
    pub fn set_address(&self, address: BrokerAddress) {
        let mut broker = self.broker.write().unwrap_or_else(PoisonError::into_inner);
        if !same(&broker.address, &address) {
            broker.version += 1;
            broker.address = address;
        }
    }

    pub(super) fn broker(&self) -> Broker {
        let broker = self.broker.read();
        broker.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn options(&self) -> &AmqpOptions {
        &self.options
    }
}

impl fmt::Debug for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpQueue")
            .field("broker", &place(&self.broker().address))
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for AmqpQueue {
    async fn approach(&self) {
        // Whoever holds the link connects already, or delivers.
        if let Ok(mut kept) = self.link.try_lock() {
            Dialer::approach(self, &mut kept).await;
        }
    }

    async fn prepare(&self) -> Result<(), DeliveryError> {
        let mut kept = self.link.lock().await;
        let never = CancellationToken::new();
        let mut dialer = Dialer::new(self, &never);
        loop {
            dialer
                .prove(&mut kept)
                .await
                .map_err(|failure| failure.after(0, 0))?;
            if kept.is_some() {
                return Ok(());
            }
        }
    }

    fn drafts(&self) -> Drafts {
        Drafts::Carried
    }

    fn is_stalled(&self) -> bool {
        self.stall.lasts(Instant::now())
    }

    /// A message of one object is counted by nobody else.
    fn expectations(&self, parts: &dyn Parts, confirmed: usize) -> Expectations {
        Expectations {
            told: parts.count().saturating_sub(confirmed),
            added_by_workers: 0,
        }
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        stop: &CancellationToken,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let run = Run::new(self, shipment, stop);
        let mut kept = tokio::select! {
            biased;
            () = stop.cancelled() => return run.not_begun(),
            kept = self.link.lock() => kept,
        };
        // Whatever is on its way after an error, or when we are dropped, must not be mistaken for part
        // of the next shipment: its connection is not kept.
        let mut link = kept.take();
        let outcomes = run.finish(&mut link).await;
        self.stall.end();
        if outcomes.iter().all(Result::is_ok) {
            *kept = link;
        }
        outcomes
    }
}

/// The broker's place, for messages.
pub(super) fn place(address: &BrokerAddress) -> String {
    format!("{}:{}", address.host, address.port)
}

fn same(a: &BrokerAddress, b: &BrokerAddress) -> bool {
    a.host == b.host
        && a.port == b.port
        && a.vhost == b.vhost
        && a.use_ssl == b.use_ssl
        && a.user == b.user
        && a.password.expose() == b.password.expose()
}
