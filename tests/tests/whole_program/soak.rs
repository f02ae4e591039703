//! A short soak of a folder and a bucket: twenty kills at random instants, and faults of the other kinds between them.
//! `cargo xtask soak` does it for as long as one likes.

use std::time::{Duration, SystemTime};

use tests::soak::{AfterImport, Goal, Options, Sources, soak};

use crate::site::broker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_nothing_of_what_is_deleted() {
    check(AfterImport::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_nothing_of_what_is_kept() {
    check(AfterImport::Keep).await;
}

async fn check(after_import: AfterImport) {
    let options = Options {
        seed: seed(),
        goal: Goal {
            time: Duration::ZERO,
            kills: 10,
        },
        after_import,
        sources: Sources::Both,
        broker: broker(),
        rabbitmqctl: None,
    };
    let report = soak(&options).await.unwrap();
    println!("{report}");
    assert!(report.is_good(), "{report}");
    assert!(report.kills() >= 10 && report.objects() > 0, "{report}");
}

/// Another one each time, so that many runs try many; the report names it.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs()
}
