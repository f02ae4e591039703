//! Queues that are full, by what the platform tells or by what the broker does.

use serde_json::Value;
use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::CONNECTOR_ID;

use crate::site::{Site, broker, eventually, samples};

fn told(site: &Site, key: &str) -> Value {
    site.platform.info_of(CONNECTOR_ID)[key].take()
}

#[tokio::test]
async fn a_full_queue_is_waited_for_while_other_connectors_go_on() {
    let site = Site::new().await;
    site.platform.fill_queue(WEATHER.id, 600_000_000);
    site.platform.fill_queue(HARBOUR.id, 1);
    for (name, source, number) in [
        ("1.json", WEATHER, 1),
        ("2.json", HARBOUR, 2),
        ("3.json", WEATHER, 3),
    ] {
        site.put(name, &envelope(source, number, &[malware(number)]));
    }
    let daemon = site.daemon().logging_to(&site.log()).start().unwrap();
    site.logged(&["file waits", "3.json", "queue-full"]).await;
    eventually("buffering is told", || told(&site, "buffering") == true).await;
    assert_eq!(told(&site, "queue_messages_size"), 600.0);
    assert_eq!(told(&site, "queue_threshold"), 500.0);
    let left = ["1.json", "3.json"].map(ToOwned::to_owned);
    eventually("the other file is gone", || {
        site.left() == left.clone().into()
    })
    .await;
    assert_eq!(site.drain(WEATHER.id).await, []);
    assert_eq!(site.drain(HARBOUR.id).await.len(), 1);
    assert!(
        site.platform
            .works()
            .iter()
            .all(|work| work.connector_id == HARBOUR.id)
    );

    site.platform.fill_queue(WEATHER.id, 499_000_000);
    site.emptied().await;
    eventually("the end of it is told", || {
        told(&site, "buffering") == false
    })
    .await;
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0));
    let said = run
        .stderr
        .lines()
        .filter(|line| line.contains("file waits"));
    assert_eq!(said.count(), 2, "once for each file: {}", run.stderr);
    assert_eq!(site.drain(WEATHER.id).await.len(), 2);
}

#[tokio::test]
async fn a_single_pass_leaves_what_waits_for_its_queue_to_the_next() {
    let site = Site::new().await;
    site.platform.fill_queue(WEATHER.id, 3_000_000);
    site.put("1.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = site.program().with("CONNECTOR_QUEUE_THRESHOLD", "3");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("queue-full"), "{}", run.stderr);
    assert_eq!(site.left(), ["1.json".to_owned()].into());
    site.run().await;
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn queues_that_cannot_be_looked_at_are_gone_without_and_that_is_said_once() {
    for (version, capability, looks) in [("6.1.11", "BYPASS", 0), ("6.6.0", "CONNECTORAPI", 1)] {
        let config = Config::on_broker(broker()).in_version(version);
        let site = Site::with(config.allowing(&[capability])).await;
        for source in [WEATHER, HARBOUR] {
            site.platform.fill_queue(source.id, 600_000_000);
            let name = format!("{}.json", source.id);
            site.put(&name, &envelope(source, 1, &[malware(1)]));
        }
        let program = site.program().with("CONNECTOR_LOG_LEVEL", "info");
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{version}: {}", run.stderr);
        assert!(site.left().is_empty(), "{version}");
        let said = "CONNECTOR_QUEUE_THRESHOLD has no effect";
        let lines = run.stderr.lines().filter(|line| line.contains(said));
        assert_eq!(lines.count(), 1, "{version}: {}", run.stderr);
        let asked = site.platform.calls_of("connector").len();
        assert!(asked <= looks, "{version}: asked {asked} times");
    }
}

#[tokio::test]
async fn many_small_files_do_not_ask_for_their_queue_one_by_one() {
    let site = Site::new().await;
    for number in 1..=200 {
        let name = format!("{number:03}.json");
        site.put(&name, &envelope(WEATHER, number, &[malware(number)]));
    }
    site.run().await;
    assert!(site.left().is_empty());
    assert_eq!(site.platform.calls_of("connector").len(), 1);
}

#[tokio::test]
async fn a_broker_that_refuses_messages_for_now_is_told_while_it_lasts() {
    let site = Site::with(Config {
        queue_limit: Some(2),
        ..Config::on_broker(broker())
    })
    .await;
    let (objects, _) = samples(5, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    // The platform hears of us after each pass, and this one lasts: only signs of life tell it.
    let daemon = site.daemon().start().unwrap();
    eventually("buffering is told", || told(&site, "buffering") == true).await;
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    let mut arrived = 0;
    while !site.left().is_empty() {
        arrived += site.drain(WEATHER.id).await.len();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    arrived += site.drain(WEATHER.id).await.len();
    assert_eq!(arrived, 5);
    eventually("the end of it is told", || {
        told(&site, "buffering") == false
    })
    .await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
}
