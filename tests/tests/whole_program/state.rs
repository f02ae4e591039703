//! The connector's state on the platform: what the peer left there, what we leave for the peer, and
//! what becomes of a reset. No broker is needed: messages go through the platform.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::{Config, Fault};
use tests::program::{CONNECTOR_ID, Program, Run};

use crate::site::{Site, eventually, long_ago, objects_of};

const KEEP: &str = "false";
const DELETE: &str = "true";

#[tokio::test]
async fn what_the_peer_imported_and_kept_is_not_sent_again() {
    for key in ["last_run_directory", "last_run"] {
        let site = site().await;
        site.platform.hold_state(CONNECTOR_ID, &state(key, 10.5));
        put(&site, 1, at(10.0));
        put(&site, 2, at(10.5));
        put(&site, 3, at(10.6));
        let told = run(&program(&site, KEEP)).await;
        assert_eq!(sent(&site).await, [3], "{key}");
        let line = line_with(&told, "count as imported before");
        assert_eq!(line["attributes"]["files"], 2, "{line}");
        assert_eq!(last_run(&site), seconds(at(10.6)));

        // From now on our ledger decides: a file that comes late is imported, whatever its time.
        put(&site, 4, at(1.0));
        run(&program(&site, KEEP)).await;
        assert_eq!(sent(&site).await, [4], "{key}");
    }
}

#[tokio::test]
async fn what_the_peer_did_not_get_to_delete_is_imported() {
    let site = site().await;
    let watermark = state("last_run_directory", 99.0);
    site.platform.hold_state(CONNECTOR_ID, &watermark);
    put(&site, 1, at(10.0));
    run(&program(&site, DELETE)).await;
    assert_eq!(sent(&site).await, [1]);
    assert!(site.left().is_empty());
    assert_eq!(last_run(&site), seconds(at(99.0)));
}

#[tokio::test]
async fn the_peer_goes_on_where_we_left() {
    let site = site().await;
    // Real times, with all their digits.
    put(&site, 1, SystemTime::now());
    put(&site, 2, SystemTime::now());
    run(&program(&site, KEEP)).await;
    assert_eq!(sent(&site).await, [1, 2]);
    assert_eq!(taken_by_the_peer(&site), Vec::<String>::new());

    let now = SystemTime::now();
    site.put_bytes("3.json", b"{\"connector", now);
    put(&site, 4, now + Duration::from_secs(1));
    let patient = program(&site, KEEP).with("DIODE_IMPORT_SETTLE_SECONDS", "3600");
    run(&patient).await;
    assert_eq!(sent(&site).await, [4]);
    let taken = taken_by_the_peer(&site);
    assert!(taken.contains(&"3.json".to_owned()), "{taken:?}");

    put(&site, 3, now);
    run(&program(&site, KEEP)).await;
    assert_eq!(sent(&site).await, [3]);
    assert_eq!(taken_by_the_peer(&site), Vec::<String>::new());
}

#[tokio::test]
async fn a_reset_before_the_start_imports_everything_again_once() {
    let site = site().await;
    put(&site, 1, at(1.0));
    put(&site, 2, at(2.0));
    run(&program(&site, KEEP)).await;
    assert_eq!(sent(&site).await, [1, 2]);
    site.platform.reset_state(CONNECTOR_ID).unwrap();
    for expect in [&[1, 2][..], &[]] {
        run(&program(&site, KEEP)).await;
        assert_eq!(sent(&site).await, expect);
        assert_eq!(last_run(&site), seconds(at(2.0)));
    }
}

#[tokio::test]
async fn a_daemon_follows_a_reset_with_its_next_pass() {
    let site = site().await;
    put(&site, 1, at(1.0));
    let daemon = daemon(&site).start().unwrap();
    eventually("the first file is imported", || holds_state(&site)).await;
    assert_eq!(sent(&site).await, [1]);
    site.platform.reset_state(CONNECTOR_ID).unwrap();
    // What is new is imported in the pass after which we learn of the reset.
    put(&site, 2, at(2.0));
    eventually("everything is imported again", || files_told(&site) == 4).await;
    eventually("the state is handed in", || holds_state(&site)).await;
    daemon.terminate().await.unwrap();
    let told = daemon.wait().await.unwrap();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!(sent(&site).await, [2, 1, 2]);
    assert_eq!(last_run(&site), seconds(at(2.0)));
    let line = line_with(&told, "following the reset");
    assert_eq!(line["attributes"]["files"], 2, "{line}");
}

