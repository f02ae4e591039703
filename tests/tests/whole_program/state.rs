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
    put(&site, 4, now + Duration::from_millis(1));
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

/// Case `future-mtime`.
#[tokio::test]
async fn a_file_of_2100_does_not_let_files_of_now_count_as_imported() {
    let site = site().await;
    let of_2100 = UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    put(&site, 1, at(1.0));
    put(&site, 2, of_2100);
    run(&program(&site, KEEP)).await;
    assert_eq!(sent(&site).await, [1, 2]);
    assert_eq!(last_run(&site), seconds(at(1.0)));

    // A container made anew without its volume.
    fs::remove_dir_all(site.state()).unwrap();
    put(&site, 3, SystemTime::now());
    let told = run(&program(&site, KEEP)).await;
    let sent_then = sent(&site).await;
    assert!(
        sent_then.contains(&3) && !sent_then.contains(&1),
        "{sent_then:?}"
    );
    assert!(!told.stderr.contains("later than now"), "{}", told.stderr);

    // The Python connector's state, or that of an earlier version.
    let later = r#"{"last_run_directory": 4102444800.0}"#;
    site.platform.hold_state(CONNECTOR_ID, later);
    fs::remove_dir_all(site.state()).unwrap();
    put(&site, 4, SystemTime::now());
    let told = run(&program(&site, KEEP)).await;
    assert!(sent(&site).await.contains(&4));
    assert_eq!(
        told.stderr.matches("later than now").count(),
        1,
        "{}",
        told.stderr
    );
    let line = line_with(&told, "later than now");
    assert_eq!(line["level"], "WARNING", "{line}");
    let now = SystemTime::now();
    assert!(
        last_run(&site) <= seconds(now),
        "what is handed in is never later than now"
    );
    assert_eq!(taken_by_the_peer(&site), ["2.json"]);
}

/// Case `same-file-again`.
#[tokio::test]
async fn the_same_file_again_is_told_and_not_sent_where_that_is_set() {
    for (hours, expect) in [("0", &[1][..]), ("24", &[])] {
        let site = site().await;
        let program = program(&site, DELETE).with("DIODE_IMPORT_SKIP_KNOWN_HOURS", hours);
        put(&site, 1, at(1.0));
        run(&program).await;
        assert_eq!(sent(&site).await, [1]);
        for _ in 0..2 {
            put(&site, 1, at(1.0));
            let told = run(&program).await;
            assert_eq!(sent(&site).await, expect, "{hours}");
            assert!(site.left().is_empty());
            let line = line_with(&told, "same content as 1.json, imported at 20");
            assert_eq!(line["level"], "INFO", "{line}");
            let attributes = &line["attributes"];
            assert_eq!(attributes["same_as"], "1.json", "{line}");
            assert!(attributes["imported_at"].is_string(), "{line}");
            assert_eq!(attributes["messages"], expect.len(), "{line}");
        }
    }
}

#[tokio::test]
async fn rejected_files_stay_for_a_time_of_their_own_and_are_told_of() {
    let site = site().await;
    site.put_bytes("a.json", b"{", long_ago());
    let program = program(&site, DELETE).with("DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION", "1");
    let lying = "rejected files lie where they were set aside";
    assert!(!run(&program).await.stderr.contains(lying));
    // As if all that had been a month ago.
    let earlier = |columns: &[(&str, &str)]| {
        let ledger = rusqlite::Connection::open(site.state().join("ledger.sqlite3")).unwrap();
        for (table, column) in columns {
            let month = 30 * 86_400_000_i64;
            let change = format!("UPDATE {table} SET {column} = {column} - {month}");
            ledger.execute(&change, []).unwrap();
        }
    };
    earlier(&[
        ("files", "decided_at_ms"),
        ("files", "gone_at_ms"),
        ("sources", "set_aside_told_ms"),
    ]);
    let told = run(&program).await;
    let line = line_with(&told, lying);
    assert_eq!(
        (&line["attributes"]["files"], &line["attributes"]["bytes"]),
        (&1.into(), &1.into())
    );
    assert!(
        !run(&program).await.stderr.contains(lying),
        "it was told just now"
    );
    assert!(site.left().contains("rejected/a.json"));
    run(&program.with("DIODE_IMPORT_REJECTED_RETENTION", "20")).await;
    assert!(site.left().is_empty(), "{:?}", site.left());
    let history = site
        .program()
        .argument("history")
        .argument("--json")
        .run()
        .await
        .unwrap();
    assert!(
        history.stdout.contains("invalid-json"),
        "{}",
        history.stdout
    );
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
    site.platform.delete_connector(CONNECTOR_ID).await.unwrap();
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
