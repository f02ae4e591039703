//! The program on platforms from the oldest to the newest, with a token that may do no more than
//! importing needs.

use tests::envelope::{WEATHER, envelope, identity, malware, report};
use tests::platform::Config;

use crate::site::{Site, broker, objects_of};

const ONLY: &[&str] = &["CONNECTORAPI"];
/// What platforms before 6.0.9 want besides.
const AND_IMPORT: &[&str] = &["CONNECTORAPI", "KNOWLEDGE_KNASKIMPORT"];

#[tokio::test]
async fn every_version_imports_over_the_broker() {
    for (version, capabilities) in [
        ("6.0.0", AND_IMPORT),
        ("6.0.9", ONLY),
        ("6.4.0", ONLY),
        ("6.9.28", ONLY),
        ("7.260309.0-lts.2", ONLY),
        ("7.261026.0", ONLY),
    ] {
        let config = Config::on_broker(broker()).in_version(version);
        let site = with_one_file(config.allowing(capabilities)).await;
        site.run().await;
        let messages = site.drain(WEATHER.id).await;
        assert_eq!(objects_of(&messages).len(), 3, "{version}");
        site.assert_accounted(&messages);
        assert!(site.left().is_empty(), "{version}");
    }
}

#[tokio::test]
async fn every_version_that_takes_bundles_imports_over_the_api() {
    for version in ["6.4.0", "6.9.28", "7.261026.0"] {
        let config = Config::in_memory().in_version(version);
        let site = with_one_file(config.allowing(ONLY)).await;
        let program = site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api");
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{version}: {}", run.stderr);
        assert!(!site.drain(WEATHER.id).await.is_empty(), "{version}");
        assert!(site.left().is_empty(), "{version}");
    }
}

#[tokio::test]
async fn version_without_bundles_over_the_api_lets_files_wait() {
    let config = Config::in_memory().in_version("6.2.5");
    let site = with_one_file(config).await;
    let program = site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let run = program.run().await.unwrap();
    assert_ne!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("6.2.6"), "{}", run.stderr);
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn missing_capability_is_named_and_ends_the_program() {
    check_missing("7.261026.0", &["KNOWLEDGE"], "CONNECTORAPI").await;
    check_missing("6.0.0", &["KNOWLEDGE"], "CONNECTORAPI").await;
    check_missing("6.0.8", ONLY, "KNOWLEDGE_KNASKIMPORT").await;
}

async fn check_missing(version: &str, held: &[&str], named: &str) {
    let config = Config::on_broker(broker()).in_version(version);
    let site = with_one_file(config.allowing(held)).await;
    let run = site.program().run().await.unwrap();
    assert_eq!(run.code, Some(3), "{version}: {}", run.stderr);
    let words = format!("lacks the capability {named};");
    assert!(run.stderr.contains(&words), "{version}: {}", run.stderr);
    assert_eq!(site.left(), ["a.json".to_owned()].into(), "{version}");
}

/// A site with a file of three objects that hang together.
async fn with_one_file(config: Config) -> Site {
    let site = Site::with(config).await;
    let (author, sample) = (identity(1), malware(1));
    let report = report(1, &author, &[&sample]);
    site.put("a.json", &envelope(WEATHER, 1, &[report, sample, author]));
    site
}
