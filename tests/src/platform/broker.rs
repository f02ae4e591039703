//! The queues behind the double: on a real broker, or in memory.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Map, Value, json};

use super::config::BrokerKind;

/// A message that was taken from a push queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its bytes.
    pub body: Vec<u8>,
    /// The AMQP property; 2 is persistent.
    pub delivery_mode: Option<u8>,
    /// The AMQP property.
    pub content_encoding: Option<String>,
    /// The AMQP property.
    pub content_type: Option<String>,
}

impl Message {
    /// The body as JSON.
    ///
    /// # Errors
    /// If it is none.
    pub fn json(&self) -> serde_json::Result<Value> {
        serde_json::from_slice(&self.body)
    }
}

/// The longest name that AMQP carries, in bytes.
const LONGEST_NAME: usize = 255;

/// The queues of one double. Their names start with a prefix of its own, so that many doubles can
/// share a broker.
pub(super) struct Broker {
    prefix: String,
    kind: Kind,
    told: Map<String, Value>,
    /// Of a push queue: it refuses messages beyond so many.
    limit: Option<u16>,
}

enum Kind {
    Memory(Mutex<BTreeMap<String, Vec<Message>>>),
    Amqp(Box<Amqp>),
}

struct Amqp {
    uri: AMQPUri,
    /// Made anew when the broker has been away.
    link: tokio::sync::Mutex<Link>,
}

struct Link {
    channel: Channel,
    /// Closed when it is dropped.
    connection: Connection,
}

impl Broker {
    pub(super) async fn open(
        kind: &BrokerKind,
        told: Map<String, Value>,
        limit: Option<u16>,
    ) -> anyhow::Result<Self> {
        let random = RandomState::new().build_hasher().finish();
        Ok(Self {
            told,
            prefix: format!("t{random:016x}_"),
            kind: match kind {
                BrokerKind::Memory => Kind::Memory(Mutex::default()),
                BrokerKind::Amqp(uri) => connect(uri).await?,
            },
            limit,
        })
    }

    /// Declares a connector's exchanges, queues and bindings.
    pub(super) async fn declare(&self, connector_id: &str) -> anyhow::Result<()> {
        let Kind::Amqp(amqp) = &self.kind else {
            return Ok(());
        };
        let channel = amqp.channel().await?;
        for end in [Listen, Push] {
            let exchange = self.exchange(end);
            let (queue, routing) = self.queue(end, connector_id);
            let longest = queue.len().max(routing.len());
            anyhow::ensure!(
                longest <= LONGEST_NAME,
                "a name of {longest} bytes is too long"
            );
            channel
                .exchange_declare(
                    exchange.as_str().into(),
                    ExchangeKind::Direct,
                    ExchangeDeclareOptions {
                        durable: true,
                        ..ExchangeDeclareOptions::default()
                    },
                    FieldTable::default(),
                )
                .await?;
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            channel
                .queue_declare(queue.as_str().into(), options, self.arguments(end))
                .await?;
            channel
                .queue_bind(
                    queue.as_str().into(),
                    exchange.as_str().into(),
                    routing.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await?;
        }
        Ok(())
    }

    fn arguments(&self, end: End) -> FieldTable {
        let mut arguments = FieldTable::default();
        if let (Push, Some(limit)) = (end, self.limit) {
            arguments.insert("x-max-length".into(), AMQPValue::LongInt(limit.into()));
            let overflow = AMQPValue::LongString("reject-publish".into());
            arguments.insert("x-overflow".into(), overflow);
        }
        arguments
    }

    /// The name of a connector's push queue.
    pub(super) fn push_queue(&self, connector_id: &str) -> String {
        self.queue(Push, connector_id).0
    }

    /// Deletes a connector's push queue, with what is in it.
    pub(super) async fn lose(&self, connector_id: &str) -> anyhow::Result<()> {
        self.delete_queue(Push, connector_id).await
    }

    /// Deletes both queues of a connector, with what is in them.
    pub(super) async fn delete(&self, connector_id: &str) -> anyhow::Result<()> {
        self.delete_queue(Push, connector_id).await?;
        self.delete_queue(Listen, connector_id).await
    }

    async fn delete_queue(&self, end: End, connector_id: &str) -> anyhow::Result<()> {
        let (queue, _) = self.queue(end, connector_id);
        match &self.kind {
            Kind::Memory(queues) => {
                lock(queues).remove(&queue);
            }
            Kind::Amqp(amqp) => {
                let channel = amqp.channel().await?;
                channel
                    .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
                    .await?;
            }
        }
        Ok(())
    }

    /// Publishes a message to a connector's push queue.
    pub(super) async fn publish(&self, connector_id: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let (queue, routing) = self.queue(Push, connector_id);
        match &self.kind {
            Kind::Memory(queues) => {
                let message = Message {
                    body,
                    delivery_mode: Some(2),
                    content_encoding: Some("utf-8".to_owned()),
                    content_type: None,
                };
                lock(queues).entry(queue).or_default().push(message);
            }
            Kind::Amqp(amqp) => {
                let exchange = self.exchange(Push);
                let properties = BasicProperties::default().with_delivery_mode(2);
                let channel = amqp.channel().await?;
                channel
                    .basic_publish(
                        exchange.as_str().into(),
                        routing.as_str().into(),
                        BasicPublishOptions::default(),
                        &body,
                        properties,
                    )
                    .await?
                    .await?;
            }
        }
        Ok(())
    }

    /// How many messages are in a connector's push queue, and how many bytes they have; a broker
    /// does not tell the bytes.
    pub(super) async fn load(&self, connector_id: &str) -> anyhow::Result<(usize, usize)> {
        let (queue, _) = self.queue(Push, connector_id);
        match &self.kind {
            Kind::Memory(queues) => {
                let queues = lock(queues);
                let messages = queues.get(&queue).map_or(&[][..], Vec::as_slice);
                let bytes = messages.iter().map(|message| message.body.len()).sum();
                Ok((messages.len(), bytes))
            }
            Kind::Amqp(amqp) => {
                let options = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let channel = amqp.channel().await?;
                let declared = channel
                    .queue_declare(queue.as_str().into(), options, FieldTable::default())
                    .await?;
                Ok((usize::try_from(declared.message_count())?, 0))
            }
        }
    }

    /// Takes all messages out of a connector's push queue.
    pub(super) async fn drain(&self, connector_id: &str) -> anyhow::Result<Vec<Message>> {
        let (queue, _) = self.queue(Push, connector_id);
        match &self.kind {
            Kind::Memory(queues) => Ok(lock(queues).remove(&queue).unwrap_or_default()),
            Kind::Amqp(amqp) => drain(&amqp.uri, &queue)
                .await
                .with_context(|| format!("cannot drain the queue {queue}")),
        }
    }

    /// The `config` of a connector, as its registration answers it.
    pub(super) fn config_of(&self, connector_id: &str) -> Value {
        let (push, push_routing) = self.queue(Push, connector_id);
        let (listen, listen_routing) = self.queue(Listen, connector_id);
        json!({
            "connection": self.connection(),
            "listen": listen,
            "listen_routing": listen_routing,
            "listen_exchange": self.exchange(Listen),
            "push": push,
            "push_routing": push_routing,
            "push_exchange": self.exchange(Push),
        })
    }

    fn connection(&self) -> Value {
        let mut connection = match &self.kind {
            // Nobody listens there: who tries AMQP without a broker is to notice.
            Kind::Memory(_) => json!({
                "host": "127.0.0.1", "port": 1, "vhost": "/", "use_ssl": false,
                "user": "guest", "pass": "guest",
            }),
            Kind::Amqp(amqp) => json!({
                "host": amqp.uri.authority.host,
                "port": amqp.uri.authority.port,
                "vhost": amqp.uri.vhost,
                "use_ssl": false,
                "user": amqp.uri.authority.userinfo.username,
                "pass": amqp.uri.authority.userinfo.password,
            }),
        };
        for (key, value) in &self.told {
            connection[key.as_str()] = value.clone();
        }
        connection
    }

    fn exchange(&self, end: End) -> String {
        format!("{}{}_exchange", self.prefix, end.name())
    }

    /// The name and the routing key of a connector's queue.
    fn queue(&self, end: End, connector_id: &str) -> (String, String) {
        let (prefix, name) = (&self.prefix, end.name());
        (
            format!("{prefix}{name}_{connector_id}"),
            format!("{prefix}{name}_routing_{connector_id}"),
        )
    }
}

/// What a connector's queue is for.
#[derive(Clone, Copy)]
enum End {
    Listen,
    Push,
}
use End::{Listen, Push};

impl End {
    fn name(self) -> &'static str {
        match self {
            Listen => "listen",
            Push => "push",
        }
    }
}

