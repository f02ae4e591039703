//! How a double is set up.

/// Where the double's queues are.
#[derive(Clone, Debug)]
pub enum BrokerKind {
    /// Within the double: what `stixBundlePush` brings is kept in memory.
    Memory,
    /// On the broker with this AMQP URI.
    Amqp(String),
}

/// How a double is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// The only token that is let in.
    pub token: String,
    /// The version that `about` tells; it also decides the shape of errors.
    pub version: String,
    /// What stands before `/graphql` in the path, such as `/cti`.
    pub base_path: String,
    /// The schema that requests are validated against.
    pub schema: String,
    /// Where the queues are.
    pub broker: BrokerKind,
    /// The largest request body that is read, in bytes.
    pub max_body_bytes: usize,
}

impl Config {
    /// A platform 6.6.0 without a broker.
    pub fn in_memory() -> Self {
        Self {
            token: "4ae1c5b0-7f8e-4c21-9d35-token-of-the-double".to_owned(),
            version: "6.6.0".to_owned(),
            base_path: String::new(),
            schema: include_str!("../../fixtures/schema.graphql").to_owned(),
            broker: BrokerKind::Memory,
            max_body_bytes: 50 * 1024 * 1024,
        }
    }

    /// A platform 6.6.0 whose queues are on the broker at `uri`.
    pub fn on_broker(uri: impl Into<String>) -> Self {
        Self {
            broker: BrokerKind::Amqp(uri.into()),
            ..Self::in_memory()
        }
    }
}
