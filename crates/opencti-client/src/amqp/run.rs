//! One shipment on its way: does what the window decides.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::{Confirmation, PublisherConfirm};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::close::Closed;
use super::dialer::{Dialer, Silence};
use super::failure::Failure;
use super::freight::Freight;
use super::link::{Link, Target, Told, reply};
use super::queue::{AmqpQueue, Kept};
use super::window::{Limits, Step, Window};
use crate::text::shown;
use crate::{Delivery, DeliveryError, DeliveryErrorKind, Shipment, encode_message};

/// How long the last words of a connection that broke are listened to.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often the same warning is repeated.
const WARN_AGAIN: Duration = Duration::from_mins(1);

/// How large a buffer is kept for the next message.
const KEPT_BUFFER: usize = 1 << 20;

/// A confirm to come, with its part's index.
type Pending = Pin<Box<dyn Future<Output = (usize, lapin::Result<Confirmation>)> + Send>>;

/// What interrupts the sending.
enum Trouble {
    /// The broker gave a message back: no queue is behind the exchange.
    Returned,
    /// The channel or the connection is gone.
    Failed(lapin::Error),
    /// Nothing was heard for too long.
    Silence,
}

impl From<Silence> for Trouble {
    fn from(_: Silence) -> Self {
        Self::Silence
    }
}

