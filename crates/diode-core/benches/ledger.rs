//! What it takes to find that there is nothing to do: all files are known, and kept.

#![expect(clippy::unwrap_used, reason = "the ledger is in a folder of its own")]

use std::time::Duration;

use bundle_source::{Entry, Listing, Location};
use chrono::DateTime;
use diode_core::{AfterImport, Fingerprint, Ledger, Outcome, Policy, Record, plan};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tempfile::TempDir;

const SOURCE: &str = "directory:/in";

const POLICY: Policy = Policy {
    after_import: AfterImport::Keep,
    retention: None,
    rejected_retention: None,
    skip_known: None,
    settle: Duration::from_secs(5),
};

fn main() {
    divan::main();
}

#[divan::bench(args = [1_000, 100_000], sample_count = 20)]
fn known(bencher: Bencher<'_, '_>, files: u32) {
    let (_folder, ledger) = ledger_of(files);
    bencher
        .counter(ItemsCount::new(files))
        .bench_local(|| ledger.known(SOURCE));
}

#[divan::bench(args = [1_000, 100_000], sample_count = 20)]
fn plan_of_known(bencher: Bencher<'_, '_>, files: u32) {
    let (_folder, ledger) = ledger_of(files);
    let known = ledger.known(SOURCE).unwrap();
    let listing: Listing = entries(files).into_iter().collect();
    bencher.counter(ItemsCount::new(files)).bench_local(|| {
        plan(
            black_box(&listing).iter(),
            &known,
            &POLICY,
            DateTime::UNIX_EPOCH,
        )
        .count()
    });
}

/// Files whose order by time is not the one by name.
fn entries(files: u32) -> Vec<Entry> {
    (0..files)
        .map(|number| {
            let second = u64::from(number) * 7_919 % u64::from(files);
            Entry {
                location: Location::new(format!("{number:07}-feed.json")),
                size: 4_000,
                modified: DateTime::UNIX_EPOCH + Duration::from_secs(second),
                etag: Some(format!(
                    "2a-{number:x}-{second}.000000005-{second}.000000006"
                )),
            }
        })
        .collect()
}

/// A ledger that knows of them.
fn ledger_of(files: u32) -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path()).unwrap();
    let record = Record {
        fingerprint: Some(Fingerprint::of(b"{}")),
        ..Record::default()
    };
    let entries = entries(files);
    let rows = entries
        .iter()
        .map(|entry| (entry, Outcome::Imported, &record));
    ledger
        .record_all(SOURCE, rows, DateTime::UNIX_EPOCH)
        .unwrap();
    (folder, ledger)
}