async fn connect(uri: &str) -> anyhow::Result<Kind> {
    let uri: AMQPUri = uri
        .parse()
        .map_err(|problem| anyhow::anyhow!("{uri} is no AMQP address: {problem}"))?;
    let link = Link::open(&uri).await?;
    Ok(Kind::Amqp(Box::new(Amqp {
        link: tokio::sync::Mutex::new(link),
        uri,
    })))
}

impl Amqp {
    async fn channel(&self) -> anyhow::Result<Channel> {
        let mut link = self.link.lock().await;
        if !link.is_usable() {
            *link = Link::open(&self.uri).await?;
        }
        Ok(link.channel.clone())
    }
}

impl Link {
    async fn open(uri: &AMQPUri) -> anyhow::Result<Self> {
        let connection = open(uri).await?;
        Ok(Self {
            channel: connection.create_channel().await?,
            connection,
        })
    }

    fn is_usable(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }
}

async fn open(uri: &AMQPUri) -> anyhow::Result<Connection> {
    let at = format!("{}:{}", uri.authority.host, uri.authority.port);
    Connection::connect_uri(uri.clone(), ConnectionProperties::default())
        .await
        .with_context(|| format!("cannot reach the test broker at {at}"))
}

/// Draining has a connection of its own: a queue that is missing closes the channel it is asked
/// for on.
async fn drain(uri: &AMQPUri, queue: &str) -> anyhow::Result<Vec<Message>> {
    let connection = open(uri).await?;
    let channel = connection.create_channel().await?;
    let options = BasicGetOptions { no_ack: true };
    let mut messages = Vec::new();
    while let Some(got) = channel.basic_get(queue.into(), options).await? {
        let properties = &got.delivery.properties;
        messages.push(Message {
            delivery_mode: *properties.delivery_mode(),
            content_encoding: properties
                .content_encoding()
                .as_ref()
                .map(ToString::to_string),
            content_type: properties.content_type().as_ref().map(ToString::to_string),
            body: got.delivery.data.clone(),
        });
    }
    connection.close(200, "done".into()).await?;
    Ok(messages)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
