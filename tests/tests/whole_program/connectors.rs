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
