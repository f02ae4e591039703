//! The platform's GraphQL API over HTTP.

mod answer;
mod api;
mod config;
mod convert;
mod forms;
mod multipart;
mod operations;
mod problem;
mod proxy;
mod redact;
mod server_time;
mod speaker;
mod transport;

pub use api::Client;
pub use config::{ClientConfig, ClientError, RetryPolicy};
pub use proxy::{HttpProxy, ProxyError};
pub use server_time::ServerTime;
