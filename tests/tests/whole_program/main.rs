//! The real program, run as a process against the platform's double, a real broker and a real store.
//!
//! `cargo xtask test` starts broker and store, builds the program, and runs these.

mod api;
mod applicants;
mod check;
mod commands;
mod conformance;
mod connectors;
mod demo;
mod failures;
mod faults_broker;
mod faults_crash;
mod faults_files;
mod faults_many;
mod faults_platform;
mod history;
mod lease;
mod lifecycle;
mod metrics;
mod pressure;
#[expect(dead_code, reason = "the tests of the bucket itself use more of it")]
#[path = "../../../crates/bundle-source/tests/s3/proxy.rs"]
mod proxy;
mod rehearsal;
mod s3;
mod s3_aws;
mod scene;
mod settings;
mod site;
mod soak;
mod state;
mod stop;
mod terminal;
mod tls;
mod transport;
mod validation;
mod versions;
mod watch;
mod works;
mod works_alive;
