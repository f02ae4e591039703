//! A file counts as delivered only if the workers import it: its work was alive when it was announced,
//! and after the last message was confirmed.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::{Config, Fault, Platform};

use crate::site::{Site, broker};

/// One version of each way in which platforms treat works that are not alive.
const VERSIONS: [&str; 9] = [
    "6.0.10",
    "6.4.0",
    "6.8.6",
    "6.8.7",
    "6.9.10",
    "6.9.28",
    "7.260318.0",
    "7.260507.0",
    "7.261026.0",
];

/// A way in which a work dies.
type Death = fn(&Platform, &str);

const DEATHS: [(&str, Death); 2] = [
    ("deleted", |platform, work| platform.delete_work(work)),
    ("lost by Redis", |platform, work| {
        platform.lose_work_key(work)
    }),
];

async fn on_broker(version: &str) -> Site {
    Site::with(Config::on_broker(broker()).in_version(version)).await
}

fn ids(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    let id = |number| malware(number)["id"].as_str().unwrap().to_owned();
    numbers.into_iter().map(id).collect()
}

/// What a worker imports of all that is queued.
async fn imported(site: &Site) -> BTreeSet<String> {
    let imported = site.platform.work_off(WEATHER.id).await.unwrap();
    imported.into_iter().map(|it| it.object).collect()
}

fn feed(number: u32) -> Value {
    envelope(WEATHER, number, &[malware(number)])
}

fn draft(number: u32) -> Value {
    let mut envelope = feed(number);
    envelope["connector"]["validate_before_import"] = true.into();
    envelope
}

#[tokio::test]
async fn a_file_that_comes_after_its_work_died_is_imported_on_every_version() {
    for (version, (how, dies)) in VERSIONS.into_iter().flat_map(|version| {
        let deaths = DEATHS.into_iter();
        deaths.map(move |death| (version, death))
    }) {
        let site = on_broker(version).await;
        let daemon = site.daemon().start().unwrap();
        site.put("a.json", &feed(1));
        site.emptied().await;
        assert_eq!(imported(&site).await, ids([1]));
        let work = site.platform.works().remove(0).id;
        dies(&site.platform, &work);
        site.put("b.json", &feed(2));
        site.emptied().await;
        assert_eq!(imported(&site).await, ids([2]), "{version}: {how}");
        daemon.terminate().await.unwrap();
        assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    }
}

#[tokio::test]
async fn a_file_that_comes_after_its_work_died_is_imported_over_the_api() {
    for version in [
        "6.4.0",
        "6.8.7",
        "6.9.10",
        "6.9.28",
        "7.260318.0",
        "7.261026.0",
    ] {
        for (how, dies) in DEATHS {
            let site = Site::with(Config::in_memory().in_version(version)).await;
            let daemon = site
                .daemon()
                .with("CONNECTOR_QUEUE_PROTOCOL", "api")
                .start()
                .unwrap();
            let several = |first: u32| [malware(first), malware(first + 1)];
            site.put("a.json", &envelope(WEATHER, 1, &several(1)));
            site.emptied().await;
            assert_eq!(imported(&site).await, ids([1, 2]));
            for work in site.platform.works() {
                dies(&site.platform, &work.id);
            }
            site.put("b.json", &envelope(WEATHER, 2, &several(3)));
            site.emptied().await;
            assert_eq!(imported(&site).await, ids([3, 4]), "{version}: {how}");
            daemon.terminate().await.unwrap();
        }
    }
}

/// The first question whether a work is alive comes when works are first looked at, the last one after
/// the last message was confirmed. In between, 6.8.7 is asked with each announcement.
#[tokio::test]
async fn a_work_that_is_deleted_while_messages_are_sent_for_it_loses_no_file() {
    for version in ["6.8.7", "6.9.28", "7.260318.0", "7.261026.0"] {
        let site = on_broker(version).await;
        let asked = if version == "6.8.7" { 4 } else { 2 };
        site.platform
            .fail("isWorkAlive", asked..=asked, Fault::DeleteWorks);
        site.put("a.json", &feed(1));
        let log = site.run().await.stderr;
        assert!(site.left().is_empty());
        assert_eq!(imported(&site).await, ids([1]), "{version}: {log}");
        assert_eq!(
            site.platform.dropped(),
            1,
            "{version}: what was sent before"
        );
        assert_eq!(
            log.matches("sent again for another work").count(),
            1,
            "{version}: {log}"
        );
    }
}