pub(super) struct Run<'a> {
    dialer: Dialer<'a>,
    freight: Freight<'a>,
    stop: &'a CancellationToken,
    window: Window,
    pending: FuturesUnordered<Pending>,
    /// Why the broker gave a message back, if it did.
    ///
    /// lapin tells that one came back with any of the confirms that arrive with it, so what counts as
    /// confirmed may be the message that came back: from then on none is known to have arrived.
    returned: Option<String>,
    /// Pauses in a row in which nothing was confirmed.
    fruitless: u32,
    /// Since when the broker has refused messages, and taken none.
    refused_since: Option<Instant>,
    warned: Option<Instant>,
    content: Vec<u8>,
    body: Vec<u8>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        queue: &'a AmqpQueue,
        shipment: &'a Shipment<'a>,
        stop: &'a CancellationToken,
    ) -> Self {
        let options = queue.options();
        let limits = Limits {
            messages: options.window_messages,
            bytes: options.window_bytes,
        };
        let freight = Freight::new(shipment);
        Self {
            dialer: Dialer::new(queue, stop),
            stop,
            window: Window::new(freight.count(), limits),
            freight,
            pending: FuturesUnordered::new(),
            returned: None,
            fruitless: 0,
            refused_since: None,
            warned: None,
            content: Vec::new(),
            body: Vec::new(),
        }
    }

    /// We were asked to stop before anything was sent.
    pub(super) fn not_begun(self) -> Vec<Result<Delivery, DeliveryError>> {
        let failure = Failure::new(DeliveryErrorKind::Stopped, "asked to stop");
        self.freight.outcomes(&self.window, Some(failure))
    }

    /// Sends everything, on the connection kept or on new ones. What became of each file.
    pub(super) async fn finish(
        mut self,
        kept: &mut Option<Kept>,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let failure = match Target::try_from(self.freight.route()) {
            Ok(target) => self.send_all(kept, &target).await,
            Err(error) => {
                let message = "the name of the exchange, the routing key or the queue is longer than 255 \
                               bytes";
                let failure = Failure::new(DeliveryErrorKind::Unroutable, message);
                Some(failure.caused_by(error))
            }
        };
        self.freight.outcomes(&self.window, failure)
    }

    /// Sends everything, and makes sure that the queue is still there. Returns why files failed.
    ///
    /// A broker confirms also the messages that it hands to a queue while that is deleted, and they are
    /// gone with it. So a file counts as delivered only if its queue is found after its last confirm.
    async fn send_all(&mut self, kept: &mut Option<Kept>, target: &Target) -> Option<Failure> {
        let failure = self.run(kept, target).await.err();
        let failure = self.came_back().or(failure);
        if !self.freight.has_confirmed_file(&self.window) {
            return failure;
        }
        match failure {
            Some(failure) if failure.fails_all_files() => Some(failure),
            Some(failure) if failure.is_broker_unreachable() => Some(failure.for_all_files()),
            failure => match self.find_queue(kept, target).await {
                Ok(()) => failure,
                Err(failure) => Some(failure.for_all_files()),
            },
        }
    }

    /// Makes sure that the queue is there, on the connection kept or on a new one.
    async fn find_queue(
        &mut self,
        kept: &mut Option<Kept>,
        target: &Target,
    ) -> Result<(), Failure> {
        loop {
            let stopping = self.stop.is_cancelled();
            self.dialer.dial(kept).await?;
            let found = match kept {
                Some(Kept { link, .. }) => self.ask_for_queue(link, target).await,
                None => Ok(None),
            };
            match found {
                Ok(Some(Ok(()))) => return Ok(()),
                Ok(Some(Err(error))) => self.after_no_queue(kept, error).await?,
                Ok(None) if stopping => return Err(self.stopped_too_early()),
                Ok(None) => {}
                Err(Silence) => {
                    *kept = None;
                    self.dialer.after_silence().await?;
                }
            }
        }
    }

    /// Whether the queue is there. `None`: we were asked to stop, and the broker did not answer.
    async fn ask_for_queue(
        &mut self,
        link: &Link,
        target: &Target,
    ) -> Result<Option<lapin::Result<()>>, Silence> {
        let asking = link.find_queue(target);
        if self.stop.is_cancelled() {
            let grace = self.dialer.options().stop_grace;
            return Ok(timeout(grace, asking).await.ok());
        }
        self.dialer.attended(link, 0, asking).await
    }

    /// The queue was not found: it is not there, or the connection is gone.
    async fn after_no_queue(
        &mut self,
        kept: &mut Option<Kept>,
        error: lapin::Error,
    ) -> Result<(), Failure> {
        match Closed::by(&error) {
            Closed::Unroutable => {
                let text = reply(&error).map(|(_, text)| shown(text));
                let failure = self.nowhere(&text.unwrap_or_default());
                Err(failure.caused_by(Told(error)))
            }
            Closed::Denied => Err(self.dialer.denied().caused_by(Told(error))),
            Closed::TooLarge(_) | Closed::Broken => {
                *kept = None;
                self.dialer.retry_later(Told(error).into()).await
            }
        }
    }

    async fn run(&mut self, kept: &mut Option<Kept>, target: &Target) -> Result<(), Failure> {
        loop {
            if let Some(failure) = self.came_back() {
                return Err(failure);
            }
            match self.window.step() {
                Step::Done => return Ok(()),
                _ if self.stop.is_cancelled() => return self.stopped().await,
                Step::Pause => self.pause().await?,
                step => self.advance(kept, target, step).await?,
            }
        }
    }

    /// Sends or waits, and gets over what goes wrong with it.
    async fn advance(
        &mut self,
        kept: &mut Option<Kept>,
        target: &Target,
        step: Step,
    ) -> Result<(), Failure> {
        // With messages in flight, the connection they are on is the one to listen to.
        if self.window.in_flight() == 0 || kept.is_none() {
            self.dialer.dial(kept).await?;
        }
        let Some(Kept { link, .. }) = kept else {
            return Ok(());
        };
        let done = match step {
            Step::Send(index) => self.send(link, target, index).await,
            _ => self.wait(link).await,
        };
        match done {
            Ok(()) => Ok(()),
            Err(trouble) => self.recover(kept, trouble).await,
        }
    }

    async fn send(&mut self, link: &Link, target: &Target, index: usize) -> Result<(), Trouble> {
        self.content.clear();
        self.body.clear();
        let (file, part) = self.freight.file_of(index);
        file.parts.write(part, &mut self.content);
        encode_message(file.header, part + 1, &self.content, &mut self.body);
        shed(&mut self.content);
        if !self.window.admit(index, self.body.len()) {
            return Ok(());
        }
        let publishing = link.publish(target, &self.body);
        let in_flight = self.window.bytes();
        let Some(published) = self.dialer.attended(link, in_flight, publishing).await? else {
            return Ok(());
        };
        shed(&mut self.body);
        let confirm: PublisherConfirm = published.map_err(Trouble::Failed)?;
        self.pending
            .push(Box::pin(async move { (index, confirm.await) }));
        self.note_what_is_there()
    }

    /// Takes in the confirms that have arrived.
    fn note_what_is_there(&mut self) -> Result<(), Trouble> {
        while let Some(Some((index, outcome))) = self.pending.next().now_or_never() {
            self.note(index, outcome)?;
        }
        Ok(())
    }

    /// Waits for the next confirm.
    async fn wait(&mut self, link: &Link) -> Result<(), Trouble> {
        let in_flight = self.window.bytes();
        match self
            .dialer
            .attended(link, in_flight, self.pending.next())
            .await?
        {
            Some(Some((index, outcome))) => {
                self.note(index, outcome)?;
                self.note_what_is_there()
            }
            // Something is in flight of which nothing will be heard.
            Some(None) => Err(Trouble::Silence),
            None => Ok(()),
        }
    }

    fn note(&mut self, index: usize, outcome: lapin::Result<Confirmation>) -> Result<(), Trouble> {
        match outcome {
            Ok(Confirmation::Ack(None)) => self.window.confirm(index),
            Ok(Confirmation::Nack(None)) => self.window.nack(index),
            // A message that reached no queue is acknowledged all the same.
            Ok(Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned))) => {
                self.window.returned(index);
                self.returned = Some(shown(returned.reply_text.as_str()));
                return Err(Trouble::Returned);
            }
            Ok(Confirmation::NotRequested) => return Err(Trouble::Silence),
            Err(error) => return Err(Trouble::Failed(error)),
        }
        self.dialer.alive();
        Ok(())
    }

    /// The broker refused messages for now: gives it time. A queue that takes nothing at all is for its
    /// connector's files to wait for, and nothing would be sent twice by that.
    async fn pause(&mut self) -> Result<(), Failure> {
        let since = *self.refused_since.get_or_insert_with(Instant::now);
        let full_after = self.dialer.options().full_after;
        if self.window.confirmed() == 0 && since.elapsed() >= full_after {
            let message = "the broker refuses all messages for now: the queue is full";
            return Err(Failure::new(DeliveryErrorKind::Full, message));
        }
        let retry = if self.window.stuck() {
            self.fruitless
        } else {
            0
        };
        self.fruitless = retry.saturating_add(1);
        let delay = self.dialer.options().pauses().random_delay(retry);
        self.warn_of_pause(delay);
        self.dialer.stalled(delay);
        self.dialer.sleep(delay).await;
        self.window.paused();
        Ok(())
    }

    fn warn_of_pause(&mut self, delay: Duration) {
        let fresh = |warned: Instant| warned.elapsed() < WARN_AGAIN;
        if self.warned.is_some_and(fresh) {
            return;
        }
        self.warned = Some(Instant::now());
        tracing::warn!(
            routing_key = self.freight.route().routing_key,
            confirmed = self.window.confirmed(),
            delay_ms = delay.as_millis(),
            "the broker refuses messages for now, the queue may be full: waiting"
        );
    }

    /// What becomes of a shipment after an interruption: it goes on, or this is its end.
    async fn recover(&mut self, kept: &mut Option<Kept>, trouble: Trouble) -> Result<(), Failure> {
        let deadline = Instant::now() + LAST_WORDS;
        let error = match trouble {
            Trouble::Returned => {
                self.settle(deadline).await;
                return Ok(());
            }
            Trouble::Failed(error) => {
                let words = self.settle(deadline).await;
                words.filter(|_| reply(&error).is_none()).unwrap_or(error)
            }
            Trouble::Silence => {
                *kept = None;
                self.lose();
                return self.dialer.after_silence().await;
            }
        };
        let text = reply(&error)
            .map(|(_, text)| shown(text))
            .unwrap_or_default();
        match Closed::by(&error) {
            Closed::TooLarge(sizes) => {
                self.window.too_large(sizes, &text);
                self.pending.clear();
                Ok(())
            }
            Closed::Unroutable => Err(self.nowhere(&text).caused_by(Told(error))),
            Closed::Denied => Err(self.dialer.denied().caused_by(Told(error))),
            Closed::Broken => {
                *kept = None;
                self.lose();
                self.dialer.retry_later(Told(error).into()).await
            }
        }
    }

    /// Listens for the rest of the confirms until `deadline`; returns the broker's own words, if a
    /// confirm ended with them.
    async fn settle(&mut self, deadline: Instant) -> Option<lapin::Error> {
        let mut words = None;
        while let Ok(Some((index, outcome))) =
            timeout_at(deadline.into(), self.pending.next()).await
        {
            if let Err(Trouble::Failed(error)) = self.note(index, outcome)
                && reply(&error).is_some()
            {
                words.get_or_insert(error);
            }
        }
        words
    }

    fn lose(&mut self) {
        self.window.lose();
        self.pending.clear();
    }

    /// We were asked to stop: waits for what is in flight.
    async fn stopped(&mut self) -> Result<(), Failure> {
        let grace = self.dialer.options().stop_grace;
        self.settle(Instant::now() + grace).await;
        if self.window.step() == Step::Done {
            return Ok(());
        }
        let message = match self.window.in_flight() {
            0 => "asked to stop".to_owned(),
            open => format!("asked to stop, with {open} messages unconfirmed"),
        };
        Err(Failure::new(DeliveryErrorKind::Stopped, message))
    }

    fn stopped_too_early(&self) -> Failure {
        let queue = &self.freight.route().queue;
        let message =
            format!("asked to stop, before the broker said whether queue {queue:?} is there");
        Failure::new(DeliveryErrorKind::Stopped, message)
    }

    /// What the broker makes of the shipment by having given a message of it back, if it has.
    fn came_back(&self) -> Option<Failure> {
        self.returned.as_deref().map(|text| self.nowhere(text))
    }

    fn nowhere(&self, text: &str) -> Failure {
        let route = self.freight.route();
        let message = format!(
            "no queue behind exchange {:?} and routing key {:?} ({text})",
            route.exchange, route.routing_key
        );
        Failure::new(DeliveryErrorKind::Unroutable, message)
    }
}

/// Gives back the memory of a buffer that a large message has filled: while that is sent, lapin holds
/// all of it once more.
fn shed(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_BUFFER);
}
