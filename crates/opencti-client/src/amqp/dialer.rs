//! Keeping a connection: makes one where there is none, for as long as the budget lasts.

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::close::Closed;
use super::failure::Failure;
use super::link::{Link, LinkError};
use super::options::AmqpOptions;
use super::outage::{Outage, Verdict};
use super::queue::{AmqpQueue, Broker, Kept, place};
use crate::backoff::Backoff;
use crate::tls::TlsFault;
use crate::{DeliveryErrorKind, TlsError};

/// How often a wait looks whether the broker blocks us.
const TICK: Duration = Duration::from_millis(500);

/// The slowest line that large messages are sent over, in bytes per second.
const SLOWEST_LINE: usize = 128 << 10;

/// The waits between attempts to connect.
const RECONNECT: Backoff = Backoff {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(5),
};

/// The broker said nothing for longer than it may.
pub(super) struct Silence;

pub(super) struct Dialer<'a> {
    queue: &'a AmqpQueue,
    stop: &'a CancellationToken,
    outage: Outage,
}

impl<'a> Dialer<'a> {
    pub(super) fn new(queue: &'a AmqpQueue, stop: &'a CancellationToken) -> Self {
        Self {
            queue,
            stop,
            outage: Outage::new(queue.options().retry_budget),
        }
    }

    pub(super) fn options(&self) -> &'a AmqpOptions {
        self.queue.options()
    }

    /// Connects if there is no connection, without a second attempt.
    pub(super) async fn approach(queue: &AmqpQueue, kept: &mut Option<Kept>) {
        if kept.is_some() {
            return;
        }
        if let Err(error) = connect(kept, &queue.broker(), queue.options()).await {
            tracing::debug!(
                error = &error as &dyn Error,
                "cannot connect to the broker ahead of time"
            );
        }
    }

    /// Makes `kept` an open connection to the broker's present address. Where that fails and may
    /// be tried again, it is left empty, and the wait before the next attempt is over.
    pub(super) async fn dial(&mut self, kept: &mut Option<Kept>) -> Result<(), Failure> {
        let broker = self.queue.broker();
        let usable = |kept: &Kept| kept.version == broker.version && kept.link.is_open();
        if kept.as_ref().is_some_and(usable) {
            return Ok(());
        }
        self.replace(kept, broker).await
    }

    /// The same, but an open connection proves itself first.
    pub(super) async fn prove(&mut self, kept: &mut Option<Kept>) -> Result<(), Failure> {
        let broker = self.queue.broker();
        // A broker that blocks us answers nothing, and is there all the same.
        let blocked = |kept: &Kept| kept.version == broker.version && kept.link.is_blocked();
        if kept.as_ref().is_some_and(blocked) {
            return Ok(());
        }
        self.replace(kept, broker).await
    }

    async fn replace(&mut self, kept: &mut Option<Kept>, broker: Broker) -> Result<(), Failure> {
        let connected = tokio::select! {
            connected = connect(kept, &broker, self.options()) => connected,
            () = self.stop.cancelled() => {
                *kept = None;
                return Ok(());
            }
        };
        match connected {
            Ok(()) => Ok(()),
            Err(error) => {
                *kept = None;
                self.unconnected(&broker, error).await
            }
        }
    }

    /// There is no connection: the end of it, or a wait before the next attempt.
    async fn unconnected(&mut self, broker: &Broker, error: LinkError) -> Result<(), Failure> {
        match &error {
            LinkError::Lapin(cause) if Closed::by(&cause.0) == Closed::Denied => {
                Err(self.denied().caused_by(error))
            }
            LinkError::Handshake(fault, _) => {
                let fault = *fault;
                Err(unusable(broker, &because(fault)).caused_by(error))
            }
            LinkError::Lapin(_) | LinkError::Timeout(_) => self.retry_later(error.into()).await,
            LinkError::Tls(TlsError::NoSystemRoots) => {
                Err(unusable(broker, ", set MQ_USE_SSL_CA").caused_by(error))
            }
            LinkError::Vhost | LinkError::Tls(_) => Err(unusable(broker, "").caused_by(error)),
        }
    }

    /// The broker answered for a message.
    pub(super) fn alive(&mut self) {
        self.outage.over();
    }

    /// Waits before the next attempt, or gives up when the budget for that is used up.
    pub(super) async fn retry_later(
        &mut self,
        cause: Box<dyn Error + Send + Sync>,
    ) -> Result<(), Failure> {
        let broker = place(&self.queue.broker().address);
        match self.outage.failed(Instant::now()) {
            Verdict::GiveUp => {
                let message =
                    format!("the broker at {broker} cannot be reached, or keeps breaking off");
                Err(Failure::new(DeliveryErrorKind::Unavailable, message).caused_by(cause))
            }
            Verdict::Retry { failures, left } => {
                let delay = RECONNECT.random_delay(failures).min(left);
                if failures == 0 {
                    tracing::warn!(
                        broker,
                        error = cause.as_ref(),
                        "lost or cannot reach the broker, trying again"
                    );
                }
                self.sleep(delay).await;
                Ok(())
            }
        }
    }

    pub(super) async fn after_silence(&mut self) -> Result<(), Failure> {
        let limit = self.options().confirm_timeout;
        self.retry_later(format!("the broker was silent for {limit:?}").into())
            .await
    }

    pub(super) fn denied(&self) -> Failure {
        let address = self.queue.broker().address;
        let message = format!(
            "the broker at {} refuses user {:?} on virtual host {:?}; check that user there, or set \
             MQ_USER, MQ_PASS and MQ_VHOST",
            place(&address),
            address.user,
            address.vhost
        );
        Failure::new(DeliveryErrorKind::Denied, message)
    }

    /// Awaits `future`, however long the broker blocks us, but not through its silence, with so many
    /// bytes in flight. `None`: we were asked to stop.
    pub(super) async fn attended<F: Future>(
        &self,
        link: &Link,
        in_flight: usize,
        future: F,
    ) -> Result<Option<F::Output>, Silence> {
        let patience = self.options().confirm_timeout + time_to_send(in_flight);
        let mut future = std::pin::pin!(future);
        let mut silent = Duration::ZERO;
        let mut blocked = false;
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(Some(output)),
                () = self.stop.cancelled() => return Ok(None),
                () = sleep(TICK) => {}
            }
            if link.is_blocked() != blocked {
                blocked = !blocked;
                self.say_blocked(blocked);
            }
            silent = if blocked {
                self.stalled(TICK);
                Duration::ZERO
            } else {
                silent + TICK
            };
            if silent >= patience {
                return Err(Silence);
            }
        }
    }

    /// The broker takes nothing, and is not tried for so long.
    pub(super) fn stalled(&self, wait: Duration) {
        self.queue.stall.goes_on(Instant::now(), wait);
    }

    fn say_blocked(&self, blocked: bool) {
        let broker = place(&self.queue.broker().address);
        if blocked {
            tracing::warn!(
                broker,
                "the broker takes no messages for want of memory or disk, waiting"
            );
        } else {
            tracing::info!(broker, "the broker takes messages again");
        }
    }

    pub(super) async fn sleep(&self, delay: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = sleep(delay) => {}
        }
    }
}

