//! A broker that is away, slow, full or in want of memory: files wait, and go on.

use tests::envelope::{WEATHER, envelope};
use tests::program::{CONNECTOR_ID, Running};
use tests::proxy::Proxy;

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
    assert!(site.left().contains("a.json"), "deleted unconfirmed");
    proxy.release_confirms();
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
        assert!(!run.stderr.contains("wrong-password"), "{}", run.stderr);
        assert_eq!(site.left(), ["a.json".to_owned()].into());
        site.run().await;
        assert_eq!(site.arrived(WEATHER.id).await, wanted);
    }
}