#[tokio::test]
async fn killed_between_learning_of_a_reset_and_following_it() {
    let site = site().await;
    put(&site, 1, at(1.0));
    let daemon = daemon(&site).start().unwrap();
    eventually("the first file is imported", || holds_state(&site)).await;
    site.platform.reset_state(CONNECTOR_ID).unwrap();
    let before = pings(&site);
    // The first sign of life from here on tells us of the reset; on the second we hang.
    let hang = Fault::Delay(Duration::from_secs(600));
    site.platform
        .fail("pingConnector", before + 2..=before + 2, hang);
    put(&site, 2, at(2.0));
    eventually("we know of the reset", || pings(&site) >= before + 2).await;
    daemon.kill().await.unwrap();
    assert_eq!(sent(&site).await, [1, 2]);

    for expect in [&[1, 2][..], &[]] {
        run(&program(&site, KEEP)).await;
        assert_eq!(sent(&site).await, expect);
    }
}

#[tokio::test]
async fn a_connector_that_was_deleted_comes_back_with_its_state() {
    let site = site().await;
    put(&site, 1, at(1.0));
    let daemon = daemon(&site).start().unwrap();
    eventually("the first file is imported", || holds_state(&site)).await;
    site.platform.delete_connector(CONNECTOR_ID);
    put(&site, 2, at(2.0));
    eventually("the state is back", || {
        holds_state(&site) && last_run(&site) == seconds(at(2.0))
    })
    .await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(sent(&site).await, [1, 2]);
}

async fn site() -> Site {
    Site::with(Config::in_memory()).await
}

/// One pass.
fn program(site: &Site, delete_after_import: &str) -> Program {
    through_the_platform(site.program(), delete_after_import)
}

/// A daemon that keeps its files.
fn daemon(site: &Site) -> Program {
    through_the_platform(site.daemon(), KEEP)
}

fn through_the_platform(program: Program, delete_after_import: &str) -> Program {
    program
        .with("CONNECTOR_QUEUE_PROTOCOL", "api")
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", delete_after_import)
}

async fn run(program: &Program) -> Run {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

/// Puts an envelope there whose only object is the malware of that number; whole, and with its
/// time, from the moment on at which a daemon can see it.
fn put(site: &Site, number: u32, modified: SystemTime) {
    let envelope = envelope(WEATHER, number, &[malware(number)]).to_string();
    let name = format!("{number}.json");
    let part = format!("{name}.part");
    site.put_bytes(&part, envelope.as_bytes(), modified);
    fs::rename(site.inbox().join(part), site.inbox().join(name)).unwrap();
}

/// The numbers of the malware that was sent since this was last asked.
async fn sent(site: &Site) -> Vec<u32> {
    let number_of = |id: String| (1..10).find(|number| malware(*number)["id"] == id).unwrap();
    let sent = objects_of(&site.drain(WEATHER.id).await);
    sent.into_iter().map(number_of).collect()
}

/// A time that many seconds after a long time ago.
fn at(seconds: f64) -> SystemTime {
    long_ago() + Duration::from_secs_f64(seconds)
}

fn state(key: &str, seconds_after: f64) -> String {
    format!("{{\"{key}\": {:?}}}", seconds(at(seconds_after)))
}

/// A file's time as Python tells it.
fn seconds(time: SystemTime) -> f64 {
    let time = time.duration_since(UNIX_EPOCH).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "exact for times around now")]
    let whole = time.as_secs() as f64;
    whole + 1e-9 * f64::from(time.subsec_nanos())
}

fn last_run(site: &Site) -> f64 {
    let text = site.platform.state_of(CONNECTOR_ID).unwrap();
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state.as_object().unwrap().len(), 1, "{text}");
    state["last_run_directory"].as_f64().unwrap()
}

/// The files that the peer would read with the state that we left: those newer than its watermark.
fn taken_by_the_peer(site: &Site) -> Vec<String> {
    let watermark = last_run(site);
    let mut taken: Vec<String> = site.left().into_iter().collect();
    taken.retain(|name| {
        let metadata = fs::metadata(site.inbox().join(name)).unwrap();
        watermark < seconds(metadata.modified().unwrap())
    });
    taken
}

/// Whether the platform holds a state in which something was imported.
fn holds_state(site: &Site) -> bool {
    let state = site.platform.state_of(CONNECTOR_ID);
    state.is_some_and(|state| state.contains("last_run_directory"))
}

/// How many files were sent: each has one message, and each work holds one thing besides.
fn files_told(site: &Site) -> usize {
    let told = site.platform.calls_of("addExpectations");
    let added: u64 = told
        .iter()
        .filter_map(|call| call.arguments["expectations"].as_u64())
        .sum();
    let added = usize::try_from(added).unwrap();
    added.saturating_sub(site.platform.works().len())
}

fn pings(site: &Site) -> usize {
    site.platform.calls_of("pingConnector").len()
}

/// The log line whose message holds these words.
fn line_with(run: &Run, words: &str) -> Value {
    let line = run.stderr.lines().find(|line| line.contains(words));
    let line = line.unwrap_or_else(|| panic!("no {words:?} in {}", run.stderr));
    serde_json::from_str(line).unwrap()
}
