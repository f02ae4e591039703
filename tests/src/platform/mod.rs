//! A double of OpenCTI's API on loopback, as far as a connector uses it.
//!
//! It validates every request against a schema, keeps connectors, works and drafts as the
//! platform does, declares queues on a real broker or keeps messages in memory, and records what
//! it was asked. [`Fault`]s can be laid into any operation.
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
mod operations;
mod server;
mod state;

#[cfg(test)]
mod tests;

pub use broker::Message;
pub use config::{BrokerKind, Config};
pub use fault::Fault;
pub use handle::Platform;
pub use state::{Call, Connector, Status, Work};
