//! The real broker, from the environment.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::options::{
    BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use opencti_client::{BrokerAddress, Pem, Route, Secret};
use serde_json::Value;
use url::Url;

/// The variable that names the broker.
const VARIABLE: &str = "DIODE_TEST_AMQP";

/// The variable that names the same broker where it speaks TLS.
const TLS_VARIABLE: &str = "DIODE_TEST_AMQPS";

/// The variable that names the folder of certificates for that.
const CERTIFICATES_VARIABLE: &str = "DIODE_TEST_CERTIFICATES";

/// For how long nobody uses a test's queue before the broker deletes it, in milliseconds.
const UNUSED_FOR_MS: i32 = 600_000;

/// The address of the broker to test with.
pub(crate) fn address() -> BrokerAddress {
    let url = url();
    BrokerAddress {
        host: url.host_str().unwrap().to_owned(),
        port: url.port().unwrap_or(5672),
        vhost: "/".to_owned(),
        use_ssl: false,
        user: url.username().to_owned(),
        password: Secret::new(url.password().unwrap_or_default()),
    }
}

/// The address at which the same broker speaks TLS, with certificates for `localhost`, and wants
/// one of the client.
pub(crate) fn tls_address() -> BrokerAddress {
    let url = parsed(TLS_VARIABLE, "amqps://guest:guest@localhost:5671/%2f");
    BrokerAddress {
        host: url.host_str().unwrap().to_owned(),
        port: url.port().unwrap_or(5671),
        use_ssl: true,
        ..address()
    }
}

/// A file of the certificates that go with that address.
pub(crate) fn certificate(name: &str) -> Pem {
    let folder = variable(CERTIFICATES_VARIABLE, "a folder");
    Pem::File(Path::new(&folder).join(name))
}

fn url() -> Url {
    parsed(VARIABLE, "amqp://guest:guest@127.0.0.1:5672/%2f")
}

fn parsed(name: &str, example: &str) -> Url {
    let text = variable(name, example);
    Url::parse(&text).unwrap_or_else(|error| panic!("{name} is not a URL: {error}"))
}

fn variable(name: &str, example: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests need a RabbitMQ. `cargo xtask test` starts one and \
             runs them; to use your own, set the variable to {example}"
        )
    })
}

/// An exchange and a queue of a test's own, seen from the worker's side.
pub(crate) struct Mailbox {
    pub(crate) route: Route,
    channel: Channel,
    _connection: Connection,
}

/// A message as the worker gets it.
pub(crate) struct Received {
    pub(crate) properties: BasicProperties,
    pub(crate) body: Value,
}

impl Received {
    /// Its place in the file, from 0.
    pub(crate) fn index(&self) -> usize {
        usize::try_from(self.body["action_sequence"].as_u64().unwrap()).unwrap() - 1
    }

    /// The bundle inside.
    pub(crate) fn content(&self) -> String {
        let content = STANDARD.decode(self.body["content"].as_str().unwrap());
        String::from_utf8(content.unwrap()).unwrap()
    }
}

impl Mailbox {
    /// A queue without limits.
    pub(crate) async fn new() -> Self {
        Self::with(FieldTable::default(), true).await
    }

    /// A queue that nobody may publish to: its exchange takes messages of other exchanges alone.
    pub(crate) async fn forbidden() -> Self {
        let exchange = ExchangeDeclareOptions {
            internal: true,
            ..ExchangeDeclareOptions::default()
        };
        Self::behind(exchange, FieldTable::default(), true).await
    }

    /// A queue that refuses messages beyond `length`.
    pub(crate) async fn refusing_beyond(length: i32) -> Self {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(length));
        let overflow = AMQPValue::LongString("reject-publish".into());
        arguments.insert("x-overflow".into(), overflow);
        Self::with(arguments, true).await
    }

    /// An exchange without a queue behind it.
    pub(crate) async fn unbound() -> Self {
        Self::with(FieldTable::default(), false).await
    }

    async fn with(arguments: FieldTable, bound: bool) -> Self {
        Self::behind(ExchangeDeclareOptions::default(), arguments, bound).await
    }

    async fn behind(exchange: ExchangeDeclareOptions, arguments: FieldTable, bound: bool) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("diode-test-{}-{number}", std::process::id());
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(url().as_str(), properties)
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let exchange = ExchangeDeclareOptions {
            auto_delete: true,
            ..exchange
        };
        let kind = ExchangeKind::Direct;
        channel
            .exchange_declare(name.as_str().into(), kind, exchange, FieldTable::default())
            .await
            .unwrap();
        // Not exclusive: another connection asks whether it is there. The broker deletes it once nobody
        // uses it.
        let mut arguments = arguments;
        arguments.insert("x-expires".into(), AMQPValue::LongInt(UNUSED_FOR_MS));
        let queue = QueueDeclareOptions::default();
        channel
            .queue_declare(name.as_str().into(), queue, arguments)
            .await
            .unwrap();
        let key = if bound { "key" } else { "another key" };
        channel
            .queue_bind(
                name.as_str().into(),
                name.as_str().into(),
                key.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let route = Route {
            exchange: name.clone(),
            routing_key: "key".to_owned(),
            queue: name,
        };
        Self {
            route,
            channel,
            _connection: connection,
        }
    }

    /// Takes the next message off the queue, if there is one.
    pub(crate) async fn take(&self) -> Option<Received> {
        let options = BasicGetOptions { no_ack: true };
        let queue = self.route.exchange.as_str().into();
        let message = self.channel.basic_get(queue, options).await.unwrap()?;
        Some(Received {
            properties: message.delivery.properties.clone(),
            body: serde_json::from_slice(&message.delivery.data).unwrap(),
        })
    }

    /// How many messages are in the queue.
    pub(crate) async fn len(&self) -> u32 {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = self.route.exchange.as_str().into();
        let declared = self
            .channel
            .queue_declare(queue, options, FieldTable::default());
        declared.await.unwrap().message_count()
    }

    /// Takes all messages off the queue; their indices.
    pub(crate) async fn drain(&self) -> Vec<usize> {
        let mut indices = Vec::new();
        while let Some(message) = self.take().await {
            indices.push(message.index());
        }
        indices
    }
}
