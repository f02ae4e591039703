//! A platform that is away or refuses while a daemon runs: files wait, and go on.

use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Fault;

use crate::site::{Site, samples};

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
    site.platform.delete_connector(WEATHER.id);
    site.platform.lose_queue(WEATHER.id).await.unwrap();
    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    // What had arrived was deleted with the connector's queue.
    let arrived: Vec<String> = site.arrived(WEATHER.id).await.into_keys().collect();
    assert_eq!(arrived, [malware(2)["id"].as_str().unwrap()]);
}
