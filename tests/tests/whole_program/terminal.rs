//! Nothing that the program writes makes a terminal do, or show, what the files' writers want.

use diode_core::terminal::is_safe;
use serde_json::{Value, json};
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::Program;

use crate::site::{Site, long_ago};

/// The start of a command to a terminal (U+009B is CSI), DEL, a line separator, and an override of the
/// direction: to JSON they are no control characters.
const TIME: &str = "2024\u{9b}2J\u{9b}31m\u{7f}\u{2028}\u{202e}";
const TYPE: &str = "x\u{9b}31m\u{e0041}";
const NAME: &str = "a\u{202e}\u{200b}b.json";

fn hostile() -> Value {
    let mut dated = malware(1);
    dated["created"] = json!(TIME);
    let odd = json!({ "type": TYPE, "id": format!("{TYPE}--1") });
    envelope(WEATHER, 1, &[dated, odd, json!(7)])
}

fn assert_safe(what: &str, output: &str) {
    let bad = output.chars().find(|c| *c != '\n' && !is_safe(*c));
    assert_eq!(bad, None, "{what}: {output:?}");
    assert!(!output.is_empty(), "{what}");
}

/// What a run writes, which has to end like this: standard output, then standard error.
async fn written(what: &str, program: Program, code: i32) -> [String; 2] {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(code), "{what}: {}", run.stderr);
    assert_safe(what, &(run.stdout.clone() + &run.stderr));
    [run.stdout, run.stderr]
}

/// Case `sec-reason-terminal`.
#[tokio::test]
async fn what_files_hold_reaches_no_terminal_as_it_is() {
    let site = Site::new().await;
    // The file itself, whose connector's name turns the text around.
    let mut turned = hostile();
    turned["connector"]["name"] = json!("Feed\u{202e}KO");
    let put = || {
        site.put("01.json", &turned);
        site.put(NAME, &hostile());
        site.put(
            "none.json",
            &envelope(WEATHER, 2, &[json!({ "type": TYPE, "id": "x--1" })]),
        );
        site.put_bytes("no\u{9b}31m.json", b"{}", long_ago());
        site.put_bytes(
            "cut.json",
            "{\"\u{9b}31m\": \u{202e}".as_bytes(),
            long_ago(),
        );
    };
    put();
    let site_program = || site.program().with("CONNECTOR_LOG_LEVEL", "debug");
    for json_logging in ["true", "false"] {
        let program = site_program().with("OPENCTI_JSON_LOGGING", json_logging);
        let rehearsal = program.with("CONNECTOR_SEND_TO_QUEUE", "false");
        written("rehearsal", rehearsal, 0).await;
    }
    let path = site.inbox().join(NAME);
    let check = site_program().argument("check").argument(path);
    let [text, _] = written("check, text", check.clone(), 1).await;
    assert!(text.contains(r"a\u{202e}\u{200b}b.json"), "{text}");
    let [line, _] = written(
        "check, JSON",
        check.argument("--format").argument("json"),
        1,
    )
    .await;
    let report: Value = serde_json::from_str(&line).unwrap();
    let kinds = report["not_sent"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["type"] == TYPE), "{line}");

    for json_logging in ["true", "false"] {
        put();
        let program = site_program().with("OPENCTI_JSON_LOGGING", json_logging);
        let [_, log] = written("import", program, 0).await;
        assert!(log.contains("partial"), "{log}");
    }
    assert_eq!(site.reason("01.json")["code"], "invalid-connector");
    for name in ["01.json", NAME, "none.json", "cut.json"] {
        let reason = site.read(&format!("rejected/{name}.reason.json"));
        assert_safe("reason", &String::from_utf8(reason).unwrap());
        assert_eq!(site.reason(name)["file"], name);
    }
    let findings = site.reason(NAME)["findings"].to_string();
    assert!(
        findings.contains("31m"),
        "what was found is told: {findings}"
    );

    let history = site_program().argument("history");
    let [table, _] = written("history, text", history.clone(), 0).await;
    assert!(table.contains(r"a\u{202e}\u{200b}b.json"), "{table}");
    let [lines, _] = written("history, JSON", history.argument("--json"), 0).await;
    let mut entries = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(entries.any(|entry| entry["file"] == NAME), "{lines}");
}

#[tokio::test]
async fn settings_and_arguments_reach_no_terminal_as_they_are() {
    let site = Site::with(Config::in_memory()).await;
    let name = "Feed\u{202e}\u{200b}";
    let config = site
        .program()
        .with("CONNECTOR_NAME", name)
        .argument("config");
    let [text, _] = written("config, text", config.clone(), 0).await;
    assert!(text.contains(r"Feed\u{202e}\u{200b}"), "{text}");
    let [page, _] = written(
        "config, JSON",
        config.argument("--format").argument("json"),
        0,
    )
    .await;
    let rows: Value = serde_json::from_str(&page).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    assert!(rows.any(|row| row["value"] == name), "{page}");
    for argument in ["--\u{1b}[2J\u{9b}31m", "\u{202e}", "a\nerror: forged"] {
        let program = site.program().argument(argument);
        let [_, told] = written("an argument", program, 2).await;
        assert!(!told.lines().any(|line| line == "error: forged"), "{told}");
    }
    let missing = site
        .program()
        .argument("check")
        .argument("no\u{9b}\u{202e}");
    let [told, _] = written("a path", missing, 1).await;
    assert!(told.contains(r"no\u{9b}\u{202e}"), "{told}");
}
