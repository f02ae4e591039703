//! What somebody pays who waits: for the disk, and for the broker after each message.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::limit;

/// How often each is waited for.
const TIMES: usize = 301;

/// Somewhat less than most messages have.
const BYTES: [u8; 2048] = [b'x'; 2048];

/// What was waited.
#[derive(Clone, Debug)]
pub(super) struct Waits {
    /// For this machine's disk to have what was written.
    pub(super) syncs: Vec<Duration>,
    /// For the broker to confirm a message, no other being under way.
    pub(super) confirmations: Vec<Duration>,
}

impl Waits {
    /// Waits for both.
    pub(super) async fn measure(broker: &str) -> anyhow::Result<Self> {
        Ok(Self {
            syncs: syncs().context("cannot write")?,
            confirmations: limit::one_by_one(broker, TIMES, &BYTES).await?,
        })
    }
}

fn syncs() -> std::io::Result<Vec<Duration>> {
    let folder = tempfile::TempDir::with_prefix("bench-")?;
    let mut file = File::create(folder.path().join("synced"))?;
    let mut sync = || {
        file.write_all(&BYTES)?;
        let began = Instant::now();
        file.sync_all()?;
        Ok(began.elapsed())
    };
    (0..TIMES).map(|_| sync()).collect()
}
