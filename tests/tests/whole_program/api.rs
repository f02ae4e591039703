//! `CONNECTOR_QUEUE_PROTOCOL=api`: messages go through the platform, no broker is spoken to.

use tests::envelope::{WEATHER, envelope, identity, malware, report};
use tests::platform::{Config, Fault};
use tests::program::Program;

use crate::site::{Site, objects_of};

fn over_api(site: &Site) -> Program {
    site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api")
}

#[tokio::test]
async fn parts_go_through_the_platform() {
    let site = Site::with(Config::in_memory()).await;
    let (author, sample) = (identity(1), malware(1));
    let report = report(1, &author, &[&sample]);
    let last = report["id"].as_str().unwrap().to_owned();
    site.put("a.json", &envelope(WEATHER, 1, &[report, sample, author]));
    let run = over_api(&site).run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let messages = site.drain(WEATHER.id).await;
    assert_eq!(objects_of(&messages).len(), 3);
    assert_eq!(objects_of(&messages).last(), Some(&last));
    site.assert_accounted(&messages);
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn refused_push_leaves_the_file_for_the_next_run() {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.platform
        .fail("stixBundlePush", 1..=1, Fault::error("LOCK_ERROR"));
    over_api(&site).run().await.unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    let run = over_api(&site).run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(objects_of(&site.drain(WEATHER.id).await).len(), 1);
}
