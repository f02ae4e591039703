//! Source connectors, as envelopes tell of them and as platforms take them.

use serde_json::{Value, json};
use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::Config;

use crate::site::{Site, broker};

/// How a file says that its connector has no scope.
fn without_scope() -> [Option<Value>; 6] {
    let said = [
        json!(null),
        json!(""),
        json!([]),
        json!([" ", ""]),
        json!(" , "),
    ];
    let [a, b, c, d, e] = said.map(Some);
    [a, b, c, d, e, None]
}

#[tokio::test]
async fn a_scope_that_is_left_out_later_keeps_no_file() {
    for version in [
        "6.0.10",
        "6.3.6",
        "6.3.7",
        "6.4.0",
        "6.9.28",
        "7.260318.0",
        "unknown",
    ] {
        let site = Site::with(Config::on_broker(broker()).in_version(version)).await;
        // Of each two files the first says a scope, and the second none.
        for (number, scope) in (0..).step_by(2).zip(without_scope()) {
            let name = |number: u32| format!("{number:02}.json");
            let said = envelope(WEATHER, number, &[malware(number)]);
            site.put(&name(number), &said);
            let mut left_out = envelope(WEATHER, number + 1, &[malware(number + 1)]);
            let connector = left_out["connector"].as_object_mut().unwrap();
            match scope {
                Some(scope) => connector.insert("scope".to_owned(), scope),
                None => connector.remove("scope"),
            };
            site.put(&name(number + 1), &left_out);
        }
        let run = site.run().await;
        assert!(site.left().is_empty(), "{version}: {}", run.stderr);
        assert_eq!(site.drain(WEATHER.id).await.len(), 12, "{version}");
        let connectors = site.platform.connectors();
        let weather = connectors.iter().find(|known| known.id == WEATHER.id);
        assert!(weather.unwrap().scope.is_empty(), "{version}");
    }
}

/// Case `sec-connector-id-too-long`: ids of 241 bytes and more are refused, and cost nobody a question.
#[tokio::test]
async fn an_id_that_no_platform_can_register_is_refused_before_it_is_asked() {
    let site = Site::with(Config::in_memory().in_version("6.9.28")).await;
    let ids = ["q".repeat(1024), "w".repeat(241), "e".repeat(240)];
    for (number, id) in (1..).zip(&ids) {
        let mut file = envelope(WEATHER, number, &[malware(number)]);
        file["connector"]["id"] = json!(id);
        site.put(&format!("0{number}.json"), &file);
    }
    site.put("04.json", &envelope(HARBOUR, 4, &[malware(4)]));
    let program = site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for name in ["01.json", "02.json"] {
        assert_eq!(site.reason(name)["code"], "invalid-connector", "{name}");
    }
    let registered = site.platform.registered();
    let is_known = |id: &str| registered.iter().any(|input| input["id"] == id);
    assert_eq!(
        ids.each_ref().map(|id| is_known(id)),
        [false, false, true],
        "the platform is asked only of what it can do"
    );
    assert_eq!(site.drain(&ids[2]).await.len(), 1);
    assert_eq!(site.drain(HARBOUR.id).await.len(), 1);
    let left = site.left();
    assert!(
        !left.contains("03.json") && !left.contains("04.json"),
        "{left:?}"
    );
}

/// Case `sec-connector-id-too-long`, of whatever else a platform fails on.
#[tokio::test]
async fn connectors_that_the_platform_fails_to_register_cost_others_nothing() {
    const CHOKED: u32 = 30;
    let site = Site::new().await;
    // The double's queues have longer names than the platform's, so that its broker refuses these.
    let id = |number: u32| format!("{number:0240}");
    for number in 1..=CHOKED {
        let mut file = envelope(WEATHER, number, &[malware(number)]);
        file["connector"]["id"] = json!(id(number));
        site.put(&format!("{number:02}.json"), &file);
    }
    site.put("99.json", &envelope(HARBOUR, 99, &[malware(99)]));
    let run = site.program().run().await.unwrap();
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    assert_eq!(site.drain(HARBOUR.id).await.len(), 1, "{}", run.stderr);
    assert_eq!(site.left().len(), CHOKED as usize, "{}", run.stderr);
    let registered = site.platform.registered();
    let asked: Vec<usize> = (1..=CHOKED)
        .map(|number| {
            let of_this = registered.iter().filter(|input| input["id"] == id(number));
            of_this.count()
        })
        .collect();
    let repeated = asked.iter().filter(|times| **times > 1).count();
    assert!(repeated <= 1, "the first may be repeated: {asked:?}");
}

/// Case `connector-name-one-letter`: platforms before 6.9 take such a name.
#[tokio::test]
async fn a_name_of_one_letter_is_left_to_platforms_that_take_it() {
    for (version, is_taken) in [
        ("6.0.10", true),
        ("6.4.0", true),
        ("6.8.6", true),
        ("unknown", true),
        ("6.9.0", false),
        ("7.260318.0", false),
    ] {
        let site = Site::with(Config::on_broker(broker()).in_version(version)).await;
        let mut file = envelope(WEATHER, 1, &[malware(1)]);
        file["connector"]["name"] = json!("X");
        site.put("a.json", &file);
        let rehearsal = site.program().with("CONNECTOR_SEND_TO_QUEUE", "false");
        let foretold = rehearsal.run().await.unwrap().stderr;
        assert_eq!(
            !foretold.contains("invalid-connector"),
            is_taken,
            "{version}"
        );
        site.run().await;
        let registered = site.platform.registered();
        let is_asked = registered.iter().any(|input| input["id"] == WEATHER.id);
        assert_eq!(is_asked, is_taken, "{version}");
        if is_taken {
            assert!(site.left().is_empty(), "{version}");
            assert_eq!(site.drain(WEATHER.id).await.len(), 1, "{version}");
        } else {
            assert_eq!(site.reason("a.json")["code"], "invalid-connector");
        }
    }
}

