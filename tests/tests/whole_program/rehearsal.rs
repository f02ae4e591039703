//! `CONNECTOR_SEND_TO_QUEUE=false`: everything is said, and nothing done.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, identity, malware};
use tests::platform::Config;
use tests::program::Program;

use crate::site::{Site, eventually, long_ago, objects_of};

fn rehearsal(site: &Site) -> Program {
    site.program().with("CONNECTOR_SEND_TO_QUEUE", "false")
}

/// A place without a broker, with a file for each lot.
async fn site() -> Site {
    let site = Site::with(Config::in_memory()).await;
    let objects = [malware(1), identity(1)];
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2), 7.into()]));
    site.put_bytes("c.json", b"{", long_ago());
    site.put_bytes("d.json", b"{}", long_ago());
    site
}

/// The lines that name a file, as (file, outcome, message).
fn said(log: &str) -> BTreeSet<(String, String, String)> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    lines
        .filter_map(|line| {
            let attributes = &line["attributes"];
            let file = text(&attributes["file"])?;
            Some((file, text(&attributes["outcome"])?, text(&line["message"])?))
        })
        .collect()
}

fn lines(expect: &[(&str, &str, &str)]) -> BTreeSet<(String, String, String)> {
    let own = |(file, outcome, message): &(&str, &str, &str)| {
        (
            (*file).to_owned(),
            (*outcome).to_owned(),
            (*message).to_owned(),
        )
    };
    expect.iter().map(own).collect()
}

fn all() -> BTreeSet<(String, String, String)> {
    lines(&[
        ("a.json", "imported", "file would be imported"),
        ("b.json", "partial", "file would be imported in part"),
        ("c.json", "rejected", "file would be rejected"),
        (
            "d.json",
            "ignored",
            "file would be ignored, and left where it is",
        ),
    ])
}

#[tokio::test]
async fn every_file_is_foretold_and_a_real_run_imports_them_all() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), identity(1)]));
    let run = rehearsal(&site).run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("\"messages\":2"), "{}", run.stderr);
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    assert!(site.platform.registered().is_empty());
    let calls = site.platform.calls();
    let asked = ["about", "me"];
    assert!(
        calls
            .iter()
            .all(|call| asked.contains(&call.operation.as_str()))
    );
    assert!(!site.state().exists());
    site.run().await;
    assert_eq!(objects_of(&site.drain(WEATHER.id).await).len(), 2);
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn each_lot_has_its_line_and_nothing_moves() {
    let site = site().await;
    let before = site.left();
    let run = rehearsal(&site).run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(said(&run.stderr), all(), "{}", run.stderr);
    assert!(run.stderr.contains("rehearsal done"), "{}", run.stderr);
    assert_eq!(site.left(), before);
}

#[tokio::test]
async fn no_platform_is_needed_but_a_refused_token_is_told() {
    let site = site().await;
    let alone = rehearsal(&site).with("OPENCTI_URL", "http://127.0.0.1:1");
    let run = alone.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("without the platform"),
        "{}",
        run.stderr
    );
    assert_eq!(said(&run.stderr), all(), "{}", run.stderr);

    let refused = rehearsal(&site).with("OPENCTI_TOKEN", "00000000-wrong-token");
    let run = refused.run().await.unwrap();
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert_eq!(said(&run.stderr), all(), "{}", run.stderr);
}

#[tokio::test]
async fn settings_are_judged_as_ever() {
    let site = site().await;
    let run = rehearsal(&site)
        .with("DIODE_IMPORT_VALIDATION_MODE", "perhaps")
        .run()
        .await
        .unwrap();
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let missing = site.state().join("no-such-folder");
    let run = rehearsal(&site)
        .with("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", &missing)
        .run()
        .await
        .unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
}

#[tokio::test]
async fn a_daemon_says_each_file_once_until_it_changes() {
    let site = site().await;
    let log = site.state().with_extension("log");
    let daemon = site
        .daemon()
        .with("CONNECTOR_SEND_TO_QUEUE", "false")
        .with("CONNECTOR_LOG_LEVEL", "info")
        .logging_to(&log);
    let running = daemon.start().unwrap();
    let count = |what: &str| {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.matches(what).count()
    };
    eventually("the files are said", || count("rehearsal done") == 1).await;
    site.put("e.json", &envelope(WEATHER, 3, &[malware(3)]));
    eventually("the new file is said", || count("rehearsal done") == 2).await;
    running.terminate().await.unwrap();
    assert_eq!(running.wait().await.unwrap().code, Some(0));
    assert_eq!(count("\"a.json\""), 1);
    assert_eq!(count("\"e.json\""), 1);
}
