//! What becomes of files over several runs, and of a daemon.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use tests::envelope::{HARBOUR, WEATHER, envelope, identity, malware, report};
use tests::platform::Fault;
use tests::program::CONNECTOR_ID;

use crate::site::{Site, eventually, long_ago, objects_of};

#[tokio::test]
async fn kept_files_are_sent_once() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    for _ in 0..2 {
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), ids([malware(1)]));
    assert!(site.left().contains("a.json"));
    let state = fs::read_dir(site.state()).unwrap().count();
    assert!(state > 0, "nothing in the state folder");
}

#[tokio::test]
async fn a_single_pass_reads_its_first_file_while_the_platform_is_asked() {
    let site = Site::new().await;
    let mut large = malware(1);
    large["description"] = "x".repeat(3_000_000).into();
    site.put("a.json", &envelope(WEATHER, 1, &[large]));
    site.put_bytes("b.json", b"{", long_ago());
    let never = Fault::Delay(Duration::from_secs(600));
    site.platform.fail("registerConnector", 1..=1, never);
    let running = site.program().start().unwrap();
    let is_read = || running.bytes_read().unwrap() > 3_000_000;
    let is_asked = || site.platform.calls_of("registerConnector").len() == 1;
    eventually("the file is read, and the platform asked", || {
        is_read() && is_asked()
    })
    .await;
    running.kill().await.unwrap();
    let left = ["a.json", "b.json"].map(ToOwned::to_owned);
    assert_eq!(site.left(), left.into(), "nothing is done but reading");
}

#[tokio::test]
async fn kept_file_that_is_replaced_is_sent_again() {
    let site = Site::new().await;
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    for number in [1, 2] {
        site.put("a.json", &envelope(WEATHER, number, &[malware(number)]));
        assert_eq!(program.run().await.unwrap().code, Some(0));
    }
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, ids([malware(1), malware(2)]));
}

#[tokio::test]
async fn late_arrivals_are_imported_though_files_are_kept() {
    let site = Site::new().await;
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    for (number, modified) in [(1, long_ago()), (2, long_ago() - Duration::from_secs(3600))] {
        let envelope = envelope(WEATHER, number, &[malware(number)]).to_string();
        site.put_bytes(&format!("{number}.json"), envelope.as_bytes(), modified);
        assert_eq!(program.run().await.unwrap().code, Some(0));
    }
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, ids([malware(1), malware(2)]));
}

#[tokio::test]
async fn dependencies_go_first_and_connectors_apart() {
    let site = Site::new().await;
    let (author, sample) = (identity(1), malware(1));
    let report = report(1, &author, &[&sample]);
    let objects = [report.clone(), sample.clone(), author.clone()];
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    site.put("b.json", &envelope(HARBOUR, 2, &[malware(2)]));
    site.run().await;
    let weather = site.drain(WEATHER.id).await;
    let sent = objects_of(&weather);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent.last(), ids([report]).first());
    let harbour = site.drain(HARBOUR.id).await;
    assert_eq!(objects_of(&harbour), ids([malware(2)]));
    site.assert_accounted(&[weather, harbour].concat());
}

#[tokio::test]
async fn half_written_file_waits_until_it_is_finished() {
    let site = Site::new().await;
    let whole = envelope(WEATHER, 1, &[malware(1)]).to_string();
    let program = site.program().with("DIODE_IMPORT_SETTLE_SECONDS", "3600");
    site.put_bytes("a.json", &whole.as_bytes()[..200], SystemTime::now());
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        site.left(),
        ["a.json".to_owned()].into(),
        "set aside too soon"
    );
    site.put_bytes("a.json", whole.as_bytes(), SystemTime::now());
    assert_eq!(program.run().await.unwrap().code, Some(0));
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), ids([malware(1)]));
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn daemon_imports_what_arrives_and_stops_when_told() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon().start().unwrap();
    eventually("the first file is imported", || site.left().is_empty()).await;
    assert_eq!(site.platform.registered()[0]["id"], CONNECTOR_ID);
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    eventually("the second file is imported", || site.left().is_empty()).await;

    let told = Instant::now();
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        told.elapsed() < Duration::from_secs(10),
        "{:?}",
        told.elapsed()
    );
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, ids([malware(1), malware(2)]));
}

#[tokio::test]
async fn daemon_stops_in_the_middle_of_a_slow_call() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let slow = Fault::Delay(Duration::from_secs(600));
    site.platform.fail("addExpectations", .., slow);
    let daemon = site.daemon().start().unwrap();
    eventually("the slow call is made", || {
        !site.platform.calls_of("addExpectations").is_empty()
    })
    .await;
    let told = Instant::now();
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        told.elapsed() < Duration::from_secs(10),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn second_daemon_stands_by_and_takes_over_when_the_first_is_killed() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let first = site.daemon().start().unwrap();
    eventually("the first imports", || site.left().is_empty()).await;
    let registered = site.platform.registered().len();

    let once = site.program().run().await.unwrap();
    assert_eq!(once.code, Some(5), "{}", once.stderr);
    let (place, pid) = (site.state(), first.id().unwrap());
    let taken = format!(
        "another diode-import is at work on {}: process {pid} ",
        place.display()
    );
    assert!(once.stderr.contains(&taken), "{}", once.stderr);
    assert!(once.stderr.contains(" of user "), "{}", once.stderr);
    // The folder is claimed, too, by whoever has a ledger of its own.
    let elsewhere = site.state().with_file_name("other-state");
    let second = site.daemon().with("DIODE_IMPORT_STATE_PATH", &elsewhere);
    let second = second.start().unwrap();
    eventually("the second is there", || elsewhere.exists()).await;
    assert_eq!(site.platform.registered().len(), registered);

    first.kill().await.unwrap();
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    eventually("the second imports", || site.left().is_empty()).await;
    second.terminate().await.unwrap();
    let run = second.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        run.stderr.matches("standing by").count(),
        1,
        "{}",
        run.stderr
    );
    let taken = format!("at work on {}: process {pid} ", site.inbox().display());
    assert!(run.stderr.contains(&taken), "{}", run.stderr);
    assert!(run.stderr.contains("taking over"), "{}", run.stderr);
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, ids([malware(1), malware(2)]));
}

#[tokio::test]
async fn log_lines_are_json_and_never_hold_the_token() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.put_bytes("b.json", b"{", long_ago());
    let program = site.program().with("CONNECTOR_LOG_LEVEL", "trace");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let token = site.platform.token();
    assert!(!run.stderr.contains(token) && !run.stdout.contains(token));
    assert!(run.stderr.contains("a.json") && run.stderr.contains("b.json"));
    for line in run.stderr.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for key in ["timestamp", "level", "name", "message"] {
            assert!(line[key].is_string(), "{key} in {line}");
        }
    }
}

fn ids<const N: usize>(objects: [serde_json::Value; N]) -> Vec<String> {
    let ids = objects.iter().map(|object| object["id"].as_str().unwrap());
    ids.map(ToOwned::to_owned).collect()
}