/// An envelope of a connector of that number.
fn stranger(number: u32) -> Value {
    let mut file = envelope(WEATHER, number, &[malware(number)]);
    file["connector"]["id"] = json!(format!("stranger-{number:04}"));
    file
}

/// Registers a connector on the platform by a run that the state folder does not know of.
async fn make_known(site: &Site) {
    site.put("known.json", &envelope(HARBOUR, 1, &[malware(1)]));
    let elsewhere = site.folder().join("elsewhere");
    let program = site
        .program()
        .with("DIODE_IMPORT_STATE_PATH", elsewhere)
        .with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    site.drain(HARBOUR.id).await;
}

#[tokio::test]
async fn a_flood_of_new_connectors_is_bounded_and_holds_up_no_known_one() {
    const STRANGERS: u32 = 3_000;
    let site = Site::with(Config::in_memory()).await;
    make_known(&site).await;
    let before = site.platform.calls().len();
    for number in 1..=STRANGERS {
        site.put(&format!("{number:04}.json"), &stranger(number));
    }
    site.put("9999.json", &envelope(HARBOUR, 9999, &[malware(9999)]));
    let program = site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let run = program.run().await.unwrap();
    assert!(!site.left().contains("9999.json"), "{}", run.stderr);
    let calls = site.platform.calls();
    let pushed = |id: &str| {
        let is_it = |call: &tests::platform::Call| {
            call.operation == "stixBundlePush" && call.arguments["connectorId"] == id
        };
        calls[before..].iter().position(is_it)
    };
    let place = pushed(HARBOUR.id).unwrap();
    let earlier = &calls[before..before + place];
    let registered = earlier
        .iter()
        .filter(|call| call.operation == "registerConnector");
    // Ourselves, eight strangers, and the known one.
    assert!(registered.count() <= 10, "{earlier:?}");
    let strangers = site.platform.connectors();
    let strangers = strangers.iter().filter(|it| it.id.starts_with("stranger"));
    assert_eq!(strangers.count(), 100, "{}", run.stderr);
    assert_eq!(site.left().len(), 2_900);
    let said: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("too-many-new-connectors"))
        .collect();
    assert_eq!(said.len(), 1, "{}", run.stderr);
    assert!(said[0].contains("2900"), "{said:?}");
    assert!(said[0].contains("DIODE_IMPORT_MAX_NEW_CONNECTORS"));
    let again = program.run().await.unwrap();
    assert_eq!(site.left().len(), 2_900, "the bound outlives the process");
    assert!(again.stderr.contains("2900"), "{}", again.stderr);
}

#[tokio::test]
async fn with_a_list_nothing_of_3000_strangers_is_registered() {
    let site = Site::new().await;
    for number in 1..=3_000 {
        site.put(&format!("{number:04}.json"), &stranger(number));
    }
    site.put("9999.json", &envelope(HARBOUR, 9999, &[malware(9999)]));
    let listed = site
        .program()
        .with("DIODE_IMPORT_ALLOWED_CONNECTORS", HARBOUR.id);
    let run = listed.run().await.unwrap();
    assert_eq!(site.drain(HARBOUR.id).await.len(), 1, "{}", run.stderr);
    assert_eq!(site.left().len(), 3_000);
    assert_eq!(site.platform.connectors().len(), 2, "ourselves and it");
    let said = run.stderr.matches("connector-not-allowed").count();
    assert_eq!(said, 1, "{}", run.stderr);
    let rehearsal = site
        .program()
        .with("DIODE_IMPORT_ALLOWED_CONNECTORS", HARBOUR.id)
        .with("CONNECTOR_SEND_TO_QUEUE", "false");
    let foretold = rehearsal.run().await.unwrap().stderr;
    assert!(foretold.contains("connector-not-allowed"), "{foretold}");
}

#[tokio::test]
async fn a_connector_of_another_type_is_left_as_it_is_unless_the_settings_say_otherwise() {
    let site = Site::new().await;
    make_known(&site).await;
    let mut file = envelope(HARBOUR, 2, &[malware(2)]);
    file["connector"]["type"] = json!("INTERNAL_ENRICHMENT");
    site.put("a.json", &file);
    let type_here = || {
        let connectors = site.platform.connectors();
        let it = connectors.into_iter().find(|it| it.id == HARBOUR.id);
        it.unwrap().input["type"].clone()
    };
    let run = site.program().run().await.unwrap();
    assert_eq!(site.left().len(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("connector-exists").count(), 1);
    assert_eq!(type_here(), "EXTERNAL_IMPORT");
    let overwriting = site
        .program()
        .with("DIODE_IMPORT_OVERWRITE_CONNECTORS", "true");
    overwriting.run().await.unwrap();
    assert!(site.left().is_empty());
    assert_eq!(type_here(), "INTERNAL_ENRICHMENT");
}
