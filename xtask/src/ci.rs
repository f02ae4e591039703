//! What the CI runs, in the order in which it fails soonest.

use std::time::Instant;

use anyhow::Context as _;

use crate::broker::Kind;
use crate::shell::Cargo;
use crate::{counts, deny, docs, second_broker, tidy};

type Step = (&'static str, fn() -> anyhow::Result<()>);

/// The tests come last, so that their results end the log.
const STEPS: [Step; 9] = [
    ("format", format),
    ("tidiness", tidy::check),
    ("clippy", clippy),
    ("rustdoc", rustdoc),
    ("configuration page", docs::check),
    ("dependencies", deny::check),
    ("instructions", counts::check),
    ("tests", tests),
    ("tests of the broker on RabbitMQ 4", second_broker::tests),
];

/// Runs all steps, and stops at the first that fails.
pub(crate) fn run() -> anyhow::Result<()> {
    let started = Instant::now();
    for (name, step) in STEPS {
        let began = Instant::now();
        println!("xtask: {name} ...");
        step().with_context(|| format!("step `{name}` failed"))?;
        println!("xtask: {name} ok, {:.1} s", began.elapsed().as_secs_f32());
    }
    println!(
        "xtask: all steps ok, {:.1} s",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

fn format() -> anyhow::Result<()> {
    Cargo::new(["fmt", "--all", "--check"]).run()
}

fn clippy() -> anyhow::Result<()> {
    Cargo::new(["clippy", "--locked", "--workspace", "--all-targets"])
        .args(&["--", "-D", "warnings"])
        .run()
}

fn rustdoc() -> anyhow::Result<()> {
    Cargo::new(["doc", "--locked", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

fn tests() -> anyhow::Result<()> {
    crate::test(Kind::default(), &["--locked"])
}
