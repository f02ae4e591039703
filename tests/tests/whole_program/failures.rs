//! What is not there, refuses, or breaks: nothing is lost, and the exit code tells.

use std::fs;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tests::envelope::{WEATHER, envelope, identity, malware};
use tests::platform::{Config, Fault};
use tests::program::Program;

use crate::site::{Site, eventually, objects_of};

const FAILED: i32 = 1;
const WRONG_CONFIGURATION: i32 = 2;
const TOKEN_REFUSED: i32 = 3;
const PLATFORM_UNREACHABLE: i32 = 4;

/// Runs a program that has to fail with `code`, naming each of `named`, with the file still there.
async fn fails(site: &Site, program: Program, code: i32, named: &[&str]) {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    for word in named {
        assert!(run.stderr.contains(word), "no {word} in {}", run.stderr);
    }
    assert!(
        !run.stderr.contains(site.platform.token()),
        "the token shows"
    );
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

/// A place without a broker, with one file.
async fn site() -> Site {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site
}

#[tokio::test]
async fn wrong_token_is_told() {
    let site = site().await;
    let program = site.program().with("OPENCTI_TOKEN", "00000000-wrong-token");
    let run = program.run().await.unwrap();
    assert!(
        !run.stderr.contains("00000000-wrong-token"),
        "{}",
        run.stderr
    );
    fails(&site, program, TOKEN_REFUSED, &["OPENCTI_TOKEN"]).await;
}

#[tokio::test]
async fn missing_platform_is_told() {
    let site = site().await;
    // No service of any system uses this port.
    let program = site.program().with("OPENCTI_URL", "http://127.0.0.1:1");
    fails(&site, program, PLATFORM_UNREACHABLE, &["127.0.0.1:1"]).await;
}

#[tokio::test]
async fn what_keeps_a_file_now_is_told_by_each_run() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    for (setting, value) in [("MQ_PASS", "wrong"), ("MQ_VHOST", "nowhere")] {
        let program = site.program().with(setting, value);
        let named = ["file waits", setting];
        fails(&site, program, PLATFORM_UNREACHABLE, &named).await;
    }
}

#[tokio::test]
async fn mappings_to_nobody_are_told_at_the_start() {
    let mappings = "there:dst-user-1,elsewhere:nobody-here";
    for (capability, sending, told) in [
        ("BYPASS", "true", Some("nobody-here")),
        ("BYPASS", "false", Some("nobody-here")),
        ("CONNECTORAPI", "true", None),
    ] {
        let site = Site::with(Config::in_memory().allowing(&[capability])).await;
        let program = site
            .program()
            .with("CONNECTOR_SEND_TO_QUEUE", sending)
            .with("CONNECTOR_LOG_LEVEL", "info")
            .with("DIODE_IMPORT_APPLICANT_MAPPINGS", mappings);
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let warned = "the platform does not know this user";
        let warnings: Vec<&str> = run
            .stderr
            .lines()
            .filter(|line| line.contains(warned))
            .collect();
        assert_eq!(
            warnings.len(),
            usize::from(told.is_some()),
            "{}",
            run.stderr
        );
        assert!(warnings.iter().all(|line| line.contains("nobody-here")));
        assert_eq!(
            run.stderr.contains("lacks the capability BYPASS"),
            told.is_none()
        );
    }
}

#[tokio::test]
async fn wrong_configuration_is_told_all_at_once() {
    let site = site().await;
    let program = site
        .program()
        .without("OPENCTI_TOKEN")
        .with("CONNECTOR_RUN_AND_TERMINATE", "perhaps");
    let named = ["OPENCTI_TOKEN", "CONNECTOR_RUN_AND_TERMINATE"];
    fails(&site, program, WRONG_CONFIGURATION, &named).await;
}

#[tokio::test]
async fn missing_folder_is_told() {
    let site = site().await;
    let missing = site.state().join("no-such-folder");
    let program = site
        .program()
        .with("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", &missing);
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(FAILED), "{}", run.stderr);
    assert!(run.stderr.contains("no-such-folder"), "{}", run.stderr);
    assert!(!missing.exists());
}

#[tokio::test]
async fn work_that_cannot_be_opened_leaves_the_file_for_the_next_run() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.platform
        .fail("workAdd", 1..=1, Fault::error("LOCK_ERROR"));
    site.program().run().await.unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    assert!(site.drain(WEATHER.id).await.is_empty());
    site.run().await;
    assert_eq!(objects_of(&site.drain(WEATHER.id).await).len(), 1);
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn transient_faults_anywhere_lose_nothing() {
    let operations = [
        "about",
        "registerConnector",
        "pingConnector",
        "workAdd",
        "work",
        "addExpectations",
        "reportExpectation",
        "toProcessed",
    ];
    let faults = [
        Fault::error("DATABASE_ERROR"),
        Fault::http(429),
        Fault::http(502),
        Fault::http(503),
        Fault::Cut,
        Fault::CutAfterwards,
    ];
    let cases = operations
        .iter()
        .flat_map(|operation| faults.iter().map(move |fault| (*operation, fault)));
    stream::iter(cases)
        .for_each_concurrent(8, |(operation, fault)| lose_nothing(operation, fault))
        .await;
}

