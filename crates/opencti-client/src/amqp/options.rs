//! How a broker is spoken to.

use std::time::Duration;

use crate::TlsOptions;
use crate::backoff::Backoff;

/// What an [`AmqpQueue`](crate::AmqpQueue) may use, and for how long it keeps trying.
#[derive(Clone, Debug)]
pub struct AmqpOptions {
    /// How many messages may be unconfirmed at a time, at least 1.
    pub window_messages: usize,
    /// How many unconfirmed bytes are enough: with fewer, one more message is sent, however large.
    pub window_bytes: usize,
    /// The interval of heartbeats, in whole seconds; the broker may ask for a shorter one.
    pub heartbeat: Duration,
    /// The longest time for connecting, from the name's look-up to an open channel.
    pub connect_timeout: Duration,
    /// How long the broker may be silent about messages in flight before the connection counts as
    /// broken. It gets a second more for each 128 KiB of them, and the time for which it blocks us
    /// does not count.
    pub confirm_timeout: Duration,
    /// How long a broken connection is re-established without any message being confirmed.
    pub retry_budget: Duration,
    /// How long messages in flight are waited for after a stop.
    pub stop_grace: Duration,
    /// The pause after the broker refused messages for now: this and up to the next, doubling for
    /// as long as nothing is confirmed.
    pub pause: Duration,
    /// The longest pause.
    pub max_pause: Duration,
    /// How long a queue may refuse all messages of a shipment before it counts as
    /// [full](crate::DeliveryErrorKind::Full). Once it has taken one, it is waited for until a stop.
    pub full_after: Duration,
    /// How the broker's certificate is checked and who we are, where the connection uses TLS.
    pub tls: TlsOptions,
    /// The connection's name in the broker's management interface.
    pub connection_name: String,
}

impl Default for AmqpOptions {
    fn default() -> Self {
        Self {
            window_messages: 4096,
            window_bytes: 8 << 20,
            heartbeat: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_mins(1),
            retry_budget: Duration::from_secs(30),
            stop_grace: Duration::from_secs(5),
            pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(30),
            full_after: Duration::from_secs(30),
            tls: TlsOptions::default(),
            connection_name: "diode-import".to_owned(),
        }
    }
}

impl AmqpOptions {
    pub(super) fn pauses(&self) -> Backoff {
        Backoff {
            base: self.pause,
            cap: self.max_pause,
        }
    }
}
