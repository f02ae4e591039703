use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;
use diode_core::{Code, Interruption, LeftOut, Outcome, Sent, TakenOut, Unmapped, Way};
use opencti_client::ErrorClass;

use super::*;

const SOURCE: &str = "directory:/in/\"new\"\\\nsource";

/// Metrics by a clock that goes on by a second whenever it is looked at.
fn metrics(prefix: Option<&str>) -> Metrics {
    let ticks = AtomicI64::new(1_767_225_600);
    let clock = move || DateTime::from_timestamp(ticks.fetch_add(1, Ordering::Relaxed), 0).unwrap();
    let (errors, stop) = (ErrorCount::default(), CancellationToken::new());
    Metrics::new(prefix.map(str::to_owned), errors, Arc::new(clock), stop)
}

fn file(outcome: Outcome, code: Option<Code>) -> FileReport {
    FileReport {
        file: "name-of-a-file.json".to_owned(),
        modified: DateTime::UNIX_EPOCH,
        outcome,
        code,
        message: Some("a-message".to_owned()),
        way: Way::default(),
        messages: 0,
        sent: Sent::default(),
        not_sent: Vec::new(),
        denied: std::collections::BTreeMap::new(),
        taken_out: TakenOut::default(),
        ids_of_other_types: 0,
        unmapped: Some(unmapped("an-applicant")),
    }
}

/// What is told once a pass over this source has begun.
pub(crate) fn told_of(source: &str) -> String {
    let metrics = metrics(None);
    metrics.pass_began(source);
    metrics.text().unwrap()
}

/// Something of every kind.
fn act(metrics: &Metrics) {
    metrics.pass_began(SOURCE);
    let sent = Sent {
        bundles: 2,
        objects: 3,
    };
    let imported = FileReport {
        sent,
        ids_of_other_types: 5,
        ..file(Outcome::Imported, None)
    };
    metrics.file(SOURCE, &imported);
    let left_out = LeftOut {
        code: "command",
        object_type: None,
        count: 7,
    };
    let partial = FileReport {
        not_sent: vec![left_out],
        denied: [("command", 6)].into(),
        ..file(Outcome::Partial, Some(Code::Partial))
    };
    metrics.file(SOURCE, &partial);
    metrics.file(SOURCE, &file(Outcome::Rejected, Some(Code::InvalidJson)));
    metrics.file(
        SOURCE,
        &file(Outcome::Waiting, Some(Code::UnmappedApplicant)),
    );
    let mut report = PassReport::new(SOURCE);
    report.interruption = Some(Interruption::Broker);
    report.oldest_waiting = DateTime::from_timestamp(1_767_000_000, 0);
    report.untried = 4;
    report.removed = 8;
    metrics.pass_ended(&report);
    metrics.sign_of_life(Ok(()));
    let error = ApiError::new("ping", ErrorClass::Transient, "away");
    metrics.sign_of_life(Err(&error));
}

/// The names of samples, as a query has them, by the lines that say what types these are.
fn names(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, _) => name.to_owned(),
        })
        .collect()
}

