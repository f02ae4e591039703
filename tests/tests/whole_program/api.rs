//! `CONNECTOR_QUEUE_PROTOCOL=api`: messages go through the platform, no broker is spoken to.

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, identity, malware, report};
use tests::platform::{Config, Fault, Status};
use tests::program::Program;

use crate::site::{Site, objects_of};

/// The least body that can be set, less what a request needs beyond the bundle.
const LEAST_ROOM: usize = 65_536 - 16 * 1024;

async fn site(version: &str) -> Site {
    Site::with(Config {
        version: version.to_owned(),
        ..Config::in_memory()
    })
    .await
}

fn over_api(site: &Site) -> Program {
    site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api")
}

async fn run(program: &Program) {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

/// A malware of so many bytes.
fn sized(number: u32, bytes: usize) -> Value {
    let mut object = malware(number);
    object["description"] = "x".repeat(bytes).into();
    object
}

fn ids(objects: &[Value]) -> Vec<String> {
    let ids = objects.iter().map(|object| object["id"].as_str().unwrap());
    ids.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_file_is_one_push_that_the_worker_counts() {
    let site = site("6.9.0").await;
    let (author, sample) = (identity(1), malware(1));
    let report = report(1, &author, &[&sample]);
    let objects = [report.clone(), sample, author];
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    run(&over_api(&site)).await;
    let pushes = site.platform.calls_of("stixBundlePush");
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].applicant.as_deref(), Some("dst-user-1"));
    assert!(site.left().is_empty());
    // Complete before the worker has counted anything, the work would be closed, and its messages
    // thrown away: so it expects one thing more, which a later run gives back.
    let work = &site.platform.works()[0];
    assert_eq!((work.expected, work.status), (1, Status::Progress));
    let imported = site.platform.work_off(WEATHER.id).await.unwrap();
    assert_eq!(imported.last().unwrap().object, ids(&[report])[0]);
    assert!(imported.iter().all(|it| it.work.as_ref() == Some(&work.id)));
    let work = &site.platform.works()[0];
    assert_eq!((work.expected, work.open()), (4, 1));
}

#[tokio::test]
async fn a_lone_object_is_counted_by_us() {
    let site = site("6.9.0").await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    run(&over_api(&site)).await;
    assert_eq!(site.platform.works()[0].open(), 1);
    assert_eq!(site.platform.work_off(WEATHER.id).await.unwrap().len(), 1);
    assert_eq!(site.platform.works()[0].status, Status::Complete);
}

#[tokio::test]
async fn a_large_file_is_several_pushes_in_order() {
    let site = site("6.9.0").await;
    let author = identity(1);
    let mut objects: Vec<Value> = (1..=200).map(|number| sized(number, 1000)).collect();
    for object in &mut objects {
        object["created_by_ref"] = author["id"].clone();
    }
    objects.push(author.clone());
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    run(&over_api(&site).with("DIODE_IMPORT_API_BODY_BYTES", "65536")).await;
    let pushes = site.platform.calls_of("stixBundlePush").len();
    assert!((5..=7).contains(&pushes), "{pushes} pushes");
    let imported = site.platform.work_off(WEATHER.id).await.unwrap();
    assert_eq!(imported.len(), 201);
    assert_eq!(imported[0].object, ids(&[author])[0]);
    let work = &site.platform.works()[0];
    assert_eq!((work.expected, work.open()), (202, 1));
}

#[tokio::test]
async fn an_object_that_no_request_carries_is_named_and_the_rest_sent() {
    let site = site("6.9.0").await;
    let objects = [malware(1), sized(2, LEAST_ROOM), malware(3)];
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    run(&over_api(&site).with("DIODE_IMPORT_API_BODY_BYTES", "65536")).await;
    let reason = site.reason("a.json");
    assert_eq!(reason["code"], "partial", "{reason:#}");
    assert_eq!(reason["findings"][0]["path"], "$.bundle.objects[1]");
    let message = reason["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("DIODE_IMPORT_API_BODY_BYTES"), "{message}");
    let imported = site.platform.work_off(WEATHER.id).await.unwrap();
    assert_eq!(imported.len(), 2);
    let work = &site.platform.works()[0];
    assert_eq!((work.open(), work.errors.len()), (1, 1), "{work:#?}");
}

#[tokio::test]
async fn older_platforms_keep_works_of_their_own_and_ours_does_not_wait() {
    for (version, pushes) in [("6.2.6", 2), ("6.3.0", 1), ("6.5.6", 1)] {
        let site = site(version).await;
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1), malware(2)]));
        run(&over_api(&site)).await;
        let pushed = site.platform.calls_of("stixBundlePush");
        assert_eq!(pushed.len(), pushes, "{version}");
        assert!(
            pushed
                .iter()
                .all(|call| call.arguments.get("work_id").is_none())
        );
        let ours = &site.platform.works()[0];
        assert_eq!(
            (ours.open(), ours.status),
            (0, Status::Complete),
            "{version}"
        );
        let imported = site.platform.work_off(WEATHER.id).await.unwrap();
        assert_eq!(imported.len(), 2, "{version}");
        assert!(site.platform.works().iter().all(|work| work.open() == 0));
    }
}

#[tokio::test]
async fn a_platform_without_pushes_makes_files_wait_with_the_way_out() {
    let site = site("6.2.5").await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let run = over_api(&site).run().await.unwrap();
    assert!(
        run.stderr.contains("CONNECTOR_QUEUE_PROTOCOL=amqp"),
        "{}",
        run.stderr
    );
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    assert!(site.platform.works().is_empty());
}

#[tokio::test]
async fn refused_push_leaves_the_file_for_the_next_run() {
    let site = site("6.9.0").await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.platform
        .fail("stixBundlePush", 1..=1, Fault::error("LOCK_ERROR"));
    over_api(&site).run().await.unwrap();
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    run(&over_api(&site)).await;
    assert_eq!(objects_of(&site.drain(WEATHER.id).await).len(), 1);
}
