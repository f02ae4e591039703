//! Takes what arrives at the queues, and counts it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::book::Book;

/// Between two looks at a queue that is not there, or a broker that is away.
const AGAIN: Duration = Duration::from_millis(100);

/// Messages that may be on their way to us.
const PREFETCH: u16 = 500;

/// How often a queue is asked to be deleted, while the broker has not noticed that we left it.
const ATTEMPTS: usize = 10;

/// Takes what arrives at some queues until it is finished.
pub(super) struct Collector {
    broker: String,
    queues: Vec<Stand>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// A queue, and whose turn it is there.
#[derive(Clone)]
struct Stand {
    queue: String,
    turn: Arc<Mutex<()>>,
    /// Asks whoever takes messages there to leave.
    leave: Arc<Notify>,
}

impl Stand {
    fn at(queue: String) -> Self {
        Self {
            queue,
            turn: Arc::default(),
            leave: Arc::default(),
        }
    }

    /// Takes what arrives, until it is to leave, or the queue or the broker goes away.
    async fn take(&self, broker: &str, book: &Book) {
        let _turn = self.turn.lock().await;
        // The broker goes away and the queue is deleted: that is what a soak is.
        let _ = collect(broker, &self.queue, &self.leave, book).await;
    }
}

impl Collector {
    /// Begins to take what arrives at `queues`, which need not be there yet.
    pub(super) fn start(broker: &str, queues: Vec<String>, book: &Arc<Book>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let queues: Vec<Stand> = queues.into_iter().map(Stand::at).collect();
        for stand in queues.clone() {
            let (broker, book, stop) = (broker.to_owned(), Arc::clone(book), stop.clone());
            tasks.spawn(async move {
                let collecting = async {
                    loop {
                        stand.take(&broker, &book).await;
                        sleep(AGAIN).await;
                    }
                };
                stop.run_until_cancelled(collecting).await;
            });
        }
        Self {
            broker: broker.to_owned(),
            queues,
            stop,
            tasks,
        }
    }

    /// Deletes a queue as a user would, but only while no message is in it, for those would be
    /// lost to the count. Tells whether it was deleted.
    ///
    /// A broker takes a queue for empty whose messages are on their way to a consumer, and they go with
    /// it. So nobody may take any meanwhile: what was not acknowledged is in the queue again then.
    pub(super) async fn delete_queue(&self, index: usize) -> bool {
        let Some(stand) = self.queues.get(index) else {
            return false;
        };
        stand.leave.notify_one();
        let _turn = stand.turn.lock().await;
        for _ in 0..ATTEMPTS {
            if delete_unused(&self.broker, &stand.queue).await.is_ok() {
                return true;
            }
            sleep(AGAIN / 4).await;
        }
        false
    }

    /// Waits until nothing is left in the queues, and stops.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        for Stand { queue, .. } in &self.queues {
            while messages_in(&self.broker, queue).await? > 0 {
                sleep(AGAIN).await;
            }
        }
        // What is on its way to a consumer is no longer in its queue: a moment of silence.
        sleep(10 * AGAIN).await;
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        Ok(())
    }
}

/// Deletes a queue that nobody takes messages from and that is empty.
async fn delete_unused(broker: &str, queue: &str) -> anyhow::Result<()> {
    let (_connection, channel) = open(broker).await?;
    let options = QueueDeleteOptions {
        if_unused: true,
        if_empty: true,
        ..QueueDeleteOptions::default()
    };
    channel.queue_delete(queue.into(), options).await?;
    Ok(())
}

/// How many messages are in a queue; none where it is not there.
async fn messages_in(broker: &str, queue: &str) -> anyhow::Result<u32> {
    let (_connection, channel) = open(broker).await?;
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel
        .queue_declare(queue.into(), passive, FieldTable::default())
        .await;
    Ok(declared.map_or(0, |queue| queue.message_count()))
}

async fn open(broker: &str) -> anyhow::Result<(Connection, Channel)> {
    let connection = Connection::connect(broker, ConnectionProperties::default())
        .await
        .context("cannot reach the broker")?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Takes what arrives at a queue until it is to leave, or the queue or the broker goes away. What was
/// counted is acknowledged; what was not is handed out again.
///
/// Who leaves closes the connection. A consumer that is cancelled first leaves a queue that looks unused
/// and empty, while it has messages that were not acknowledged.
async fn collect(broker: &str, queue: &str, leave: &Notify, book: &Book) -> anyhow::Result<()> {
    let (connection, channel) = open(broker).await?;
    channel
        .basic_qos(PREFETCH, BasicQosOptions::default())
        .await?;
    let mut consumer = channel
        .basic_consume(
            queue.into(),
            "soak".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    loop {
        let delivery = tokio::select! {
            delivery = consumer.next() => delivery,
            () = leave.notified() => break,
        };
        let Some(delivery) = delivery else {
            return Ok(());
        };
        let delivery = delivery?;
        let id = object_of(&delivery.data).unwrap_or_default();
        book.arrived(&id, delivery.redelivered);
        delivery.ack(BasicAckOptions::default()).await?;
    }
    connection.close(200, "leaving".into()).await?;
    Ok(())
}

/// The id of the one object that a message carries.
pub(super) fn object_of(message: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(message).ok()?;
    let content = STANDARD.decode(body["content"].as_str()?).ok()?;
    let bundle: Value = serde_json::from_slice(&content).ok()?;
    match bundle["objects"].as_array()?.as_slice() {
        [object] => Some(object["id"].as_str()?.to_owned()),
        _ => None,
    }
}