#[test]
fn all_that_is_told() {
    let metrics = metrics(Some("opencti_diode"));
    act(&metrics);
    insta::assert_snapshot!(metrics.text().unwrap(), @r#"
    # HELP opencti_diode_bundles_sent Bundles handed over to the platform, of files that were delivered.
    # TYPE opencti_diode_bundles_sent counter
    opencti_diode_bundles_sent_total 2
    # HELP opencti_diode_records_sent Objects in these bundles.
    # TYPE opencti_diode_records_sent counter
    opencti_diode_records_sent_total 3
    # HELP opencti_diode_runs Passes over a source that were begun.
    # TYPE opencti_diode_runs counter
    opencti_diode_runs_total 1
    # HELP opencti_diode_ping_api Signs of life that the platform took.
    # TYPE opencti_diode_ping_api counter
    opencti_diode_ping_api_total 1
    # HELP opencti_diode_ping_api_errors Signs of life that the platform did not take.
    # TYPE opencti_diode_ping_api_errors counter
    opencti_diode_ping_api_errors_total 1
    # HELP opencti_diode_errors Errors in the log.
    # TYPE opencti_diode_errors counter
    opencti_diode_errors_total 0
    # HELP opencti_diode_client_errors Files that were set aside.
    # TYPE opencti_diode_client_errors counter
    opencti_diode_client_errors_total 2
    # HELP opencti_diode_state What the connector is at: 1 for what holds.
    # TYPE opencti_diode_state gauge
    opencti_diode_state{opencti_diode_state="idle"} 1
    opencti_diode_state{opencti_diode_state="running"} 0
    opencti_diode_state{opencti_diode_state="stopped"} 0
    # HELP opencti_diode_files Files that were decided on.
    # TYPE opencti_diode_files counter
    opencti_diode_files_total{source="directory:/in/\"new\"\\\nsource",outcome="imported",code=""} 1
    opencti_diode_files_total{source="directory:/in/\"new\"\\\nsource",outcome="partial",code="partial"} 1
    opencti_diode_files_total{source="directory:/in/\"new\"\\\nsource",outcome="rejected",code="invalid-json"} 1
    # HELP opencti_diode_files_waiting Files that the last pass found to wait.
    # TYPE opencti_diode_files_waiting gauge
    opencti_diode_files_waiting{source="directory:/in/\"new\"\\\nsource",code="unmapped-applicant"} 1
    # HELP opencti_diode_files_untried Files that the last pass did not come to, as it was cut short.
    # TYPE opencti_diode_files_untried gauge
    opencti_diode_files_untried{source="directory:/in/\"new\"\\\nsource"} 4
    # HELP opencti_diode_oldest_waiting_timestamp_seconds The time of the oldest of these files.
    # TYPE opencti_diode_oldest_waiting_timestamp_seconds gauge
    opencti_diode_oldest_waiting_timestamp_seconds{source="directory:/in/\"new\"\\\nsource"} 1767000000
    # HELP opencti_diode_files_removed Files that were deleted by a later pass than the one that decided on them.
    # TYPE opencti_diode_files_removed counter
    opencti_diode_files_removed_total{source="directory:/in/\"new\"\\\nsource"} 8
    # HELP opencti_diode_objects_not_sent Objects of files that were decided on that were not sent.
    # TYPE opencti_diode_objects_not_sent counter
    opencti_diode_objects_not_sent_total{source="directory:/in/\"new\"\\\nsource"} 7
    # HELP opencti_diode_denied Objects that were refused: commands, and objects of types that are denied.
    # TYPE opencti_diode_denied counter
    opencti_diode_denied_total{source="directory:/in/\"new\"\\\nsource",code="command"} 6
    opencti_diode_denied_total{source="directory:/in/\"new\"\\\nsource",code="denied-type"} 0
    opencti_diode_denied_total{source="directory:/in/\"new\"\\\nsource",code="internal-type"} 0
    # HELP opencti_diode_type_of_id Objects that were delivered whose id is of another type than they are.
    # TYPE opencti_diode_type_of_id counter
    opencti_diode_type_of_id_total{source="directory:/in/\"new\"\\\nsource"} 5
    # HELP opencti_diode_last_import_timestamp_seconds When a file was imported last.
    # TYPE opencti_diode_last_import_timestamp_seconds gauge
    opencti_diode_last_import_timestamp_seconds{source="directory:/in/\"new\"\\\nsource"} 1767225602
    # HELP opencti_diode_last_pass_timestamp_seconds When the last pass ended.
    # TYPE opencti_diode_last_pass_timestamp_seconds gauge
    opencti_diode_last_pass_timestamp_seconds{source="directory:/in/\"new\"\\\nsource"} 1767225605
    # HELP opencti_diode_last_pass_duration_seconds How long the last pass took.
    # TYPE opencti_diode_last_pass_duration_seconds gauge
    opencti_diode_last_pass_duration_seconds{source="directory:/in/\"new\"\\\nsource"} 5.0
    # HELP opencti_diode_last_pass_interrupted 1 for what cut the last pass short.
    # TYPE opencti_diode_last_pass_interrupted gauge
    opencti_diode_last_pass_interrupted{source="directory:/in/\"new\"\\\nsource",by="broker"} 1
    # HELP opencti_diode_build_info The version of the program.
    # TYPE opencti_diode_build_info gauge
    opencti_diode_build_info{version="0.1.0"} 1
    # EOF
    "#);
}

#[test]
fn before_the_first_pass_there_is_little_to_tell() {
    insta::assert_snapshot!(metrics(None).text().unwrap(), @r#"
    # HELP bundles_sent Bundles handed over to the platform, of files that were delivered.
    # TYPE bundles_sent counter
    bundles_sent_total 0
    # HELP records_sent Objects in these bundles.
    # TYPE records_sent counter
    records_sent_total 0
    # HELP runs Passes over a source that were begun.
    # TYPE runs counter
    runs_total 0
    # HELP ping_api Signs of life that the platform took.
    # TYPE ping_api counter
    ping_api_total 0
    # HELP ping_api_errors Signs of life that the platform did not take.
    # TYPE ping_api_errors counter
    ping_api_errors_total 0
    # HELP errors Errors in the log.
    # TYPE errors counter
    errors_total 0
    # HELP client_errors Files that were set aside.
    # TYPE client_errors counter
    client_errors_total 0
    # HELP state What the connector is at: 1 for what holds.
    # TYPE state gauge
    state{state="idle"} 1
    state{state="running"} 0
    state{state="stopped"} 0
    # HELP files Files that were decided on.
    # TYPE files counter
    # HELP files_waiting Files that the last pass found to wait.
    # TYPE files_waiting gauge
    # HELP files_untried Files that the last pass did not come to, as it was cut short.
    # TYPE files_untried gauge
    # HELP oldest_waiting_timestamp_seconds The time of the oldest of these files.
    # TYPE oldest_waiting_timestamp_seconds gauge
    # HELP files_removed Files that were deleted by a later pass than the one that decided on them.
    # TYPE files_removed counter
    # HELP objects_not_sent Objects of files that were decided on that were not sent.
    # TYPE objects_not_sent counter
    # HELP denied Objects that were refused: commands, and objects of types that are denied.
    # TYPE denied counter
    # HELP type_of_id Objects that were delivered whose id is of another type than they are.
    # TYPE type_of_id counter
    # HELP last_import_timestamp_seconds When a file was imported last.
    # TYPE last_import_timestamp_seconds gauge
    # HELP last_pass_timestamp_seconds When the last pass ended.
    # TYPE last_pass_timestamp_seconds gauge
    # HELP last_pass_duration_seconds How long the last pass took.
    # TYPE last_pass_duration_seconds gauge
    # HELP last_pass_interrupted 1 for what cut the last pass short.
    # TYPE last_pass_interrupted gauge
    # HELP build_info The version of the program.
    # TYPE build_info gauge
    build_info{version="0.1.0"} 1
    # EOF
    "#);
}

#[test]
fn nothing_of_a_file_is_told() {
    let metrics = metrics(None);
    act(&metrics);
    let text = metrics.text().unwrap();
    for word in ["name-of-a-file", "a-message", "an-applicant"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[test]
fn how_much_is_told_does_not_depend_on_what_is_sent_to_us() {
    let metrics = metrics(None);
    act(&metrics);
    let lines = || metrics.text().unwrap().lines().count();
    let before = lines();
    for number in 0..1000 {
        metrics.file(
            SOURCE,
            &FileReport {
                file: format!("{number}.json"),
                message: Some(number.to_string()),
                unmapped: Some(unmapped(&number.to_string())),
                ..file(Outcome::Rejected, Some(Code::InvalidJson))
            },
        );
    }
    assert_eq!(lines(), before);
}

#[test]
fn the_state_is_what_we_are_at() {
    let metrics = metrics(None);
    let is = |expect: &str| {
        let text = metrics.text().unwrap();
        let holds: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("state{") && line.ends_with(" 1"))
            .collect();
        assert_eq!(holds, [format!("state{{state=\"{expect}\"}} 1")]);
    };
    is("idle");
    metrics.pass_began(SOURCE);
    is("running");
    metrics.stop.cancel();
    is("running");
    metrics.pass_ended(&PassReport::new(SOURCE));
    is("stopped");
}

#[test]
fn the_page_in_docs_has_exactly_what_is_told() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
    let page = std::fs::read_to_string(path).unwrap();
    let on_page: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(on_page, names(&metrics(None).text().unwrap()));
}

fn unmapped(source: &str) -> Unmapped {
    Unmapped {
        source: source.to_owned(),
        connector: None,
    }
}
