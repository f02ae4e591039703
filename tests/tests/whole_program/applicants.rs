//! Applicants without a mapping: in somebody's name, in nobody's, or not at all.

use std::time::Duration;

use serde_json::{Value, json};
use tests::envelope::{HARBOUR, Source, WEATHER, envelope, malware};
use tests::platform::{Config, Fault};
use tests::program::{Program, Run};
use tokio::time::timeout;

use crate::site::Site;

/// A place with files of a mapped, an unmapped and no applicant, and one of another connector.
async fn site(config: Config) -> Site {
    let site = Site::with(config).await;
    let put = |name: &str, source: Source, number: u32, applicant: Value| {
        let mut envelope = envelope(source, number, &[malware(number)]);
        envelope["applicant_id"] = applicant;
        site.put(name, &envelope);
    };
    put("1.json", WEATHER, 1, json!("stranger"));
    put("2.json", WEATHER, 2, json!("src-user-1"));
    put("3.json", WEATHER, 3, Value::Null);
    put("4.json", HARBOUR, 4, json!("stranger"));
    site
}

fn requiring(site: &Site) -> Program {
    let program = site.program().with("CONNECTOR_LOG_LEVEL", "info");
    program.with("DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING", "true")
}

async fn run(program: Program) -> Run {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

/// The lines of a log with all of these words, as JSON.
fn lines(run: &Run, words: &[&str]) -> Vec<Value> {
    let lines = run.stderr.lines();
    let found = lines.filter(|line| words.iter().all(|word| line.contains(word)));
    found
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Who the messages in a connector's queue are of, in order.
async fn applicants(site: &Site, source: Source) -> Vec<Value> {
    let messages = site.drain(source.id).await;
    let bodies = messages.iter().map(|message| message.json().unwrap());
    bodies.map(|mut body| body["applicant_id"].take()).collect()
}

#[tokio::test]
async fn files_wait_for_a_mapping_and_go_on_with_it() {
    let site = site(Config::on_broker(crate::site::broker())).await;
    let first = run(requiring(&site)).await;
    let waiting = lines(&first, &["file waits", "unmapped-applicant"]);
    assert_eq!(waiting.len(), 3, "{}", first.stderr);
    let named = lines(&first, &["no mapping for this applicant: its files wait"]);
    assert_eq!(named.len(), 1, "{}", first.stderr);
    assert_eq!(named[0]["attributes"]["applicant_id"], "stranger");
    assert_eq!(named[0]["attributes"]["files"], 2);
    let left = ["1.json", "3.json", "4.json"].map(ToOwned::to_owned);
    assert_eq!(site.left(), left.clone().into());
    assert_eq!(applicants(&site, WEATHER).await, ["dst-user-1"]);
    let registered = site.platform.registered();
    assert!(registered.iter().all(|input| input["id"] != HARBOUR.id));
    assert!(
        site.platform
            .works()
            .iter()
            .all(|work| work.connector_id == WEATHER.id)
    );

    let mappings = "src-user-1:dst-user-1,stranger:dst-user-2";
    run(requiring(&site).with("DIODE_IMPORT_APPLICANT_MAPPINGS", mappings)).await;
    assert_eq!(site.left(), ["3.json".to_owned()].into());
    assert_eq!(applicants(&site, WEATHER).await, ["dst-user-2"]);
    assert_eq!(applicants(&site, HARBOUR).await, ["dst-user-2"]);

    run(requiring(&site).with("DIODE_IMPORT_DEFAULT_APPLICANT", "dst-user-1")).await;
    assert!(site.left().is_empty());
    assert_eq!(applicants(&site, WEATHER).await, ["dst-user-1"]);
}

/// The dry run and the run agree on who speaks for whom, and the missing entry is written out.
#[tokio::test]
async fn a_connector_with_entries_of_its_own_is_spoken_for_by_those_alone() {
    let site = site(Config::on_broker(crate::site::broker())).await;
    let own = format!("{}/stranger:dst-user-2", HARBOUR.id);
    let bound = format!("src-user-1:dst-user-1,{own}");
    let mut other = envelope(HARBOUR, 5, &[malware(5)]);
    other["applicant_id"] = json!("src-user-1");
    site.put("5.json", &other);
    let program = requiring(&site).with("DIODE_IMPORT_APPLICANT_MAPPINGS", &bound);
    let missing = format!("add {}/src-user-1:<id of a user", HARBOUR.id);
    let rehearsal = run(program.clone().with("CONNECTOR_SEND_TO_QUEUE", "false")).await;
    assert_eq!(lines(&rehearsal, &["file would wait"]).len(), 3);
    assert_eq!(lines(&rehearsal, &["its files wait", &missing]).len(), 1);

    let first = run(program).await;
    assert_eq!(lines(&first, &["its files wait", &missing]).len(), 1);
    let left = ["1.json", "3.json", "5.json"].map(ToOwned::to_owned);
    assert_eq!(site.left(), left.into());
    assert_eq!(applicants(&site, WEATHER).await, ["dst-user-1"]);
    assert_eq!(applicants(&site, HARBOUR).await, ["dst-user-2"]);

    // Without an entry for all, connectors without one of their own have none.
    let only_own = requiring(&site).with("DIODE_IMPORT_APPLICANT_MAPPINGS", own);
    let second = run(only_own).await;
    let waiting = lines(&second, &["file waits", "unmapped-applicant"]);
    assert_eq!(waiting.len(), 3, "{}", second.stderr);
}

#[tokio::test]
async fn that_files_go_in_with_the_workers_rights_is_warned_of_at_each_start() {
    let site = Site::with(Config::in_memory()).await;
    let warned = async |given: &[(&str, &str)]| {
        let program = site.program();
        let program = given
            .iter()
            .fold(program, |program, (name, value)| program.with(name, *value));
        let run = run(program).await;
        let words = ["files without a mapped applicant are imported with the rights of"];
        let lines = lines(&run, &words);
        let level = |line: &Value| line["level"] == "WARNING";
        assert!(lines.iter().all(level), "{}", run.stderr);
        let texts = lines.iter().map(|line| line["message"].to_string());
        texts.collect::<Vec<_>>()
    };
    let workers = warned(&[]).await;
    assert_eq!(workers.len(), 1, "{workers:?}");
    for named in [
        "whose token usually may do everything",
        "set DIODE_IMPORT_DEFAULT_APPLICANT to a user who may only write knowledge",
        "DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING=true",
    ] {
        assert!(workers[0].contains(named), "{workers:?}");
    }
    assert_eq!(warned(&[]).await.len(), 1, "it is said at each start");
    let rehearsed = warned(&[("CONNECTOR_SEND_TO_QUEUE", "false")]).await;
    assert_eq!(rehearsed.len(), 1);
    let pushed = warned(&[("CONNECTOR_QUEUE_PROTOCOL", "api")]).await;
    assert!(
        pushed[0].contains("the account of OPENCTI_TOKEN"),
        "{pushed:?}"
    );
    for (name, value) in [
        ("DIODE_IMPORT_DEFAULT_APPLICANT", "dst-user-1"),
        ("DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING", "true"),
    ] {
        assert_eq!(warned(&[(name, value)]).await, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn the_default_applicant_stands_in_for_the_unmapped_and_the_unnamed() {
    let site = site(Config::on_broker(crate::site::broker())).await;
    let program = site
        .program()
        .with("CONNECTOR_LOG_LEVEL", "info")
        .with("DIODE_IMPORT_DEFAULT_APPLICANT", "dst-user-2");
    let run = run(program).await;
    assert!(site.left().is_empty());
    assert_eq!(
        applicants(&site, WEATHER).await,
        ["dst-user-2", "dst-user-1", "dst-user-2"]
    );
    assert_eq!(applicants(&site, HARBOUR).await, ["dst-user-2"]);
    let named = lines(&run, &["no mapping for this applicant", "stranger"]);
    assert_eq!(named.len(), 1, "{}", run.stderr);
    assert_eq!(named[0]["attributes"]["files"], 2);
    assert_eq!(lines(&run, &["files without an applicant_id"]).len(), 1);
    assert!(!run.stderr.contains("does not know this user"));
}

#[tokio::test]
async fn a_default_applicant_that_is_nobody_is_told_at_the_start() {
    for sending in ["true", "false"] {
        let site = Site::with(Config::in_memory()).await;
        let program = site
            .program()
            .with("CONNECTOR_SEND_TO_QUEUE", sending)
            .with("DIODE_IMPORT_DEFAULT_APPLICANT", "nobody-here");
        let run = run(program).await;
        let warnings = lines(&run, &["does not know this user"]);
        assert_eq!(warnings.len(), 1, "{}", run.stderr);
        assert_eq!(warnings[0]["attributes"]["applicant_id"], "nobody-here");
        let named = "correct DIODE_IMPORT_DEFAULT_APPLICANT";
        assert!(run.stderr.contains(named), "{}", run.stderr);
    }
}

/// A platform on which the second of the users may only read.
fn with_a_reader(config: Config) -> Config {
    Config {
        readers: vec!["dst-user-2".to_owned()],
        ..config
    }
}

#[tokio::test]
async fn a_user_who_may_not_write_is_told_at_the_start() {
    for sending in ["true", "false"] {
        let site = Site::with(with_a_reader(Config::in_memory())).await;
        let run = run(site.program().with("CONNECTOR_SEND_TO_QUEUE", sending)).await;
        let warnings = lines(&run, &["this user may not write", "KNOWLEDGE_KNUPDATE"]);
        assert_eq!(warnings.len(), 1, "{}", run.stderr);
        assert_eq!(warnings[0]["attributes"]["applicant_id"], "dst-user-2");
        assert_eq!(warnings[0]["attributes"]["mapped_from"], "src-user-2");
    }
}

#[tokio::test]
async fn over_the_api_the_user_who_may_not_push_is_named() {
    let site = Site::with(with_a_reader(Config::in_memory())).await;
    let mut file = envelope(WEATHER, 1, &[malware(1)]);
    file["applicant_id"] = json!("src-user-2");
    site.put("a.json", &file);
    site.put("b.json", &envelope(HARBOUR, 2, &[malware(2)]));
    let program = site.program().with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    let waiting = lines(&run, &["file waits", "a.json"]);
    let reason = waiting[0]["attributes"]["reason"].as_str().unwrap();
    let named = "on behalf of dst-user-2: over the API that user must exist here";
    assert!(
        reason.contains(named) && reason.contains("CONNECTORAPI"),
        "{reason}"
    );
    assert!(!reason.contains("OPENCTI_TOKEN"), "{reason}");
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn a_platform_that_does_not_tell_of_users_keeps_neither_files_nor_us() {
    let site = Site::new().await;
    let never = Fault::Delay(Duration::from_secs(600));
    site.platform.fail("me", 1..=1, never);
    site.put("1.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon().start().unwrap();
    let well_before_it_is_given_up = Duration::from_secs(20);
    let at_work = async {
        site.emptied().await;
        daemon.terminate().await.unwrap();
        daemon.wait().await.unwrap()
    };
    let run = timeout(well_before_it_is_given_up, at_work).await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(site.platform.calls_of("me").len(), 1);
}

#[tokio::test]
async fn a_rehearsal_foretells_who_waits_and_who_is_stood_in_for() {
    let site = site(Config::in_memory()).await;
    let rehearsal = requiring(&site).with("CONNECTOR_SEND_TO_QUEUE", "false");
    let waits = run(rehearsal.clone()).await;
    let waiting = lines(&waits, &["file would wait", "unmapped-applicant"]);
    assert_eq!(waiting.len(), 3, "{}", waits.stderr);
    assert_eq!(lines(&waits, &["its files wait", "stranger"]).len(), 1);
    let stood_in = run(rehearsal.with("DIODE_IMPORT_DEFAULT_APPLICANT", "dst-user-1")).await;
    let imported = lines(&stood_in, &["file would be imported"]);
    assert_eq!(imported.len(), 4, "{}", stood_in.stderr);
    assert_eq!(site.left().len(), 4);
    assert!(site.platform.registered().is_empty());
}
