//! Measures a daemon: `DIODE_IMPORT_BIN=target/release/diode-import DIODE_TEST_AMQP=… measure`.

use std::time::Duration;

use anyhow::Context as _;
use tests::measure::{Memory, daemon, median};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = std::env::var("DIODE_TEST_AMQP").context("DIODE_TEST_AMQP names no broker")?;
    let measured = daemon(&broker, 10, 50).await?;
    show("start to registered", &measured.starts);
    show("file written to message confirmed", &measured.latencies);
    show_memory("idle", measured.idle);
    show_memory("after 50 files", measured.after);
    Ok(())
}

fn show(what: &str, times: &[Duration]) {
    let (least, most) = (times.iter().min(), times.iter().max());
    println!(
        "{what}: median {:?}, {:?} to {:?}, {} times",
        median(times),
        least.copied().unwrap_or_default(),
        most.copied().unwrap_or_default(),
        times.len()
    );
}

fn show_memory(when: &str, memory: Memory) {
    println!(
        "memory, {when}: {} KiB resident, {} KiB at most",
        memory.resident, memory.peak
    );
}
