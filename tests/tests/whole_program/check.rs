//! `diode-import check`: what would become of files, told within bounds.

use std::fs;

use serde_json::{Value, json};
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::Program;

use crate::site::Site;

/// `check` of a file, in the format of this name.
fn check(site: &Site, file: &Value, format: &str) -> Program {
    let path = site.folder().join("checked.json");
    fs::write(&path, file.to_string()).unwrap();
    let program = site.program().argument("check").argument(path);
    program.argument("--format").argument(format)
}

#[tokio::test]
async fn however_many_types_a_file_has_little_is_told_of_them() {
    const TYPES: usize = 20_000;
    let site = Site::with(Config::in_memory()).await;
    let odd = (0..TYPES).map(|n| json!({ "type": format!("x{n:05}"), "id": format!("x--{n}") }));
    let objects: Vec<Value> = odd.chain([malware(1)]).collect();
    let file = envelope(WEATHER, 1, &objects);

    let run = check(&site, &file, "json").run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.len() < 400_000, "{} bytes", run.stdout.len());
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["not_sent"].as_array().unwrap().len(), 1000);
    assert_eq!(report["not_sent_omitted"], TYPES - 1000);
    assert_eq!(report["not_sent_omitted_objects"], TYPES - 1000);

    let run = check(&site, &file, "text").run().await.unwrap();
    assert!(run.stdout.len() < 10_000, "{}", run.stdout);
    let more = format!("  not sent: {0} more, of {0} more kinds", TYPES - 20);
    assert!(
        run.stdout.lines().any(|line| line == more),
        "{}",
        run.stdout
    );
}

/// Case `report-of-many`, by the program as it is set by default.
#[tokio::test]
async fn a_report_of_240_000_references_would_be_imported_and_a_lower_limit_is_named() {
    let site = Site::with(Config::in_memory()).await;
    let references: Vec<String> = (0..240_000)
        .map(|n| format!("ipv4-addr--00000000-0000-4000-8000-{n:012}"))
        .collect();
    let mut report = malware(2);
    report["type"] = json!("report");
    report["id"] = json!("report--00000000-0000-4000-8000-000000000002");
    report["object_refs"] = json!(references);
    let file = envelope(WEATHER, 1, &[malware(1), report]);
    let program = check(&site, &file, "json");
    let told = async |program: &Program| -> Value {
        let run = program.run().await.unwrap();
        serde_json::from_str(&run.stdout).unwrap()
    };
    let report = told(&program).await;
    assert_eq!(report["outcome"], "imported");
    assert_eq!(report["messages"], 2);

    let report = told(&program.with("DIODE_IMPORT_MAX_REFS", "100000")).await;
    assert_eq!(report["outcome"], "partial");
    let message = report["findings"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("set DIODE_IMPORT_MAX_REFS to"),
        "{message}"
    );
}
