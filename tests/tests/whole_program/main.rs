//! The real program, run as a process against the platform's double and a real broker.
//!
//! `cargo xtask test` starts the broker, builds the program, and runs these.

mod api;
mod conformance;
mod failures;
mod history;
mod lifecycle;
mod settings;
mod site;
mod state;
mod tls;
mod transport;
mod versions;
mod works;
