//! What the crate promises, seen from outside.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

mod cases;
mod properties;
mod real_files;
mod scale;
mod support;
mod validation;