async fn lose_nothing(operation: &str, fault: &Fault) {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), identity(1)]));
    site.platform.fail(operation, 1..=2, fault.clone());
    for _ in 0..4 {
        site.program().run().await.unwrap();
    }
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert!(site.left().is_empty(), "{operation} {fault:?}");
    for object in [malware(1), identity(1)] {
        let id = object["id"].as_str().unwrap();
        assert!(
            sent.iter().any(|sent| sent == id),
            "{operation} {fault:?}: {sent:?}"
        );
    }
}

#[tokio::test]
async fn queue_that_was_deleted_is_declared_again() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), malware(2)]));
    site.platform
        .fail("addExpectations", 1..=1, Fault::LoseQueues);
    site.run().await;
    let messages = site.drain(WEATHER.id).await;
    assert_eq!(
        objects_of(&messages).len(),
        2,
        "{:?}",
        objects_of(&messages)
    );
    assert!(site.left().is_empty());
    site.assert_accounted(&messages);
}

#[tokio::test]
async fn message_beyond_the_broker_s_limit_is_named_and_the_rest_sent() {
    let site = Site::new().await;
    let mut huge = malware(2);
    huge["description"] = "x".repeat(13 * 1024 * 1024).into();
    let envelope = envelope(WEATHER, 1, &[malware(1), huge, malware(3)]);
    site.put("a.json", &envelope);
    site.run().await;
    let messages = site.drain(WEATHER.id).await;
    assert_eq!(objects_of(&messages).len(), 2);
    let reason = site.reason("a.json");
    assert_eq!(reason["code"], "partial", "{reason:#}");
    let named = reason["findings"].to_string();
    let id = malware(2)["id"].to_string();
    for word in ["$.bundle.objects[1]", &id, "16777216", "max_message_size"] {
        assert!(named.contains(word), "no {word} in {reason:#}");
    }
    assert_eq!(
        site.read("rejected/a.json"),
        envelope.to_string().as_bytes()
    );
    site.assert_accounted(&messages);
}

#[tokio::test]
async fn killed_run_loses_nothing() {
    let site = Site::new().await;
    let objects: Vec<_> = (1..=2000).map(malware).collect();
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    site.platform
        .fail("toProcessed", 1..=1, Fault::Delay(Duration::from_secs(600)));
    let running = site.program().start().unwrap();
    eventually("everything is published", || {
        !site.platform.calls_of("toProcessed").is_empty()
    })
    .await;
    running.kill().await.unwrap();
    site.run().await;
    assert!(site.left().is_empty());
    let mut sent = objects_of(&site.drain(WEATHER.id).await);
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), 2000);
    assert!(fs::read_dir(site.state()).unwrap().next().is_some());
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_told_as_such_and_left_alone() {
    let site = Site::new().await;
    site.run().await;
    let path = site.state().join("ledger.sqlite3");
    let set = |version: i64| {
        let ledger = rusqlite::Connection::open(&path).unwrap();
        ledger.pragma_update(None, "user_version", version).unwrap();
    };
    set(99);
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let run = site.program().run().await.unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let words = "was written by a newer version of diode-import (it has schema 99";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    assert!(run.stderr.contains("run that version"), "{}", run.stderr);
    assert!(!run.stderr.contains("can be written to"), "{}", run.stderr);
    assert!(site.left().contains("a.json"));
}

#[tokio::test]
async fn a_clock_far_from_the_platform_s_is_told() {
    let told = async |date: Option<&str>| {
        let config = Config {
            date: date.map(str::to_owned),
            ..Config::in_memory()
        };
        let site = Site::with(config).await;
        let run = site.run().await;
        run.stderr.matches("this machine's clock says").count()
    };
    assert_eq!(told(Some("Thu, 01 Jan 2026 00:00:00 GMT")).await, 1);
    assert_eq!(told(None).await, 0);
}

#[tokio::test]
async fn damaged_ledger_is_kept_and_the_watermark_goes_on() {
    let site = Site::new().await;
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    assert_eq!(program.run().await.unwrap().code, Some(0));
    let ledger = site.state().join("ledger.sqlite3");
    fs::write(&ledger, "nothing of a ledger").unwrap();

    let new = envelope(WEATHER, 2, &[malware(2)]).to_string();
    site.put_bytes("b.json", new.as_bytes(), std::time::SystemTime::now());
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("the ledger is damaged"),
        "{}",
        run.stderr
    );
    let names = fs::read_dir(site.state()).unwrap();
    let kept = names
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".broken-"));
    assert_eq!(fs::read(kept.unwrap()).unwrap(), b"nothing of a ledger");
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent.len(), 2, "each file once: {sent:?}");
}
