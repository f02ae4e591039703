//! Knowledge comes in, commands do not: what a worker would carry out instead of importing it is never
//! sent, whichever way files take.

use serde_json::{Value, json};
use stix_bundle::ContentPolicy;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::Program;

use crate::site::{Site, broker, long_ago};

const EXTENSIONS: [&str; 2] = [
    "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba",
    "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82",
];

const INTERNAL_TYPES: [&str; 15] = [
    "capability",
    "deleteoperation",
    "draftworkspace",
    "group",
    "internalfile",
    "notification",
    "pir",
    "playbook",
    "publicdashboard",
    "role",
    "settings",
    "trash",
    "user",
    "work",
    "workspace",
];

/// Stands for a key that no text can be: half a character.
const UNREADABLE: &str = "half a character";

/// A way that files take: its settings, and where what was sent is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Queue,
    Api,
    Draft,
    Workbench,
}

impl Way {
    const ALL: [Self; 4] = [Self::Queue, Self::Api, Self::Draft, Self::Workbench];

    async fn site(self) -> Site {
        let config = match self {
            Self::Queue | Self::Draft => Config::on_broker(broker()),
            Self::Api | Self::Workbench => Config::in_memory(),
        };
        Site::with(config.in_version("7.261026.0")).await
    }

    fn program(self, site: &Site) -> Program {
        let program = site.program();
        match self {
            Self::Queue => program,
            Self::Api => program.with("CONNECTOR_QUEUE_PROTOCOL", "api"),
            Self::Draft => program.with("DIODE_IMPORT_VALIDATION_MODE", "draft"),
            Self::Workbench => program.with("DIODE_IMPORT_VALIDATION_MODE", "workbench"),
        }
    }

    /// All that was sent, as text.
    async fn sent(self, site: &Site) -> Vec<Value> {
        match self {
            Self::Workbench => {
                let files = site.platform.workbench().into_iter();
                let bundles = files.map(|file| serde_json::from_slice(&file.content).unwrap());
                bundles.collect()
            }
            Self::Queue | Self::Api | Self::Draft => {
                use base64::Engine as _;
                let engine = base64::engine::general_purpose::STANDARD;
                let messages = site.drain(WEATHER.id).await.into_iter();
                let contents = messages.map(|message| {
                    let body = message.json().unwrap();
                    let content = engine.decode(body["content"].as_str().unwrap()).unwrap();
                    serde_json::from_slice(&content).unwrap()
                });
                contents.collect()
            }
        }
    }
}

/// An object that carries a member in the place of this number.
fn carrying(number: u32, place: usize, member: &str, value: &Value) -> Value {
    let mut object = malware(number);
    match place.checked_sub(1) {
        None => object[member] = value.clone(),
        Some(extension) => {
            object["extensions"][EXTENSIONS[extension]] = json!({ "id": "x", member: value });
        }
    }
    object
}

/// Every command in every place, and an object of each type of the platform's own.
fn hostile() -> Vec<Value> {
    let mut number = 1000;
    let mut next = || {
        number += 1;
        number
    };
    let mut objects = Vec::new();
    for place in 0..3 {
        for operation in ContentPolicy::OPERATIONS {
            objects.push(carrying(
                next(),
                place,
                "opencti_operation",
                &json!(operation),
            ));
        }
        let upsert = json!([{ "key": "name", "value": ["x"], "operation": "replace" }]);
        objects.push(carrying(
            next(),
            place,
            "opencti_upsert_operations",
            &upsert,
        ));
    }
    for internal in INTERNAL_TYPES {
        let mut object = malware(next());
        object["type"] = json!(internal);
        objects.push(object);
    }
    objects
}

fn ids(bundles: &[Value]) -> Vec<&str> {
    let objects = bundles
        .iter()
        .flat_map(|bundle| bundle["objects"].as_array().unwrap());
    objects
        .map(|object| object["id"].as_str().unwrap())
        .collect()
}

