//! A folder full of files: how many there are makes no difference.

use std::collections::BTreeSet;
use std::fs;

use tests::envelope::{WEATHER, envelope, malware};
use tests::measure::Memory;
use tests::platform::{Call, Config};
use tests::program::CONNECTOR_ID;

use crate::site::{Site, eventually};

/// So many files are in the folder.
const FILES: u32 = 100_000;

/// Every so-manieth of them is an envelope. The others are somebody else's: each delivery is a
/// question to the platform, which for all of them would take the test minutes.
const ONE_IN: u32 = 100;

/// What the program may have in memory at most when it goes over them, in KiB, be it for the first time
/// or with all that the ledger then knows of them: a third more than it has. What lies in files is not
/// counted, for a program that was built for tests is a large one. The files have nine times as much
/// together.
const MEMORY: u64 = 44 * 1024;

/// How glibc is kept from raising its thresholds for giving memory back, as the image does. Once it has
/// given back a table of 9 MB, it would keep up to twice that in each thread's arena; how many threads
/// have had such a table depends on what else the machine does.
const THRESHOLDS: [(&str, &str); 2] = [
    ("MALLOC_MMAP_THRESHOLD_", "131072"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
];

/// How many bytes each of the others has at least. It takes no more room on most disks than fewer.
const PADDING: usize = 4000;

#[tokio::test]
async fn a_hundred_thousand_files_are_gone_over_in_little_memory() {
    let site = Site::with(Config::in_memory()).await;
    let foreign = format!("{{\"padding\": \"{}\"}}", "x".repeat(PADDING));
    for number in 0..FILES {
        let text = if number % ONE_IN == 0 {
            envelope(WEATHER, number, &[malware(number)]).to_string()
        } else {
            foreign.clone()
        };
        fs::write(site.inbox().join(format!("{number:06}.json")), text).unwrap();
    }
    let image = include_str!("../../../Dockerfile");
    let thresholds = THRESHOLDS.map(|(name, value)| {
        assert!(image.contains(&format!("{name}={value}")), "{name}");
        (name.to_owned(), value.to_owned())
    });
    let daemon = site
        .daemon()
        .with_all(&thresholds)
        .logging_to(&site.log())
        .with("CONNECTOR_LOG_LEVEL", "warning")
        .with("CONNECTOR_QUEUE_PROTOCOL", "api")
        .start()
        .unwrap();
    // A pass tells its state when it is over.
    let is_over = || {
        let state = site.platform.state_of(CONNECTOR_ID);
        state.is_some_and(|state| state.contains("last_run_directory"))
    };
    eventually("the first pass is over", is_over).await;
    let first = own_peak(daemon.memory().unwrap());
    eventually("the second pass is over", || rounds(&site) > 2).await;
    let memory = own_peak(daemon.memory().unwrap());
    println!("{first} KiB for {FILES} files, {memory} KiB once they are known");
    assert!(memory < MEMORY, "{memory} KiB");
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.left().len(), (FILES - FILES / ONE_IN) as usize);
    let arrived = site.arrived(WEATHER.id).await;
    assert_eq!(arrived.len(), (FILES / ONE_IN) as usize);
    assert!(arrived.values().all(|times| *times == 1));
}

/// The most memory that a program had, without what lies in files.
fn own_peak(memory: Memory) -> u64 {
    memory.peak - (memory.resident - memory.private)
}

/// How many rounds of passes have begun, as far as signs of life tell: each says when its round did.
fn rounds(site: &Site) -> usize {
    let pings = site.platform.calls_of("pingConnector");
    let began = |ping: &Call| {
        let info = &ping.arguments["connectorInfo"];
        info["last_run_datetime"].as_str().map(ToOwned::to_owned)
    };
    pings
        .iter()
        .filter_map(began)
        .collect::<BTreeSet<_>>()
        .len()
}
