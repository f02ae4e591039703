//! Imports that a person validates first: in a draft, or in the workbench.

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, identity, malware};
use tests::platform::{Config, Fault, Status};
use tests::program::Program;

use crate::site::{Site, objects_of};

async fn site(version: &str) -> Site {
    Site::with(Config {
        version: version.to_owned(),
        ..Config::in_memory()
    })
    .await
}

fn asking(objects: &[Value]) -> Value {
    let mut envelope = envelope(WEATHER, 1, objects);
    envelope["connector"]["validate_before_import"] = true.into();
    envelope
}

async fn run(program: &Program) -> String {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stderr
}

#[tokio::test]
async fn older_platforms_get_the_bundle_as_it_is_into_their_workbench() {
    let site = site("6.5.9").await;
    let envelope = asking(&[malware(1), identity(1)]);
    site.put("a.json", &envelope);
    // No broker is needed for it: the double has none.
    let log = run(&site.program()).await;
    assert!(
        log.contains("workbench, where it awaits validation"),
        "{log}"
    );
    assert!(site.left().is_empty());
    let [file] = site.platform.workbench().try_into().unwrap();
    let work = &site.platform.works()[0];
    assert!(file.name.starts_with(&work.id), "{}", file.name);
    assert!(file.name.ends_with(".json"), "{}", file.name);
    assert_eq!(file.kind, "application/json");
    assert_eq!(file.content, envelope["bundle"].to_string().as_bytes());
    assert_eq!(work.open(), 0);
    assert_eq!((work.status, work.in_error), (Status::Complete, false));
    assert_eq!(work.connector_id, WEATHER.id);
}

#[tokio::test]
async fn over_the_api_it_is_the_workbench_too() {
    let site = site("7.260309.0").await;
    site.put("a.json", &asking(&[malware(1)]));
    run(&site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api")).await;
    assert_eq!(site.platform.workbench().len(), 1);
    assert!(site.platform.calls_of("stixBundlePush").is_empty());
}

#[tokio::test]
async fn a_draft_is_filled_over_the_broker() {
    let site = Site::new().await;
    site.put("a.json", &asking(&[malware(1)]));
    let log = run(&site.program()).await;
    assert!(log.contains("draft, where it awaits validation"), "{log}");
    let messages = site.drain(WEATHER.id).await;
    assert_eq!(objects_of(&messages).len(), 1);
    let draft = site.platform.drafts().remove(0);
    assert_eq!(messages[0].json().unwrap()["draft_id"], draft);
    site.assert_accounted(&messages);
}

#[tokio::test]
async fn settings_overrule_the_envelope() {
    let site = Site::new().await;
    let mode = |mode: &str| site.program().with("DIODE_IMPORT_VALIDATION_MODE", mode);
    site.put("a.json", &asking(&[malware(1)]));
    run(&mode("off")).await;
    assert_eq!(objects_of(&site.drain(WEATHER.id).await).len(), 1);
    assert!(site.platform.drafts().is_empty());

    site.put("b.json", &envelope(WEATHER, 1, &[malware(1)]));
    run(&mode("workbench")).await;
    assert_eq!(site.platform.workbench().len(), 1);

    site.put("c.json", &envelope(WEATHER, 1, &[malware(1)]));
    run(&mode("draft")).await;
    assert_eq!(site.platform.drafts().len(), 1);

    let mut silent = envelope(WEATHER, 1, &[malware(1)]);
    silent["connector"]["validate_before_import"] = Value::Null;
    site.put("d.json", &silent);
    run(&site
        .program()
        .with("CONNECTOR_VALIDATE_BEFORE_IMPORT", "true"))
    .await;
    assert_eq!(site.platform.drafts().len(), 2);
}

#[tokio::test]
async fn what_may_not_be_uploaded_waits_until_it_may() {
    let site = site("6.9.0").await;
    let forbidden = Fault::error("FORBIDDEN_ACCESS");
    site.platform.fail("uploadPending", 1..=1, forbidden);
    site.put("a.json", &asking(&[malware(1)]));
    site.put("b.json", &asking(&[malware(2)]));
    let program = site
        .program()
        .with("DIODE_IMPORT_VALIDATION_MODE", "workbench");
    let log = run(&program).await;
    assert!(log.contains("KNOWLEDGE_KNASKIMPORT"), "{log}");
    assert_eq!(site.left().len(), 2);
    // Refused once, it is not tried again with each file.
    let [work] = site.platform.works().try_into().unwrap();
    assert_eq!(work.open(), 0);
    run(&program).await;
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn a_draft_that_cannot_be_filled_makes_files_wait_with_the_way_out() {
    let over_api = ("7.260309.0", "api", "CONNECTOR_QUEUE_PROTOCOL=amqp");
    let too_old = ("6.5.9", "amqp", "VALIDATION_MODE=workbench");
    for (version, protocol, way_out) in [over_api, too_old] {
        let site = site(version).await;
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let program = site
            .program()
            .with("CONNECTOR_QUEUE_PROTOCOL", protocol)
            .with("DIODE_IMPORT_VALIDATION_MODE", "draft");
        let log = run(&program).await;
        assert!(log.contains(way_out), "{log}");
        assert!(log.contains("validation-unavailable"), "{log}");
        assert_eq!(site.left(), ["a.json".to_owned()].into());
        assert!(site.platform.works().is_empty());
    }
}
