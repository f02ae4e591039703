//! What the platform's interface shows of imports: works, across files, runs and kills.

use std::time::Duration;

use serde_json::json;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::{Config, Fault, Message, Status, Work};

use crate::site::{Site, broker, eventually, work_of};

/// Lets the workers process all messages of a work.
async fn process_all(site: &Site) -> Vec<Message> {
    let messages = site.drain(WEATHER.id).await;
    for message in &messages {
        let work = work_of(message);
        site.platform.process(&work).unwrap();
    }
    messages
}

fn statuses(works: &[Work]) -> Vec<Status> {
    works.iter().map(|work| work.status).collect()
}

#[tokio::test]
async fn files_of_a_connector_share_a_work_until_it_is_complete() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), malware(2)]));
    site.put("b.json", &envelope(WEATHER, 2, &[malware(3)]));
    site.run().await;
    let works = site.platform.works();
    assert_eq!(works.len(), 1, "{works:#?}");
    assert_eq!(works[0].name, "Weather Feed run @ Thu Jan  1 00:00:00 2026");
    assert_eq!(works[0].open(), 3);

    site.put("c.json", &envelope(WEATHER, 3, &[malware(4)]));
    site.run().await;
    assert_eq!(site.platform.works().len(), 1, "it was still in progress");
    assert_eq!(process_all(&site).await.len(), 4);
    assert_eq!(statuses(&site.platform.works()), [Status::Complete]);

    site.put("d.json", &envelope(WEATHER, 4, &[malware(5)]));
    site.run().await;
    assert_eq!(
        statuses(&site.platform.works()),
        [Status::Complete, Status::Progress]
    );
}

#[tokio::test]
async fn daemon_keeps_a_work_open_between_files_and_closes_it_when_they_cease() {
    let site = Site::new().await;
    let daemon = site.daemon().start().unwrap();
    for number in 1..=3 {
        site.put(
            &format!("{number}.json"),
            &envelope(WEATHER, number, &[malware(number)]),
        );
        eventually("the file is imported", || site.left().is_empty()).await;
        process_all(&site).await;
        assert_eq!(statuses(&site.platform.works()), [Status::Progress]);
    }
    eventually("the work is closed", || {
        statuses(&site.platform.works()) == [Status::Complete]
    })
    .await;
    let work = site.platform.works().remove(0);
    assert_eq!((work.expected, work.processed), (4, 4));
    assert_eq!(work.messages, ["Connector successfully run"]);
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.platform.works().len(), 1);
}

#[tokio::test]
async fn killed_run_s_work_never_expects_less_than_was_sent() {
    let site = Site::new().await;
    let objects: Vec<_> = (1..=300).map(malware).collect();
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    // The second call tells of the file: what follows is sent, and never recorded.
    site.platform.fail(
        "addExpectations",
        2..=2,
        Fault::Delay(Duration::from_secs(2)),
    );
    let running = site.program().start().unwrap();
    eventually("the file is told of", || {
        site.platform.calls_of("addExpectations").len() == 2
    })
    .await;
    running.kill().await.unwrap();
    site.run().await;
    let messages = site.drain(WEATHER.id).await;
    let works = site.platform.works();
    assert_eq!(works.len(), 1, "{works:#?}");
    assert!(works[0].open() >= i64::try_from(messages.len()).unwrap());
    assert_eq!(messages.len(), 300);
}

#[tokio::test]
async fn deleted_work_is_replaced() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.run().await;
    let first = site.platform.works().remove(0).id;
    site.platform.delete_work(&first);
    site.drain(WEATHER.id).await;
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    site.run().await;
    let messages = site.drain(WEATHER.id).await;
    let works = site.platform.works();
    assert_eq!(works.len(), 1);
    assert_ne!(works[0].id, first);
    site.assert_accounted(&messages);
}

#[tokio::test]
async fn broken_objects_are_errors_of_the_work() {
    let site = Site::new().await;
    let broken = json!({ "type": "malware", "name": "without an id" });
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), broken]));
    site.run().await;
    let works = site.platform.works();
    assert_eq!(works[0].errors.len(), 2, "{works:#?}");
    assert!(
        works[0].errors[0].starts_with("a.json: $.bundle.objects[1]"),
        "{works:#?}"
    );
    assert_eq!(works[0].errors[1], "1 object was not sent");
    site.assert_accounted(&site.drain(WEATHER.id).await);
}

#[tokio::test]
async fn whose_token_may_not_read_works_opens_one_in_each_pass_and_reports_to_none() {
    let config = Config::on_broker(broker()).in_version("7.260309.0");
    let site = Site::with(config.allowing(&["CONNECTORAPI"])).await;
    for number in 1..=2 {
        site.put("a.json", &envelope(WEATHER, number, &[malware(number)]));
        let run = site.run().await;
        assert_eq!(run.stderr.matches("may not read works").count(), 1);
    }
    assert_eq!(site.platform.works().len(), 2);
    assert!(site.platform.calls_of("reportExpectation").is_empty());
    site.assert_accounted(&site.drain(WEATHER.id).await);
}
