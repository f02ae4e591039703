//! Killed at each step of a file's way, and started again: nothing is lost, and what was recorded
//! as delivered is not sent again.
//!
//! The steps are held from outside: the platform does not answer, the proxy withholds the broker's
//! confirms, somebody else has the ledger locked, the folder cannot be written to.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rusqlite::Connection;
use tests::envelope::{WEATHER, envelope};
use tests::platform::{Config, Fault};
use tests::program::Running;
use tests::proxy::Proxy;

use crate::site::{Site, broker, eventually, proxy, samples};

/// Kills a run that the platform holds, and checks that the next one imports the file once.
async fn killed_in(operation: &str, call: usize, fault: Fault, held: impl Fn(&Site) -> bool) {
    let site = Site::new().await;
    let (objects, wanted) = samples(3, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    site.platform.fail(operation, call..=call, fault.clone());
    let running = site.program().start().unwrap();
    eventually(&format!("{operation} is called"), || {
        site.platform.calls_of(operation).len() >= call && held(&site)
    })
    .await;
    running.kill().await.unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    site.run().await;
    assert!(site.left().is_empty(), "{operation} {fault:?}");
    let arrived = site.arrived(WEATHER.id).await;
    assert_eq!(arrived, wanted, "{operation} {fault:?}");
}

/// A time that no run is waited for.
const NEVER: Fault = Fault::Delay(Duration::from_secs(600));

#[tokio::test]
async fn before_or_after_the_connector_is_registered() {
    killed_in("registerConnector", 2, NEVER, |_| true).await;
    let registered = |site: &Site| site.platform.connectors().len() == 2;
    killed_in("registerConnector", 2, Fault::HangAfterwards, registered).await;
}

#[tokio::test]
async fn before_or_after_the_work_is_opened() {
    killed_in("workAdd", 1, NEVER, |_| true).await;
    let opened = |site: &Site| site.platform.works().len() == 1;
    killed_in("workAdd", 1, Fault::HangAfterwards, opened).await;
}

#[tokio::test]
async fn before_or_after_the_expectations_are_told() {
    killed_in("addExpectations", 1, NEVER, |_| true).await;
    let told = |site: &Site| site.platform.works()[0].expected > 0;
    killed_in("addExpectations", 1, Fault::HangAfterwards, told).await;
}

#[tokio::test]
async fn in_the_middle_of_sending() {
    let site = Site::with(Config {
        queue_limit: Some(2),
        ..Config::on_broker(broker())
    })
    .await;
    let (objects, wanted) = samples(5, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    let running = site.daemon().logging_to(&site.log()).start().unwrap();
    site.logged(&["the broker refuses messages"]).await;
    running.kill().await.unwrap();
    let mut arrived = site.arrived(WEATHER.id).await;
    assert_eq!(arrived.len(), 2, "the broker took more than it may");
    assert_eq!(site.left(), ["a.json".to_owned()].into());

    let running = site.daemon().start().unwrap();
    while !site.left().is_empty() {
        merge(&mut arrived, site.arrived(WEATHER.id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    merge(&mut arrived, site.arrived(WEATHER.id).await);
    running.terminate().await.unwrap();
    assert_eq!(running.wait().await.unwrap().code, Some(0));
    assert!(arrived.keys().eq(wanted.keys()), "{arrived:?}");
    let sent: usize = arrived.values().sum();
    assert_eq!(sent, 2 + 5, "the file is sent again in full, once");
}

/// A daemon whose messages have reached the broker, and whose confirms are withheld.
async fn unconfirmed(site: &Site, proxy: &Proxy) -> Running {
    let (objects, _) = samples(5, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    proxy.withhold_confirms();
    let running = site.daemon_behind(proxy).start().unwrap();
    eventually("everything is published", || proxy.published() == 5).await;
    running
}

#[tokio::test]
async fn between_the_last_message_and_the_first_confirm() {
    let (site, proxy) = (Site::new().await, proxy().await);
    let running = unconfirmed(&site, &proxy).await;
    let mut arrived = site.arrived(WEATHER.id).await;
    while arrived.len() < 5 {
        merge(&mut arrived, site.arrived(WEATHER.id).await);
    }
    running.kill().await.unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    site.run().await;
    assert!(site.left().is_empty());
    merge(&mut arrived, site.arrived(WEATHER.id).await);
    assert_eq!(arrived, samples(5, 2).1);
}

#[tokio::test]
async fn between_the_last_confirm_and_the_ledger() {
    let (site, proxy) = (Site::new().await, proxy().await);
    let running = unconfirmed(&site, &proxy).await;
    let ledger = Connection::open(site.state().join("ledger.sqlite3")).unwrap();
    ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
    proxy.release_confirms();
    eventually("the confirms are through", || proxy.confirmed() > 0).await;
    running.kill().await.unwrap();
    drop(ledger);
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    site.run().await;
    assert!(site.left().is_empty());
    let arrived = site.arrived(WEATHER.id).await;
    assert_eq!(arrived, samples(5, 2).1);
}

/// The place of a file that is recorded as imported, and could not be deleted before the kill.
async fn recorded() -> Site {
    let site = Site::new().await;
    let (objects, _) = samples(3, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    fs::set_permissions(site.inbox(), Permissions::from_mode(0o555)).unwrap();
    let daemon = site.daemon().kept_by_modes().logging_to(&site.log());
    let running = daemon.start().unwrap();
    site.logged(&["a.json", "permits reading only"]).await;
    running.kill().await.unwrap();
    fs::set_permissions(site.inbox(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    site
}

#[tokio::test]
async fn between_the_ledger_and_the_removal() {
    let site = recorded().await;
    site.run().await;
    assert!(site.left().is_empty());
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
}

#[tokio::test]
async fn while_the_file_is_removed() {
    let site = recorded().await;
    // For a moment a file that is being removed has a name that no listing shows.
    let hidden = site.inbox().join(".diode-import-held-0-a.json");
    fs::rename(site.inbox().join("a.json"), hidden).unwrap();
    site.run().await;
    assert!(site.left().is_empty());
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
}

#[tokio::test]
async fn between_the_ledger_and_the_setting_aside() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[]));
    // Where the folder for rejected files has to be is a file.
    fs::write(site.inbox().join("rejected"), "in the way").unwrap();
    let running = site.daemon().logging_to(&site.log()).start().unwrap();
    site.logged(&["a.json", "cannot be set aside"]).await;
    running.kill().await.unwrap();
    fs::remove_file(site.inbox().join("rejected")).unwrap();
    site.run().await;
    let aside = ["rejected/a.json", "rejected/a.json.reason.json"];
    assert_eq!(site.left(), aside.map(str::to_owned).into());
    assert_eq!(site.reason("a.json")["code"], "nothing-to-import");
}

fn merge(into: &mut BTreeMap<String, usize>, arrived: BTreeMap<String, usize>) {
    for (id, times) in arrived {
        *into.entry(id).or_default() += times;
    }
}
