//! A double of OpenCTI's API on loopback, as far as a connector uses it.
//!
//! It plays any version: it validates every request against what that version's schema has, writes
//! errors in that version's shape, and lets a token do what its capabilities allow. It keeps
//! connectors, works and drafts as the platform does, declares queues on a real broker or keeps
//! messages in memory, and records what it was asked. [`Fault`]s can be laid into any operation.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! use tests::platform::{Config, Platform};
//!
//! let platform = Platform::start(Config::in_memory()).await?;
//! assert!(platform.url().starts_with("http://127.0.0.1:"));
//! assert!(platform.calls().is_empty());
//! # Ok(())
//! # }
//! ```

mod broker;
mod config;
mod error;
mod fault;
mod graphql;
mod handle;
mod multipart;
mod operations;
mod schema;
mod server;
mod state;
mod version;
mod worker;

#[cfg(test)]
mod tests;

pub use broker::Message;
pub use config::{BrokerKind, Config};
pub use fault::Fault;
pub use handle::Platform;
pub use multipart::File;
pub use schema::{SCHEMA, needs, schema_of};
pub use state::{Call, Connector, Status, Work};
pub use version::Version;
pub use worker::Imported;
