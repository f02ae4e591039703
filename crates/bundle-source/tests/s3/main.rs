//! A bucket as a source, at a real store.
//!
//! `DIODE_TEST_S3` tells which: `http://ACCESS:SECRET@HOST:PORT/PREFIX`, where `PREFIX` begins the
//! names of the buckets that are made. They are left behind.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod bucket;
mod contract;
mod faults;
mod giver;
mod inner;
mod keys;
mod lease;
#[expect(dead_code, reason = "the tests of the whole program use more of it")]
mod proxy;
mod roles;
mod settings;
mod troubles;
mod versions;