/// How long bytes may take on a slow line, in which the broker has nothing to say.
fn time_to_send(bytes: usize) -> Duration {
    Duration::from_secs((bytes / SLOWEST_LINE) as u64)
}

/// The broker cannot be connected to until somebody changes a setting, or the broker.
fn unusable(broker: &Broker, why: &str) -> Failure {
    let message = format!(
        "cannot connect to the broker at {}{why}",
        place(&broker.address)
    );
    Failure::new(DeliveryErrorKind::Unavailable, message)
}

/// What failed in a TLS handshake, and the setting that mends it.
fn because(fault: TlsFault) -> String {
    let advice = match fault {
        TlsFault::Untrusted => {
            "give that authority as MQ_USE_SSL_CA \
             (MQ_USE_SSL_REJECT_UNAUTHORIZED=false would trust anybody)"
        }
        TlsFault::OtherName => "check MQ_HOST",
        TlsFault::Expired | TlsFault::Certificate => {
            "have it renewed \
             (MQ_USE_SSL_REJECT_UNAUTHORIZED=false would trust anybody)"
        }
        TlsFault::WantsCertificate => "give one as MQ_USE_SSL_CERT and MQ_USE_SSL_KEY",
        TlsFault::EndsIt => "check MQ_USE_SSL_CERT and the broker's log",
        TlsFault::RefusesOurs => "check MQ_USE_SSL_CERT",
        TlsFault::NotTls => "check MQ_PORT and MQ_USE_SSL",
        TlsFault::Other => "check MQ_PORT, MQ_USE_SSL and the broker's log",
    };
    format!(": {fault}, {advice}")
}

/// Opens a channel on the connection kept, or a new connection with one.
async fn connect(
    kept: &mut Option<Kept>,
    broker: &Broker,
    options: &AmqpOptions,
) -> Result<(), LinkError> {
    match kept {
        Some(kept) if kept.version == broker.version && kept.link.is_connected() => {
            kept.link.renew_channel(options.connect_timeout).await
        }
        _ => {
            *kept = None;
            let link = Link::open(&broker.address, options).await?;
            let version = broker.version;
            *kept = Some(Kept { link, version });
            Ok(())
        }
    }
}
