//! A daemon that imports what arrives at once. Its period is an hour, so that no pass but those that
//! arrivals begin can be what the tests see.

use std::fs;
use std::time::{Duration, SystemTime};

use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Fault;
use tests::program::{Program, Running};

use crate::site::{Site, eventually, long_ago, samples};

fn hourly(site: &Site) -> Program {
    site.daemon()
        .with("CONNECTOR_DURATION_PERIOD", "PT1H")
        .logging_to(&site.log())
}

/// A daemon that has been over the folder once, with what it did in it.
async fn started(site: &Site, program: &Program) -> Running {
    site.put("first.json", &envelope(WEATHER, 1, &[malware(1)]));
    let running = program.start().unwrap();
    let told = || !site.platform.calls_of("pingConnector").is_empty();
    eventually("the first pass is told", told).await;
    assert!(site.left().is_empty());
    running
}

async fn stop(daemon: Running) -> String {
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stderr
}

/// Long before the period is over.
async fn in_time(what: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_mins(10), what)
        .await
        .expect("not at once");
}

fn move_in(site: &Site, name: &str, number: u32) {
    let outside = site.folder().join(name);
    fs::write(
        &outside,
        envelope(WEATHER, number, &[malware(number)]).to_string(),
    )
    .unwrap();
    fs::rename(outside, site.inbox().join(name)).unwrap();
}

#[tokio::test]
async fn what_is_moved_in_and_what_is_written_is_imported_at_once() {
    let site = Site::new().await;
    let daemon = started(&site, &hourly(&site)).await;
    move_in(&site, "2.json", 2);
    in_time(site.emptied()).await;
    let text = envelope(WEATHER, 3, &[malware(3)]).to_string();
    fs::write(site.inbox().join("3.json"), text).unwrap();
    in_time(site.emptied()).await;
    stop(daemon).await;
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
}

/// What lies in files is not counted: a program that was built for tests is a large one.
#[tokio::test]
async fn a_daemon_stays_small() {
    let site = Site::new().await;
    let daemon = started(&site, &hourly(&site)).await;
    for number in 2..=20 {
        move_in(&site, &format!("{number}.json"), number);
        in_time(site.emptied()).await;
    }
    let memory = daemon.memory().unwrap();
    assert!(memory.private < 6 * 1024, "{memory:?}");
    stop(daemon).await;
    assert_eq!(site.arrived(WEATHER.id).await, samples(20, 1).1);
}

#[tokio::test]
async fn a_file_that_is_never_finished_is_judged_when_it_has_settled() {
    let site = Site::new().await;
    let program = hourly(&site).with("DIODE_IMPORT_SETTLE_SECONDS", "1");
    let daemon = started(&site, &program).await;
    site.put_bytes("broken.json", b"{", SystemTime::now());
    let aside = site.inbox().join("rejected/broken.json");
    in_time(eventually("it is set aside", || aside.exists())).await;
    stop(daemon).await;
}

#[tokio::test]
async fn a_folder_that_is_replaced_is_watched_with_the_next_pass() {
    let site = Site::new().await;
    let program = hourly(&site).with("CONNECTOR_DURATION_PERIOD", "PT2S");
    let daemon = started(&site, &program).await;
    fs::rename(site.inbox(), site.folder().join("away")).unwrap();
    in_time(site.logged(&["not noticed at once"])).await;
    fs::create_dir(site.inbox()).unwrap();
    in_time(site.logged(&["noticed at once again"])).await;
    move_in(&site, "2.json", 2);
    in_time(site.emptied()).await;
    let log = stop(daemon).await;
    let said = log.matches("not noticed at once").count();
    assert_eq!(said, 1, "{log}");
}

/// A watched neighbour tells that time enough has passed: it has imported files that came later.
#[tokio::test]
async fn unwatched_files_are_left_for_the_period() {
    let (site, neighbour) = (Site::new().await, Site::new().await);
    let unwatched = hourly(&site).with("DIODE_IMPORT_WATCH", "false");
    let daemon = started(&site, &unwatched).await;
    let watching = started(&neighbour, &hourly(&neighbour)).await;
    move_in(&site, "2.json", 2);
    for number in 2..=6 {
        move_in(&neighbour, &format!("{number}.json"), number);
        in_time(neighbour.emptied()).await;
    }
    stop(watching).await;
    assert_eq!(site.left(), ["2.json".to_owned()].into());
    stop(daemon).await;

    let daemon = unwatched
        .with("CONNECTOR_DURATION_PERIOD", "PT1S")
        .start()
        .unwrap();
    in_time(site.emptied()).await;
    move_in(&site, "3.json", 3);
    in_time(site.emptied()).await;
    stop(daemon).await;
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
}

#[tokio::test]
async fn arrivals_of_no_interest_ask_the_platform_for_nothing() {
    let site = Site::new().await;
    let daemon = started(&site, &hourly(&site)).await;
    let calls = site.platform.calls().len();
    for number in 0..50 {
        let name = format!("{number}.json");
        site.put_bytes(&name, b"{\"foreign\": true}", long_ago());
    }
    let ignored = || {
        let log = fs::read_to_string(site.log()).unwrap();
        log.matches("file ignored").count() == 50
    };
    in_time(eventually("all are ignored", ignored)).await;
    assert_eq!(site.platform.calls().len(), calls);
    stop(daemon).await;
}

#[tokio::test]
async fn a_platform_that_is_away_is_not_asked_for_each_arrival() {
    let site = Site::new().await;
    let daemon = started(&site, &hourly(&site)).await;
    let asked = || site.platform.calls_of("addExpectations").len();
    let before = asked();
    site.platform.fail("addExpectations", .., Fault::http(503));
    move_in(&site, "2.json", 2);
    in_time(site.logged(&["file waits", "2.json"])).await;
    let in_a_pass = asked() - before;
    for number in 3..100 {
        move_in(&site, &format!("{number}.json"), number);
    }
    in_time(site.logged(&["file waits", "99.json"])).await;
    assert!(asked() - before <= 2 * in_a_pass, "{in_a_pass}");
    stop(daemon).await;
}
