//! The queue that the platform's workers read, as a trait, and the values that pass.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{DraftId, Secret, WorkId};

/// Where a connector's messages go, as its registration answered. Never built from the id: a
/// platform may prefix its queues.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// `config.push_exchange`
    pub exchange: String,
    /// `config.push_routing`
    pub routing_key: String,
    /// `config.push`: the queue that the exchange and the routing key lead to.
    pub queue: String,
}

/// The broker's address, as a registration answered or settings overrule it.
#[derive(Clone, Debug)]
pub struct BrokerAddress {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Virtual host, such as `/`.
    pub vhost: String,
    /// Whether the connection uses TLS.
    pub use_ssl: bool,
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// What all messages of one file share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHeader {
    /// On whose behalf the worker imports; `None`: as the worker's own user.
    pub applicant_id: Option<String>,
    /// The envelope's `update`.
    pub update: bool,
    /// The draft that the import goes into, if it does.
    pub draft_id: Option<DraftId>,
    /// The work that counts the messages.
    pub work_id: WorkId,
}

/// The parts of one bundle, in the order in which they are sent.
///
/// They are asked for by index, and may be asked for again after a broken connection, so that a
/// queue holds only those in flight. Writing the same index twice writes the same bytes.
pub trait Parts: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Appends part `index` (from 0) to `out`: a bundle of one object, as JSON.
    fn write(&self, index: usize, out: &mut Vec<u8>);

    /// Appends the parts of these indexes to `out` as one bundle, in their order; without any, a
    /// bundle without objects.
    fn write_together(&self, indexes: &[usize], out: &mut Vec<u8>);

    /// Where part `index` stands in the order of dependencies: above every part that it refers to.
    fn level(&self, index: usize) -> u64;
}

/// How a work comes to expect what is sent for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// How many the sender adds, before it sends the first message.
    pub told: usize,
    /// How many the workers add by themselves, when they take the messages from the queue. Until
    /// then the work looks as if nothing were to come, so the platform must not be told that it
    /// is processed: it would close the work, and its workers would drop the messages.
    pub added_by_workers: usize,
}

/// Whether an import can go into a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drafts {
    /// The messages say which draft they are for.
    Carried,
    /// They cannot.
    NotCarried,
}

/// Files of one source connector that are handed over together.
pub struct Shipment<'a> {
    /// The source connector's id.
    pub connector_id: &'a str,
    /// The source connector's route.
    pub route: &'a Route,
    /// The files, in the order in which they are sent.
    pub files: &'a [Cargo<'a>],
}

/// One file's worth of messages.
#[derive(Clone, Copy)]
pub struct Cargo<'a> {
    /// What the messages share.
    pub header: &'a MessageHeader,
    /// What they carry.
    pub parts: &'a dyn Parts,
}

/// What became of a file that was handed over to the end. Every part not listed in `refused`
/// was confirmed by the broker and reached a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// How many parts were confirmed.
    pub confirmed: usize,
    /// In how many bundles they were handed over: messages to the broker, or pushes to the platform.
    pub bundles: usize,
    /// How many of them, at most, reached the queue twice: a connection broke before it confirmed
    /// them, and they were sent again.
    pub doubtful: usize,
    /// The parts that will never be taken, in order of their index.
    pub refused: Vec<Refused>,
}

/// A part that is refused for what it is, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The part's index, from 0.
    pub index: usize,
    /// The reason, such as a limit on a message's size.
    pub reason: String,
}

/// Why a file was not handed over to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryErrorKind {
    /// We were asked to stop; the messages in flight were waited for.
    Stopped,
    /// The broker returned a message: the exchange or the queue behind it is missing. Registering
    /// the connector again makes the platform declare them. What the queue had held before may be
    /// gone with it.
    Unroutable,
    /// The connector's queue is full: it has taken nothing of the shipment for a while.
    Full,
    /// The broker refuses our user, virtual host or permissions.
    Denied,
    /// The broker cannot be reached, or keeps breaking off.
    Unavailable,
    /// The platform refuses the bundle, or the request that carries it (queue over the API).
    Contract,
}

/// A file that was not handed over to the end.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message} ({confirmed} messages confirmed)")]
pub struct DeliveryError {
    /// Why.
    pub kind: DeliveryErrorKind,
    /// How many parts were confirmed before.
    pub confirmed: usize,
    /// How many more, at most, reached the queue: they were sent, and nothing was heard of them.
    pub doubtful: usize,
    /// What happened, in words for an operator.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// A way to the platform's workers.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Connects ahead of time, while there is something else to do before the first shipment. A
    /// failure is not told: [`prepare`](Self::prepare) tries again, and tells. Whoever drops the
    /// future gives it up. A queue that has nothing to connect to does nothing, as here.
    async fn approach(&self) {}

    /// Makes sure that messages can be handed over now: connects where it must. Called before a
    /// work is opened, so that none is opened in vain while the broker is away.
    ///
    /// # Errors
    /// [`DeliveryError`] with nothing confirmed.
    async fn prepare(&self) -> Result<(), DeliveryError>;

    /// Whether shipments for a draft are taken; [`deliver`](Self::deliver) refuses them otherwise.
    fn drafts(&self) -> Drafts;

    /// Whether a shipment under way waits because messages are refused or held off for now: the
    /// queue is full, or the broker is in want of memory or disk.
    fn is_stalled(&self) -> bool;

    /// What a work is to expect of these parts, the first `confirmed` of those that are taken at
    /// all left out. A part that is going to be [refused](Delivery::refused) is counted: its
    /// refusal is reported.
    fn expectations(&self, parts: &dyn Parts, confirmed: usize) -> Expectations;

    /// Delivers all parts of all files of a shipment, in order, and returns when each is confirmed
    /// or refused: what became of every file, in their order.
    ///
    /// A broker confirms also the messages that it hands to a queue while that is being deleted. A file
    /// that went to a broker counts as delivered only if its queue is found after its last confirm.
    ///
    /// Many parts may be in flight at a time, of several files. After an error, any of the
    /// unconfirmed ones may have been delivered all the same. Files keep their order among
    /// themselves: every file behind one that failed counts as failed, even if all of its messages
    /// were confirmed, so that it is sent again after that one. Where one is
    /// [`Unroutable`](DeliveryErrorKind::Unroutable), all of them are. When `stop` is cancelled,
    /// nothing more is sent and what is in flight is waited for.
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        stop: &CancellationToken,
    ) -> Vec<Result<Delivery, DeliveryError>>;
}
