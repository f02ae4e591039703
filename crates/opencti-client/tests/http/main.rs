//! The client, and the queue behind it, against a real HTTP server on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "clippy does not see that helpers of a test are part of it"
)]

mod client;
mod forms;
mod outcomes;
mod questions;
mod queue;
mod secrets;
mod server;
