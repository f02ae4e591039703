//! Whatever is in files, in the settings and on the command line: no writer of this program lets a terminal
//! obey it, or lets it disguise itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use diode_core::terminal::is_safe;
use diode_core::{
    CheckReport, Code, Examined, Finding, FindingLevel, HistoryEntry, Place as Lot, Reason,
    Refusal, check, examine,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use stix_bundle::{Limits, Profile};

use crate::cli::{Cli, Format};
use crate::logging::{Style, logged_by};
use crate::output::SafeOutput;
use crate::settings::{Inputs, Settings, overview};
use crate::{check as check_command, config, history, metrics, report};

/// A text of which most characters are such as a terminal obeys, or such that show nothing or turn the
/// text around.
fn text() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        3 => prop::sample::select(vec![
            '\u{7f}', '\u{9b}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{200b}',
            '\u{200d}', '\u{feff}', '\u{fe0f}', '\u{e0041}', '\u{e0100}', '\u{ad}', '\u{3164}',
            '\u{fffe}', '\n', '\r', '\t', '\0', '\u{1b}', '"', '\\', '\'', '`', ' ', ',', ':',
        ]),
        1 => any::<char>(),
        1 => prop::char::range('a', 'z'),
        1 => prop::sample::select(vec!['é', 'Я', '漢', 'ि', '🦀']),
    ];
    prop::collection::vec(odd, 1..10).prop_map(|characters| characters.into_iter().collect())
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn written(write: impl FnOnce(&mut SafeOutput<&mut Vec<u8>>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut SafeOutput::to(&mut bytes)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What was written holds only safe characters, and ends its last line.
fn assert_safe(what: &str, output: &str) -> Result<(), TestCaseError> {
    let bad = output.chars().find(|c| *c != '\n' && !is_safe(*c));
    prop_assert_eq!(bad, None, "{}: {:?}", what, output);
    prop_assert!(output.ends_with('\n'), "{what}: {output:?}");
    Ok(())
}

/// The same of so many lines: what is in them makes no other.
fn assert_lines(what: &str, output: &str, lines: usize) -> Result<(), TestCaseError> {
    assert_safe(what, output)?;
    prop_assert_eq!(output.lines().count(), lines, "{}: {:?}", what, output);
    Ok(())
}

fn assert_json(what: &str, output: &str, value: &Value) -> Result<(), TestCaseError> {
    assert_safe(what, output)?;
    prop_assert_eq!(&serde_json::from_str::<Value>(output).unwrap(), value);
    Ok(())
}

/// Files in which a text stands wherever it can.
fn files(text: &str) -> [Vec<u8>; 6] {
    let objects = json!([
        { "type": "malware", "id": format!("malware--{text}"), "name": text, "created": text,
          text: text, "object_marking_refs": [text] },
        { "type": text, "id": format!("{text}--1") },
        { "type": "report", "id": format!("report--{text}"), "object_refs": [format!("x--{text}")] },
        { "type": "user", "id": text, "opencti_operation": text },
        { "type": "malware", "id": 7, text: 7 },
        text,
    ]);
    let envelope = |name: &str, connector_type: &str, applicant: &str, objects: &Value| {
        let envelope = json!({
            "bundle_type": "DIRECTORY_BUNDLE", "applicant_id": applicant,
            "connector": { "id": "c", "name": name, "type": connector_type, "scope": text },
            "bundle": { "type": "bundle", "id": text, "objects": objects },
        });
        let mut envelope = envelope;
        if name == "Feed" {
            envelope["connector"]["scope"] = Value::Null;
        }
        envelope.to_string().into_bytes()
    };
    [
        envelope("Feed", "STREAM", "u", &objects),
        envelope("Feed", "STREAM", "u", &json!([objects[1], objects[3]])),
        envelope(text, text, text, &objects),
        envelope("Feed", text, "u", &objects),
        envelope("Feed", "STREAM", text, &objects),
        text.as_bytes().to_vec(),
    ]
}

fn reports(text: &str) -> Vec<CheckReport> {
    let (limits, profile) = (Limits::default(), Profile::opencti());
    let mut reports: Vec<_> = files(text)
        .iter()
        .map(|file| check(text, file, &limits, &profile))
        .collect();
    reports.push(CheckReport::unreadable(text, text.to_owned()));
    // More than any file can have.
    let mut report = reports[0].clone();
    if let Some(connector) = &mut report.connector {
        connector.id = text.to_owned();
        connector.name = text.to_owned();
    }
    report.applicant_id = Some(text.to_owned());
    report.message = Some(text.to_owned());
    reports.push(report);
    reports
}

fn refusals(text: &str) -> Vec<Refusal> {
    let (limits, profile) = (Limits::default(), Profile::opencti());
    let files = files(text);
    let examined = files.iter().map(|file| examine(file, &limits, &profile));
    let mut refusals: Vec<Refusal> = examined
        .filter_map(|examined| match examined {
            Examined::Refused(refusal) => Some(refusal),
            Examined::Ready(import) => import.defects,
            Examined::Foreign(_) => None,
        })
        .collect();
    refusals.push(
        Refusal::new(Code::Partial, text).with_findings(vec![Finding {
            code: "no-id",
            level: FindingLevel::Error,
            path: text.to_owned(),
            id: Some(text.to_owned()),
            message: text.to_owned(),
        }]),
    );
    refusals
}

fn entry(text: &str) -> HistoryEntry {
    let owned = || text.to_owned();
    HistoryEntry {
        time: now(),
        outcome: owned(),
        code: Some(owned()),
        source: owned(),
        file: owned(),
        connector: Some(owned()),
        connector_id: Some(owned()),
        applicant_id: Some(owned()),
        user_id: Some(owned()),
        work: Some(owned()),
        messages: 1,
        not_sent: 0,
        place: Lot::SetAside,
        moved_to: Some(owned()),
        left: None,
    }
}

fn log(text: &str) {
    let span = tracing::info_span!("pass", source = text);
    let _within = span.enter();
    let error = io::Error::other(text.to_owned());
    let error = &error as &(dyn std::error::Error + 'static);
    tracing::warn!(file = text, error, reason = %text, kind = ?text, messages = 3, "{text}");
}

proptest! {
    #[test]
    fn check_writes_only_what_a_terminal_shows(text in text()) {
        for report in reports(&text) {
            let line = written(|to| check_command::write(to, Format::Json, &report));
            assert_lines("check, JSON", &line, 1)?;
            assert_json("check, JSON", &line, &serde_json::to_value(&report).unwrap())?;
            let page = written(|to| check_command::write(to, Format::Text, &report));
            let shown = report.findings.len() + report.not_sent.len();
            let removed = usize::from(report.references_removed > 0);
            assert_lines("check, text", &page, 1 + shown + removed)?;
        }
    }

    #[test]
    fn reasons_hold_only_what_a_terminal_shows(text in text()) {
        for refusal in refusals(&text) {
            let reason = Reason::new(&text, 1, None, &refusal, now());
            let json = String::from_utf8(reason.to_json()).unwrap();
            assert_json("reason", &json, &serde_json::to_value(&reason).unwrap())?;
        }
    }

    #[test]
    fn the_history_shows_only_what_a_terminal_shows(text in text()) {
        let entries = [entry(&text), entry("x")];
        let table = written(|to| history::write(to, Format::Text, &entries));
        assert_lines("history, text", &table, 3)?;
        let lines = written(|to| history::write(to, Format::Json, &entries));
        assert_lines("history, JSON", &lines, 2)?;
        let first = lines.lines().next().unwrap().to_owned() + "\n";
        assert_json("history, JSON", &first, &serde_json::to_value(&entries[0]).unwrap())?;
    }

    #[test]
    fn the_log_holds_only_what_a_terminal_shows(text in text()) {
        let line = logged_by(&text, Style::Text, || log(&text));
        assert_lines("log, text", &line, 1)?;
        let line = logged_by(&text, Style::Json, || log(&text));
        assert_lines("log, JSON", &line, 1)?;
        let line: Value = serde_json::from_str(&line).unwrap();
        for told in [&line["name"], &line["message"]] {
            prop_assert_eq!(told, &text);
        }
        for told in ["source", "file", "error", "reason"] {
            prop_assert_eq!(&line["attributes"][told], &text);
        }
    }

    #[test]
    fn the_settings_are_shown_and_refused_with_only_what_a_terminal_shows(text in text()) {
        let no_files = |_: &Path| Err(io::Error::other("no files"));
        let mut environment: BTreeMap<String, String> = [
            "CONNECTOR_NAME", "CONNECTOR_SCOPE", "CONNECTOR_LOG_LEVEL", "OPENCTI_URL", "MQ_PORT",
            "DIODE_IMPORT_STATE_PATH", "DIODE_IMPORT_APPLICANT_MAPPINGS", "OPENCTI_SSL_VERIFY",
            "CONNECTOR_DURATION_PERIOD", "OPENCTI_CUSTOM_HEADERS", "DIODE_IMPORT_ALLOW_OPERATIONS",
            "DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", "DIODE_IMPORT_S3_BUCKET", "CONNECTOR_ID_FILE",
        ]
        .map(|name| (name.to_owned(), text.clone()))
        .into();
        environment.insert(format!("OPENCTI_{text}"), text.clone());
        let yaml = json!({ "connector": { "name": text, text.as_str(): text }, text.as_str(): text });
        for config in [text.clone(), yaml.to_string()] {
            let inputs = Inputs {
                environment: environment.clone(),
                config: Some((Path::new(&text).to_owned(), config)),
                read: &no_files,
            };
            let rows = overview(&inputs);
            let table = written(|to| config::write(to, Format::Text, &rows));
            assert_lines("config, text", &table, rows.len())?;
            let json = written(|to| config::write(to, Format::Json, &rows));
            assert_safe("config, JSON", &json)?;
            let value: Value = serde_json::from_str(&json).unwrap();
            for (told, row) in value.as_array().unwrap().iter().zip(&rows) {
                prop_assert_eq!(told["value"].as_str(), row.value.as_deref());
            }
            let refusal = Settings::load(&inputs).unwrap_err();
            let lines = report::refusal_lines(&refusal);
            let mut told = Vec::new();
            report::write_lines(SafeOutput::to(&mut told), &lines);
            assert_lines("refusal", &String::from_utf8(told).unwrap(), lines.len())?;
        }
    }

    #[test]
    fn the_command_line_is_refused_with_only_what_a_terminal_shows(text in text()) {
        for arguments in [
            vec![text.as_str()],
            vec!["--", &text],
            vec![&format!("--{text}")],
            vec![&format!("--confi{text}"), "x"],
            vec!["check", "--format", &text, "a.json"],
            vec!["check", &format!("--{text}=a"), "a.json"],
            vec!["history", "--limit", &text],
            vec!["--config", &text, "nothing", &text],
        ] {
            let arguments = ["diode-import"].into_iter().chain(arguments).map(OsString::from);
            let Err(error) = Cli::read(arguments) else { continue };
            let usual = Cli::read(["diode-import", "usual"].into_iter().map(OsString::from));
            assert_safe("command line", &error.to_string())?;
            let most = usual.unwrap_err().to_string().lines().count() + 8;
            prop_assert!(error.to_string().lines().count() <= most, "{error}");
        }
    }

    #[test]
    fn metrics_hold_only_what_a_terminal_shows(text in text()) {
        let told = metrics::tests::told_of(&text);
        assert_safe("metrics", &told)?;
        // A label has no other escapes than the format's own.
        let mut rest = told.as_str();
        while let Some(at) = rest.find('\\') {
            let escape = &rest[at..];
            let fits = [r"\\", r#"\""#, r"\n"].iter().any(|known| escape.starts_with(known));
            prop_assert!(fits, "{escape}");
            rest = &escape[2..];
        }
    }
}
