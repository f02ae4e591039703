//! Settings that cannot be used are told in clear words, each source of them, and nothing is done;
//! `diode-import config` shows what is in force.

use std::fs;

use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::{Program, Run};

use crate::site::Site;

const WRONG_CONFIGURATION: i32 = 2;

/// A place with one file, and a config.yml where there is text for one.
async fn site(config: &[u8]) -> Site {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    if !config.is_empty() {
        fs::write(site.folder().join("config.yml"), config).unwrap();
    }
    site
}

/// Runs a program that must not start, nor reach anything, and tells why in these words.
async fn refused(site: &Site, program: &Program, named: &[&str]) {
    for program in [
        program.clone(),
        program.clone().argument("config").argument("--check"),
    ] {
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(WRONG_CONFIGURATION), "{}", run.stderr);
        for word in named {
            assert!(run.stderr.contains(word), "no {word} in {}", run.stderr);
        }
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert!(site.platform.calls().is_empty());
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn a_config_file_that_cannot_be_read_is_told() {
    for (content, named) in [
        (&b"opencti: {token: hunter2"[..], "is not valid YAML"),
        (b"opencti:\n\t- hunter2", "is not valid YAML (line 2"),
        (b"hunter2", "is not a mapping of sections"),
        (b"opencti: hunter2", "section opencti"),
        (b"opencti:\n  token: \xff\xfe", "cannot be read"),
    ] {
        let site = site(content).await;
        refused(&site, &site.program(), &["config.yml", named]).await;
    }
    let site = site(b"").await;
    fs::create_dir(site.folder().join("config.yml")).unwrap();
    refused(&site, &site.program(), &["config.yml", "cannot be read"]).await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_told_with_its_source() {
    let config = b"connector: {run_and_terminate: [yes]}\nmq: {port: 70000}";
    let site = site(config).await;
    let file = site.folder().join("period");
    fs::write(&file, "every minute\n").unwrap();
    let program = site
        .program()
        .without("CONNECTOR_RUN_AND_TERMINATE")
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "perhaps")
        .with("CONNECTOR_DURATION_PERIOD_FILE", file)
        .with("OPENCTI_CUSTOM_HEADERS", "X-Front hunter2");
    let named = [
        r#"(connector.run_and_terminate), from "config.yml": the list is not a boolean"#,
        r#"(mq.port), from "config.yml": 70000 is out of range"#,
        r#"(diode_import.delete_after_import), from the environment: "perhaps""#,
        "from the file that CONNECTOR_DURATION_PERIOD_FILE names",
        "OPENCTI_CUSTOM_HEADERS (opencti.custom_headers), from the environment: the value has no colon in entry 1",
        "5 problems",
    ];
    refused(&site, &program, &named).await;
}

#[tokio::test]
async fn sources_that_contradict_each_other_are_told() {
    let site = site(b"").await;
    let file = site.folder().join("name");
    fs::write(&file, "From a file").unwrap();
    let program = site
        .program()
        .with("CONNECTOR_NAME", "From the environment")
        .with("CONNECTOR_NAME_FILE", file)
        .with("QUEUE_PROTOCOL", "api")
        .with("CONNECTOR_QUEUE_PROTOCOL", "amqp");
    let named = [
        "CONNECTOR_NAME and CONNECTOR_NAME_FILE are both given",
        "CONNECTOR_QUEUE_PROTOCOL and QUEUE_PROTOCOL are both given, with different values",
    ];
    refused(&site, &program, &named).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_before_anything_is_reached() {
    let site = site(b"").await;
    let program = site
        .program()
        .with("OPENCTI_SSL_VERIFY", "/nonexistent/ca.pem")
        .with("MQ_USE_SSL_KEY", "-----BEGIN PRIVATE KEY-----\nhunter2");
    let named = [
        "OPENCTI_SSL_VERIFY",
        "/nonexistent/ca.pem",
        "MQ_USE_SSL_CERT",
    ];
    refused(&site, &program, &named).await;
}

#[tokio::test]
async fn what_looks_like_a_mistake_is_told_and_does_no_harm() {
    let site = site(b"connector: {nmae: x}").await;
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER", "false")
        .argument("config")
        .argument("--check");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for word in ["connector.name", "DIODE_IMPORT_DELETE_AFTER_IMPORT"] {
        let hint = format!("did you mean {word}?");
        assert!(run.stderr.contains(&hint), "no {hint} in {}", run.stderr);
    }
}

/// Case `quoted-settings`: the list form of a compose file leaves quotes in the values.
#[tokio::test]
async fn values_in_quotes_are_told_and_an_id_within_them_is_refused() {
    let site = site(b"").await;
    let program = site
        .program()
        .with("CONNECTOR_ID", r#""7a1c9e52-0d3b-4c8f-8e21-6b5a4f3e2d1c""#)
        .with("CONNECTOR_NAME", r#""Diode Import""#)
        .with("OPENCTI_TOKEN", r#""hunter2""#)
        .with("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", r#""/data/diode""#)
        .with("MQ_HOST", r#""rabbitmq""#);
    let quoted = |name: &str| format!("{name}, from the environment, begins and ends with a quote");
    let named = [
        "is not a UUID; make one with uuidgen",
        &quoted("CONNECTOR_ID (connector.id)"),
        &quoted("CONNECTOR_NAME (connector.name)"),
        &quoted("OPENCTI_TOKEN (opencti.token)"),
        &quoted("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH (diode_import.get_from_directory_path)"),
        &quoted("MQ_HOST (mq.host)"),
        "1 problem found",
    ];
    refused(&site, &program, &named).await;
}

#[tokio::test]
async fn a_mapping_that_helps_nobody_ends_the_program() {
    let site = site(b"").await;
    let program = site.program();
    let none = program
        .clone()
        .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "alice");
    refused(&site, &none, &["has no entry that can be used"]).await;
    let half = program
        .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "a:b,c")
        .with("DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING", "true");
    refused(&site, &half, &["has no colon in entry 2"]).await;
}

#[tokio::test]
async fn the_settings_in_force_are_shown_without_secrets_and_nothing_is_reached() {
    let site = site(b"connector: {name: From the file}").await;
    let file = site.folder().join("scope");
    fs::write(&file, "from-its-own-file\n").unwrap();
    let program = site
        .program()
        .with("CONNECTOR_SCOPE_FILE", file)
        .with("MQ_PASS", "hunter2")
        .argument("config");
    let run = shown(&site, &program).await;
    let line = |name: &str| {
        let found = run.stdout.lines().find(|line| line.starts_with(name));
        let words: Vec<_> = found.unwrap().split_whitespace().collect();
        words.join(" ")
    };
    assert_eq!(
        line("CONNECTOR_NAME"),
        "CONNECTOR_NAME From the file config.yml"
    );
    assert_eq!(
        line("CONNECTOR_TYPE"),
        "CONNECTOR_TYPE EXTERNAL_IMPORT default"
    );
    assert_eq!(
        line("CONNECTOR_SCOPE"),
        "CONNECTOR_SCOPE from-its-own-file file, CONNECTOR_SCOPE_FILE"
    );
    assert_eq!(
        line("OPENCTI_TOKEN"),
        "OPENCTI_TOKEN [redacted] environment"
    );
    assert_eq!(line("MQ_PASS"), "MQ_PASS [redacted] environment");

    let run = shown(&site, &program.argument("--format").argument("json")).await;
    let rows: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"] == "CONNECTOR_NAME");
    let row = row.unwrap();
    assert_eq!(row["key"], "connector.name");
    assert_eq!(row["value"], "From the file");
    assert_eq!(
        (&row["from"], &row["at"]),
        (&"config".into(), &"config.yml".into())
    );
}

async fn shown(site: &Site, program: &Program) -> Run {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for secret in ["hunter2", site.platform.token()] {
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
    assert!(site.platform.calls().is_empty());
    run
}
