//! A broker that is away, slow, full or in want of memory: files wait, and go on.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::Fault;
use tests::program::{CONNECTOR_ID, Running};
use tests::proxy::Proxy;

use crate::scene::comes_true;
use crate::site::{Site, eventually, proxy, samples};

/// A daemon with a file of five objects to send through `proxy`.
async fn daemon(site: &Site, proxy: &Proxy) -> Running {
    let (objects, _) = samples(5, 1);
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    site.daemon_behind(proxy).start().unwrap()
}

/// Checks that the file is imported, each object having been sent `times` times.
async fn imported(site: &Site, running: Running, times: usize) {
    site.emptied().await;
    running.terminate().await.unwrap();
    assert_eq!(running.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(5, times).1);
}

#[tokio::test]
async fn one_that_is_down_at_the_start_is_waited_for() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.go_down();
    let running = daemon(&site, &proxy).await;
    site.logged(&["lost or cannot reach the broker"]).await;
    proxy.come_up();
    imported(&site, running, 1).await;
}

#[tokio::test]
async fn one_that_goes_down_in_the_middle_gets_again_what_it_did_not_confirm() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    let running = daemon(&site, &proxy).await;
    eventually("everything is published", || proxy.published() == 5).await;
    // What has left the proxy may be lost with the connection.
    comes_true("everything is in the queue", async || {
        let queued = site.platform.queued(WEATHER.id).await;
        queued.is_ok_and(|messages| messages == 5)
    })
    .await;
    proxy.go_down();
    site.logged(&["lost or cannot reach the broker"]).await;
    assert!(site.left().contains("a.json"));
    proxy.release_confirms();
    proxy.come_up();
    imported(&site, running, 2).await;
}

#[tokio::test]
async fn one_without_memory_is_waited_for() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.block();
    let running = daemon(&site, &proxy).await;
    site.logged(&["takes no messages for want of memory"]).await;
    assert_eq!(proxy.published(), 0);
    eventually("buffering is told", || {
        site.platform.info_of(CONNECTOR_ID)["buffering"] == true
    })
    .await;
    proxy.unblock();
    imported(&site, running, 1).await;
}

#[tokio::test]
async fn one_that_confirms_late_is_sent_nothing_twice() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    let running = daemon(&site, &proxy).await;
    eventually("everything is published", || proxy.published() == 5).await;
    // The next comes within 40 s, and the broker may be silent for a minute.
    let signs_of_life = || site.platform.calls_of("pingConnector").len();
    let before = signs_of_life();
    eventually("a sign of life is given", || signs_of_life() > before).await;
    assert_eq!(proxy.published(), 5);
    assert!(site.left().contains("a.json"), "deleted unconfirmed");
    proxy.release_confirms();
    imported(&site, running, 1).await;
}

/// After a minute the connection counts as broken, although it gives signs of life.
#[tokio::test]
async fn one_that_never_confirms_is_connected_to_again() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    let running = daemon(&site, &proxy).await;
    site.logged(&["lost or cannot reach the broker", "silent"])
        .await;
    assert!(site.left().contains("a.json"), "deleted unconfirmed");
    proxy.release_confirms();
    imported(&site, running, 2).await;
}

/// What was confirmed is deleted with the queue, and nobody says so: only the next message is returned.
#[tokio::test]
async fn one_whose_user_deletes_a_queue_amid_files_that_are_sent_together_gets_all_of_them_again() {
    let (site, proxy) = (Site::new().await, proxy().await);
    let mut large = malware(9);
    large["description"] = "x".repeat(5 * 1024 * 1024).into();
    site.put("0.json", &envelope(HARBOUR, 9, &[large]));
    // It goes alone. While the platform takes its time with it, those behind it are read.
    let slow = Fault::Delay(Duration::from_secs(2));
    site.platform.fail("workAdd", 1..=1, slow);
    for number in 1..=3 {
        let text = envelope(WEATHER, number, &[malware(number)]);
        site.put(&format!("{number}.json"), &text);
    }
    proxy.withhold_messages_after(1 + 2);
    let daemon = site.daemon_behind(&proxy).start().unwrap();
    eventually("two of three files are sent", || proxy.published() == 1 + 2).await;
    comes_true("they are there", async || {
        let queued = site.platform.queued(WEATHER.id).await;
        queued.is_ok_and(|messages| messages == 2)
    })
    .await;
    let all: BTreeSet<String> = (1..=3).map(|number| format!("{number}.json")).collect();
    assert!(site.left().is_superset(&all));
    site.platform.lose_queue(WEATHER.id).await.unwrap();
    proxy.release_messages();
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
    assert_eq!(proxy.published(), 1 + 3 + 3);
}

/// A broker confirms also what it hands to a queue that is being deleted, and nothing is sent afterwards
/// that could be returned.
#[tokio::test]
async fn one_whose_user_deletes_a_queue_before_its_last_confirm_gets_the_file_again() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    let running = daemon(&site, &proxy).await;
    eventually("everything is published", || proxy.published() == 5).await;
    comes_true("everything is in the queue", async || {
        let queued = site.platform.queued(WEATHER.id).await;
        queued.is_ok_and(|messages| messages == 5)
    })
    .await;
    site.platform.lose_queue(WEATHER.id).await.unwrap();
    proxy.release_confirms();
    site.logged(&["queue is missing on the broker"]).await;
    imported(&site, running, 1).await;
}

#[tokio::test]
async fn one_that_refuses_us_gets_nothing_until_it_does_not() {
    for (setting, wrong) in [("MQ_PASS", "wrong-password"), ("MQ_VHOST", "no-such-vhost")] {
        let site = Site::new().await;
        let (objects, wanted) = samples(5, 1);
        site.put("a.json", &envelope(WEATHER, 1, &objects));
        let run = site.program().with(setting, wrong).run().await.unwrap();
        assert_eq!(run.code, Some(4), "{setting}: {}", run.stderr);
        assert!(run.stderr.contains("file waits"), "{}", run.stderr);
        let what_to_check = "refuses user \\\"guest\\\" on virtual host";
        assert!(run.stderr.contains(what_to_check), "{}", run.stderr);
        assert!(!run.stderr.contains("wrong-password"), "{}", run.stderr);
        assert_eq!(site.left(), ["a.json".to_owned()].into());
        site.run().await;
        assert_eq!(site.arrived(WEATHER.id).await, wanted);
    }
}
