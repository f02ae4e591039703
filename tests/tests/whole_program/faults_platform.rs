//! A platform that is away or refuses while a daemon runs: files wait, and go on.

use std::time::Duration;

use futures::future::join_all;
use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::Fault;

use crate::site::{Site, eventually, proxy, samples, work_of};

/// A file arrives while the platform fails, and is imported when it does not any more.
async fn outlasts(fault: Fault, told: &str) {
    let site = Site::new().await;
    let daemon = site.daemon().logging_to(&site.log()).start().unwrap();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.emptied().await;
    site.platform.break_down(fault);
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    site.logged(&["b.json", "file waits", told]).await;
    site.platform.recover();
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(2, 1).1);
}

#[tokio::test]
async fn one_that_is_unavailable() {
    outlasts(Fault::http(503), "503").await;
}

#[tokio::test]
async fn one_that_has_too_much_to_do() {
    outlasts(Fault::http(429), "429").await;
}

#[tokio::test]
async fn one_that_hangs_up() {
    outlasts(Fault::Cut, "platform").await;
}

#[tokio::test]
async fn one_that_has_revoked_our_token() {
    outlasts(Fault::error("AUTH_REQUIRED"), "AUTH_REQUIRED").await;
}

#[tokio::test]
async fn one_that_is_down_at_the_start() {
    let site = Site::new().await;
    site.platform.break_down(Fault::http(503));
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon().logging_to(&site.log()).start().unwrap();
    site.logged(&["waiting for the platform", "503"]).await;
    site.platform.recover();
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1);
}

#[tokio::test]
async fn one_whose_user_deletes_the_connector() {
    let site = Site::new().await;
    let daemon = site.daemon().logging_to(&site.log()).start().unwrap();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.emptied().await;
    site.platform.delete_connector(WEATHER.id).await.unwrap();
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    // What had arrived was deleted with the connector's queue.
    let arrived: Vec<String> = site.arrived(WEATHER.id).await.into_keys().collect();
    assert_eq!(arrived, [malware(2)["id"].as_str().unwrap()]);
}

/// The program gives up a request after a minute. What is harmless to ask twice is asked again;
/// where it is not, the file waits, and those of other connectors go on.
#[tokio::test]
async fn one_that_never_answers_a_request() {
    let (waits, goes_on) = (4, 0);
    let cases = [
        ("about", 1, goes_on),
        ("registerConnector", 1, goes_on),
        ("registerConnector", 2, goes_on),
        ("workAdd", 1, waits),
        ("addExpectations", 1, waits),
        ("addExpectations", 2, waits),
        ("pingConnector", 1, goes_on),
        ("reportExpectation", 1, goes_on),
        ("toProcessed", 1, goes_on),
    ];
    join_all(cases.map(|(operation, call, code)| never_answers(operation, call, code))).await;
}

async fn never_answers(operation: &str, call: usize, code: i32) {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.put("b.json", &envelope(HARBOUR, 2, &[malware(2)]));
    let never = Fault::Delay(Duration::from_secs(600));
    site.platform.fail(operation, call..=call, never);
    let run = site.program().run().await.unwrap();
    let told = format!("{operation} {call}: {}", run.stderr);
    assert_eq!(run.code, Some(code), "{told}");
    let waiting = (code != 0).then(|| "a.json".to_owned());
    assert_eq!(site.left(), waiting.into_iter().collect(), "{told}");
    assert_eq!(site.arrived(HARBOUR.id).await.len(), 1, "{told}");
    site.run().await;
    assert!(site.left().is_empty(), "{told}");
    assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1, "{told}");
}

#[tokio::test]
async fn one_whose_user_deletes_a_work_while_a_file_is_sent_for_it() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon_behind(&proxy).start().unwrap();
    eventually("the first is sent", || proxy.published() == 1).await;
    let deleted = site.platform.works().remove(0).id;
    site.platform.delete_work(&deleted);
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    proxy.release_confirms();
    // Well before open works are looked at again, or this one no longer counts as seen alive.
    let soon = tokio::time::timeout(Duration::from_secs(20), site.emptied()).await;
    assert!(soon.is_ok(), "the second file waits: {:?}", site.left());
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    let works: Vec<String> = site.drain(WEATHER.id).await.iter().map(work_of).collect();
    assert_eq!(works.len(), 2, "each file is sent once: {works:?}");
    assert_eq!(works[0], deleted);
    let known = site.platform.works();
    assert!(known.iter().any(|work| work.id == works[1]), "{known:#?}");
}
