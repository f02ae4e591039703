//! How a double is set up.

use serde_json::{Map, Value};

use super::schema::SCHEMA;

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
    /// The version that `about` tells. It also decides what of the schema is there, the shape of
    /// errors, and what becomes of works.
    pub version: String,
    /// What the token's account may do; `BYPASS` is everything.
    pub capabilities: Vec<String>,
    /// The ids of users in whose name a token that may bypass can speak.
    pub users: Vec<String>,
    /// Those of them that may only read; the others may write, and push bundles.
    pub readers: Vec<String>,
    /// What a registration tells of the platform's storage (`config.s3`). Nothing in it may be
    /// null, so a platform that has no keys to tell fails the whole answer.
    pub storage: Value,
    /// What stands before `/graphql` in the path, such as `/cti`.
    pub base_path: String,
    /// The schema that requests are validated against: what `@since` says of the version.
    pub schema: String,
    /// Where the queues are.
    pub broker: BrokerKind,
    /// What a registration tells of the broker though it is not so: keys of its `connection`, such
    /// as `host`.
    pub told: Map<String, Value>,
    /// How many messages a push queue takes before it refuses more; `None`: any number.
    pub queue_limit: Option<u16>,
    /// The largest request body that is read, in bytes.
    pub max_body_bytes: usize,
    /// The time that answers tell, as their header `Date`; `None`: the time that it is.
    pub date: Option<String>,
}

impl Config {
    /// A platform 6.6.0 without a broker.
    pub fn in_memory() -> Self {
        Self {
            token: "4ae1c5b0-7f8e-4c21-9d35-token-of-the-double".to_owned(),
            version: "6.6.0".to_owned(),
            capabilities: vec!["BYPASS".to_owned()],
            users: vec!["dst-user-1".to_owned(), "dst-user-2".to_owned()],
            readers: Vec::new(),
            storage: Value::Null,
            base_path: String::new(),
            schema: SCHEMA.to_owned(),
            broker: BrokerKind::Memory,
            told: Map::new(),
            queue_limit: None,
            max_body_bytes: 50 * 1024 * 1024,
            date: None,
        }
    }

    /// The same platform in another version.
    #[must_use]
    pub fn in_version(self, version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..self
        }
    }

    /// The same platform with a token whose account has these capabilities only.
    #[must_use]
    pub fn allowing(self, capabilities: &[&str]) -> Self {
        Self {
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
            ..self
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
