//! Killed at each step of a file's way, and started again: nothing is lost, and what was recorded
//! as delivered is not sent again. In a folder and in a bucket, with files deleted and kept.
//!
//! The steps are held from outside: the platform or the store does not answer, the proxy withholds
//! the broker's confirms, somebody else has the ledger locked, the folder cannot be written to.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rusqlite::Connection;
use tests::envelope::{WEATHER, envelope, unsupported};
use tests::platform::{Config, Fault};
use tests::program::Running;
use tests::proxy::Proxy;

use crate::proxy::Fault as StoreFault;
use crate::scene::{AfterImport, Scene, comes_true, in_time};
use crate::site::{Site, broker, eventually, proxy, samples};

/// Kills runs that the platform holds, and checks that the next one imports the file once.
async fn killed_in(operation: &str, call: usize, fault: Fault, held: impl Fn(&Site) -> bool) {
    for scene in Scene::all().await {
        let site = &scene.site;
        let (objects, wanted) = samples(3, 1);
        scene.put("a.json", &envelope(WEATHER, 1, &objects)).await;
        site.platform.fail(operation, call..=call, fault.clone());
        let running = scene.program().start().unwrap();
        eventually(&format!("{operation} is called"), || {
            site.platform.calls_of(operation).len() >= call && held(site)
        })
        .await;
        running.kill().await.unwrap();
        scene.assert_in_place().await;
        let arrived = scene.import().await;
        assert_eq!(arrived, wanted, "{operation} {fault:?} {}", scene.name());
    }
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
    let config = Config {
        queue_limit: Some(2),
        ..Config::on_broker(broker())
    };
    for scene in Scene::all_with(&config).await {
        let site = &scene.site;
        let (objects, wanted) = samples(5, 1);
        scene.put("a.json", &envelope(WEATHER, 1, &objects)).await;
        let running = scene.daemon().start().unwrap();
        site.logged(&["the broker refuses messages"]).await;
        running.kill().await.unwrap();
        let mut arrived = site.arrived(WEATHER.id).await;
        assert_eq!(arrived.len(), 2, "the broker took more than it may");
        scene.assert_in_place().await;

        let running = scene.daemon().start().unwrap();
        let is_imported = || {
            fs::read_to_string(site.log())
                .unwrap()
                .contains("file imported")
        };
        in_time("the file is imported", async {
            while !is_imported() {
                merge(&mut arrived, site.arrived(WEATHER.id).await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        merge(&mut arrived, site.arrived(WEATHER.id).await);
        running.terminate().await.unwrap();
        assert_eq!(running.wait().await.unwrap().code, Some(0));
        scene.assert_imported().await;
        assert!(arrived.keys().eq(wanted.keys()), "{arrived:?}");
        let sent: usize = arrived.values().sum();
        assert_eq!(sent, 2 + 5, "the file is sent again in full, once");
    }
}

/// A daemon whose messages have reached the broker, and whose confirms are withheld.
async fn unconfirmed(scene: &Scene, proxy: &Proxy) -> Running {
    let (objects, _) = samples(5, 1);
    scene.put("a.json", &envelope(WEATHER, 1, &objects)).await;
    proxy.withhold_confirms();
    let running = scene.daemon_behind(proxy).start().unwrap();
    eventually("everything is published", || proxy.published() == 5).await;
    running
}

#[tokio::test]
async fn between_the_last_message_and_the_first_confirm() {
    for scene in Scene::all().await {
        let proxy = proxy().await;
        let running = unconfirmed(&scene, &proxy).await;
        let mut arrived = scene.site.arrived(WEATHER.id).await;
        in_time("everything is in the queue", async {
            while arrived.len() < 5 {
                merge(&mut arrived, scene.site.arrived(WEATHER.id).await);
            }
        })
        .await;
        running.kill().await.unwrap();
        scene.assert_in_place().await;
        merge(&mut arrived, scene.import().await);
        assert_eq!(arrived, samples(5, 2).1, "{}", scene.name());
    }
}

#[tokio::test]
async fn between_the_last_confirm_and_the_ledger() {
    for scene in Scene::all().await {
        let proxy = proxy().await;
        let running = unconfirmed(&scene, &proxy).await;
        let ledger = Connection::open(scene.site.state().join("ledger.sqlite3")).unwrap();
        ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
        proxy.release_confirms();
        eventually("the confirms are through", || proxy.confirmed() > 0).await;
        running.kill().await.unwrap();
        drop(ledger);
        scene.assert_in_place().await;
        assert_eq!(scene.import().await, samples(5, 2).1, "{}", scene.name());
    }
}

#[tokio::test]
async fn between_the_ledger_and_the_removal() {
    for scene in Scene::all().await {
        let (objects, wanted) = samples(3, 1);
        scene.put("a.json", &envelope(WEATHER, 1, &objects)).await;
        match (&scene.bucket, scene.after_import) {
            (_, AfterImport::Keep) => killed_once_logged(&scene, "file imported").await,
            (None, AfterImport::Delete) => {
                mode(&scene.site, 0o555);
                killed_once_logged(&scene, "permits reading only").await;
                mode(&scene.site, 0o755);
            }
            (Some(_), AfterImport::Delete) => {
                let held = StoreFault::Delayed(Duration::from_secs(600));
                let (daemon, store) = scene.daemon_at_a_bad_store("DELETE", 0, held).await;
                let running = daemon.start().unwrap();
                eventually("it is to be deleted", || store.requests() > 0).await;
                running.kill().await.unwrap();
            }
        }
        scene.assert_in_place().await;
        assert_eq!(scene.import().await, wanted, "{}", scene.name());
    }
}

/// What a ledger that nobody has open says of a file.
fn outcome_of(site: &Site, name: &str) -> String {
    let ledger = Connection::open(site.state().join("ledger.sqlite3")).unwrap();
    let query = "SELECT outcome FROM files WHERE location = ?1";
    ledger.query_row(query, [name], |row| row.get(0)).unwrap()
}

async fn killed_once_logged(scene: &Scene, words: &str) {
    let running = scene.daemon().kept_by_modes().start().unwrap();
    scene.site.logged(&["a.json", words]).await;
    running.kill().await.unwrap();
}

fn mode(site: &Site, mode: u32) {
    fs::set_permissions(site.inbox(), Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn while_the_file_is_removed() {
    let site = Site::new().await;
    let (objects, wanted) = samples(3, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    mode(&site, 0o555);
    let daemon = site.daemon().kept_by_modes().logging_to(&site.log());
    let running = daemon.start().unwrap();
    site.logged(&["a.json", "permits reading only"]).await;
    running.kill().await.unwrap();
    mode(&site, 0o755);
    // For a moment a file that is being removed has a name that no listing shows.
    let hidden = site.inbox().join(".diode-import-held-0-a.json");
    fs::rename(site.inbox().join("a.json"), hidden).unwrap();
    site.run().await;
    assert!(site.left().is_empty());
    assert_eq!(site.arrived(WEATHER.id).await, wanted);
}

#[tokio::test]
async fn after_an_object_is_removed() {
    for scene in Scene::all().await {
        if scene.bucket.is_none() || scene.after_import == AfterImport::Keep {
            continue;
        }
        let (objects, wanted) = samples(3, 1);
        scene.put("a.json", &envelope(WEATHER, 1, &objects)).await;
        let held = StoreFault::AnswerHeld;
        let (daemon, _store) = scene.daemon_at_a_bad_store("DELETE", 0, held).await;
        let running = daemon.start().unwrap();
        comes_true("it is deleted", async || scene.left().await.is_empty()).await;
        running.kill().await.unwrap();
        assert_eq!(outcome_of(&scene.site, "a.json"), "imported");
        assert_eq!(scene.import().await, wanted);
    }
}

const ASIDE: [&str; 2] = ["rejected/a.json", "rejected/a.json.reason.json"];

#[tokio::test]
async fn between_the_ledger_and_the_setting_aside() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[unsupported()]));
    // Where the folder for rejected files has to be is a file.
    fs::write(site.inbox().join("rejected"), "in the way").unwrap();
    let running = site.daemon().logging_to(&site.log()).start().unwrap();
    site.logged(&["a.json", "cannot be set aside"]).await;
    running.kill().await.unwrap();
    fs::remove_file(site.inbox().join("rejected")).unwrap();
    site.run().await;
    assert_eq!(site.left(), ASIDE.map(str::to_owned).into());
    assert_eq!(site.reason("a.json")["code"], "nothing-to-import");
}

/// An object is set aside in three steps: the reason is put, the object is copied, and deleted.
#[tokio::test]
async fn before_or_after_each_step_of_setting_an_object_aside() {
    let steps = [("PUT", 0, 1, 2), ("PUT", 1, 2, 3), ("DELETE", 0, 3, 2)];
    for (method, earlier, before, after) in steps {
        for (fault, objects) in [
            (StoreFault::Delayed(Duration::from_secs(600)), before),
            (StoreFault::AnswerHeld, after),
        ] {
            killed_while_set_aside(method, earlier, fault, objects).await;
        }
    }
}

/// Kills a daemon when its store holds a request and that many objects are there.
async fn killed_while_set_aside(
    method: &'static str,
    earlier: usize,
    fault: StoreFault,
    objects: usize,
) {
    for scene in Scene::all().await {
        let Some(bucket) = &scene.bucket else {
            continue;
        };
        let envelope = envelope(WEATHER, 1, &[unsupported()]);
        scene.put("a.json", &envelope).await;
        let (daemon, store) = scene.daemon_at_a_bad_store(method, earlier, fault).await;
        let running = daemon.start().unwrap();
        comes_true("it is held", async || {
            store.requests() > earlier && scene.left().await.len() == objects
        })
        .await;
        running.kill().await.unwrap();
        scene.run().await;
        let told = format!("{method} {earlier} {fault:?} {}", scene.name());
        assert_eq!(
            scene.left().await,
            ASIDE.map(str::to_owned).into(),
            "{told}"
        );
        let [object, reason] = ASIDE.map(|name| format!("connectors/{name}"));
        assert!(bucket.get(&object).await == envelope.to_string().as_bytes());
        let reason: serde_json::Value = serde_json::from_slice(&bucket.get(&reason).await).unwrap();
        assert_eq!(reason["code"], "nothing-to-import", "{told}");
    }
}

fn merge(into: &mut BTreeMap<String, usize>, arrived: BTreeMap<String, usize>) {
    for (id, times) in arrived {
        *into.entry(id).or_default() += times;
    }
}