/// Cases `sec-operation-delete`, `sec-operation-in-extension` and `sec-operation-patch-user`, over every way.
#[tokio::test]
async fn no_command_and_no_type_of_the_platform_s_own_is_sent_whichever_way_files_take() {
    for way in Way::ALL {
        let site = way.site().await;
        let mut objects = hostile();
        let count = objects.len();
        objects.insert(7, malware(1));
        site.put("a.json", &envelope(WEATHER, 1, &objects));
        site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
        let run = way.program(&site).run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let sent = way.sent(&site).await;
        let (sound, next) = (malware(1), malware(2));
        let wanted = [&sound["id"], &next["id"]].map(|id| id.as_str().unwrap());
        assert_eq!(ids(&sent), wanted, "{way:?}");
        let text = json!(sent).to_string();
        assert!(!text.contains("opencti_operation"), "{way:?}: {text}");
        assert!(
            !text.contains("opencti_upsert_operations"),
            "{way:?}: {text}"
        );

        let reason = site.reason("a.json");
        assert_eq!(reason["code"], "partial", "{way:?}");
        let findings = reason["findings"].as_array().unwrap();
        let of = |code: &str| {
            findings
                .iter()
                .filter(|found| found["code"] == code)
                .count()
        };
        assert_eq!(of("internal-type"), INTERNAL_TYPES.len(), "{way:?}");
        assert_eq!(of("command") + of("internal-type"), count, "{way:?}");
        assert!(
            site.left().iter().all(|name| name.starts_with("rejected/")),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn an_operation_that_is_allowed_is_sent_but_never_on_the_platform_s_own_types() {
    for way in Way::ALL {
        let site = way.site().await;
        let mut user = carrying(3, 0, "opencti_operation", &json!("delete"));
        user["type"] = json!("user");
        let objects = [
            carrying(1, 1, "opencti_operation", &json!("delete")),
            carrying(2, 2, "opencti_operation", &json!("patch")),
            user,
        ];
        site.put("a.json", &envelope(WEATHER, 1, &objects));
        let program = way.program(&site);
        let program = program.with("DIODE_IMPORT_ALLOW_OPERATIONS", "delete, merge");
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let sent = way.sent(&site).await;
        assert_eq!(ids(&sent), [malware(1)["id"].as_str().unwrap()], "{way:?}");
        let reason = site.reason("a.json");
        let codes: Vec<&str> = reason["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, ["command", "internal-type"], "{way:?}");
    }
}

/// What the platform never takes is not told as broken, and a bundle without broken objects goes into the
/// workbench as it came.
#[tokio::test]
async fn no_command_is_sent_with_an_object_that_cannot_be_read_and_that_nobody_takes() {
    for way in Way::ALL {
        let site = way.site().await;
        let unread = json!({
            "type": "x-feed", "id": "x-feed--1", UNREADABLE: 1, "opencti_operation": "delete",
        });
        let text = envelope(WEATHER, 1, &[malware(1), unread]).to_string();
        let text = text.replace(UNREADABLE, r"\ud800");
        site.put_bytes("a.json", text.as_bytes(), long_ago());
        let run = way.program(&site).run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let sent = way.sent(&site).await;
        assert_eq!(ids(&sent), [malware(1)["id"].as_str().unwrap()], "{way:?}");
        let reason = site.reason("a.json");
        assert_eq!(reason["findings"][0]["code"], "command", "{way:?}");
    }
}

#[tokio::test]
async fn ids_of_another_type_are_sent_warned_of_and_counted() {
    for way in Way::ALL {
        let site = way.site().await;
        let mut other = malware(2);
        other["type"] = json!("tool");
        let sound = malware(1);
        site.put("a.json", &envelope(WEATHER, 1, &[sound, other.clone()]));
        let run = way.program(&site).run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let sent = way.sent(&site).await;
        assert!(
            ids(&sent).contains(&other["id"].as_str().unwrap()),
            "{way:?}"
        );
        let lines: Vec<_> = run
            .stderr
            .lines()
            .filter(|line| line.contains("type_of_id"))
            .collect();
        assert_eq!(lines.len(), 1, "{way:?}: {}", run.stderr);
        let line: Value = serde_json::from_str(lines[0]).unwrap();
        let told = [&line["level"], &line["attributes"]["type_of_id"]];
        assert_eq!(told, [&json!("WARNING"), &json!(1)], "{way:?}");
        assert!(site.left().is_empty(), "{way:?}");
    }
}

#[tokio::test]
async fn objects_of_denied_types_are_sent_on_no_way() {
    for way in Way::ALL {
        let site = way.site().await;
        let of = |number: u32, object_type: &str| {
            let mut object = malware(number);
            object["type"] = json!(object_type);
            object
        };
        let mut never_taken = of(5, "task");
        never_taken["id"] = json!("x-foo--5");
        let objects = [
            malware(1),
            of(2, "tool"),
            of(3, "case-rfi"),
            of(4, "malware-analysis"),
            never_taken,
        ];
        site.put("a.json", &envelope(WEATHER, 1, &objects));
        let program = way.program(&site);
        let program = program.with("DIODE_IMPORT_DENIED_TYPES", "case-*,task,malware-analysis");
        let program = program.with("DIODE_IMPORT_ALLOWED_TYPES", "malware*,case-rfi,task");
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let sent = way.sent(&site).await;
        assert_eq!(ids(&sent), [malware(1)["id"].as_str().unwrap()], "{way:?}");
        let reason = site.reason("a.json");
        assert_eq!(reason["code"], "partial", "{way:?}");
        let findings = reason["findings"].as_array().unwrap();
        let denied = findings
            .iter()
            .filter(|found| found["code"] == "denied-type");
        assert_eq!(denied.count(), 4, "{way:?}: {reason}");
    }
}

#[tokio::test]
async fn an_envelope_s_update_holds_unless_it_is_denied() {
    for (allowed, expect) in [("true", true), ("false", false)] {
        for way in [Way::Queue, Way::Draft] {
            let site = way.site().await;
            let mut file = envelope(WEATHER, 1, &[malware(1)]);
            file["update"] = json!(true);
            site.put("a.json", &file);
            let program = way.program(&site);
            let program = program.with("DIODE_IMPORT_ALLOW_UPDATE", allowed);
            let run = program.run().await.unwrap();
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            let messages = site.drain(WEATHER.id).await;
            let updates: Vec<_> = messages
                .iter()
                .map(|message| message.json().unwrap()["update"].clone())
                .collect();
            assert_eq!(updates, [json!(expect)], "{way:?}");
        }
    }
}