/// Files of one connector, in each order of drafts (`d`), plain ones (`p`) and passes that upload
/// everything (`u`), in one pass or in several (`|`), while the workers are away for so long that the
/// connector manager comes round.
#[tokio::test]
async fn the_connector_manager_ends_no_work_whose_messages_wait() {
    let orders = [
        "dp", "pd", "dd", "dpd", "pdp", "ddp", "d|p", "p|d|p", "dp|dp", "d|u|p", "u|d|p", "p|u|d",
        "dp|u",
    ];
    for version in ["6.8.7", "6.9.28", "7.260318.0"] {
        for order in orders {
            let site = on_broker(version).await;
            let mut number = 0;
            let mut uploaded = BTreeSet::new();
            for pass in order.split('|') {
                let is_upload = pass == "u";
                for kind in pass.chars() {
                    number += 1;
                    uploaded.extend(is_upload.then_some(number));
                    let mut file = if kind == 'd' {
                        draft(number)
                    } else {
                        feed(number)
                    };
                    // An object that cannot be sent is told to the work, too.
                    let objects = file["bundle"]["objects"].as_array_mut().unwrap();
                    objects.push(serde_json::json!({ "type": "malware", "name": "no id" }));
                    site.put(&format!("{number}.json"), &file);
                }
                let mode = if is_upload { "workbench" } else { "auto" };
                let program = site.program().with("DIODE_IMPORT_VALIDATION_MODE", mode);
                let run = program.run().await.unwrap();
                assert_eq!(run.code, Some(0), "{version}: {order}: {}", run.stderr);
                site.platform.run_connector_manager();
            }
            site.platform.run_connector_manager();
            let imported = imported(&site).await;
            let queued = (1..=number).filter(|number| !uploaded.contains(number));
            assert_eq!(imported, ids(queued), "{version}: {order}");
            assert_eq!(site.platform.workbench().len(), uploaded.len());
            assert_eq!(site.platform.dropped(), 0, "{version}: {order}");
        }
    }
}

#[tokio::test]
async fn a_daemon_that_is_stopped_or_killed_after_a_draft_ends_no_work_whose_messages_wait() {
    for is_killed in [false, true] {
        let site = on_broker("6.9.28").await;
        let daemon = site.daemon().start().unwrap();
        site.put("1.json", &draft(1));
        site.emptied().await;
        site.put("2.json", &feed(2));
        site.emptied().await;
        if is_killed {
            daemon.kill().await.unwrap();
        } else {
            daemon.terminate().await.unwrap();
            assert_eq!(daemon.wait().await.unwrap().code, Some(0));
        }
        site.platform.run_connector_manager();
        site.put("3.json", &feed(3));
        site.run().await;
        site.platform.run_connector_manager();
        assert_eq!(imported(&site).await, ids(1..=3), "{is_killed}");
        assert_eq!(site.platform.dropped(), 0, "{is_killed}");
    }
}

#[tokio::test]
async fn a_question_that_is_never_answered_holds_no_file() {
    for question in ["about", "work", "isWorkAlive", "connector"] {
        let site = on_broker("7.260318.0").await;
        site.put("a.json", &feed(1));
        site.run().await;
        site.platform
            .fail(question, .., Fault::error("INTERNAL_SERVER_ERROR"));
        site.put("b.json", &feed(2));
        let log = site.run().await.stderr;
        assert!(site.left().is_empty(), "{question}: {log}");
        let told = log.contains("does not tell how far works are");
        assert_eq!(told, question == "work", "{question}: {log}");
        assert_eq!(imported(&site).await, ids([1, 2]), "{question}");
    }
}
