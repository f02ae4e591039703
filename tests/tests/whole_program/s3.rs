//! A bucket to import from: nothing lost, nothing of others touched, and clear words.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tests::bucket::Bucket;
use tests::certificates::Authority;
use tests::envelope::{HARBOUR, WEATHER, envelope, malware, unsupported};
use tests::front::TlsFront;
use tests::platform::Config;
use tests::program::{Program, Run};

use crate::proxy::{Fault, Proxy};
use crate::site::{Site, broker, objects_of};

const FAILED: i32 = 1;
const WRONG_CONFIGURATION: i32 = 2;

fn bundle(number: u32) -> String {
    envelope(WEATHER, number, &[malware(number)]).to_string()
}

fn id(number: u32) -> String {
    malware(number)["id"].as_str().unwrap().to_owned()
}

async fn run(program: &Program) -> Run {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run
}

/// Every fifth of them is an envelope, so that each page of the listing has some.
#[tokio::test]
async fn thousands_of_objects_are_gone_over_and_imported_once_each() {
    const COUNT: u32 = 2_500;
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    stream::iter(1..=COUNT)
        .for_each_concurrent(32, |number| {
            let bucket = &bucket;
            async move {
                let key = format!("connectors/{number:04}.json");
                match number % 5 {
                    0 => bucket.put(&key, bundle(number)).await,
                    _ => bucket.put(&key, "{}").await,
                }
            }
        })
        .await;
    run(&bucket.program(site.program())).await;
    let mut sent = objects_of(&site.drain(WEATHER.id).await);
    let mut expect: Vec<String> = (1..=COUNT / 5).map(|fifth| id(fifth * 5)).collect();
    sent.sort();
    expect.sort();
    assert!(sent == expect, "{} objects were sent", sent.len());
    let left = bucket.keys().await;
    assert_eq!(left.len(), (COUNT - COUNT / 5) as usize);
}

/// The second object is no newer than the first by what a store tells, and arrives after a pass.
#[tokio::test]
async fn an_object_of_the_same_second_that_arrives_late_is_imported() {
    for _ in 0..20 {
        let (site, bucket) = (Site::new().await, Bucket::new().await);
        let program = bucket
            .program(site.program())
            .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
        bucket.put("connectors/b.json", bundle(1)).await;
        run(&program).await;
        bucket.put("connectors/a.json", bundle(2)).await;
        let first = bucket.modified("connectors/b.json").await;
        let second = bucket.modified("connectors/a.json").await;
        if first != second {
            continue;
        }
        run(&program).await;
        run(&program).await;
        let sent = objects_of(&site.drain(WEATHER.id).await);
        assert_eq!(sent, [id(1), id(2)]);
        return;
    }
    panic!("no two objects of the same second in twenty attempts");
}

#[tokio::test]
async fn what_belongs_to_others_in_a_whole_bucket_stays_as_it_is() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    let foreign: BTreeMap<String, Vec<u8>> = [
        (
            "import/global/bundle.json",
            r#"{"type": "bundle", "objects": []}"#,
        ),
        ("import/global/list.json", "[1, 2]"),
        ("import/pending/lines.json", "{}\n{}\n"),
        ("export/broken.json", "{"),
        ("export/report.pdf", "%PDF"),
        ("settings.json", "null"),
    ]
    .map(|(key, content)| (key.to_owned(), content.as_bytes().to_vec()))
    .into();
    for (key, content) in &foreign {
        bucket.put(key, content).await;
    }
    bucket.put("connectors/1.json", bundle(1)).await;
    bucket.put("2.json", bundle(2)).await;
    let broken = envelope(WEATHER, 3, &[unsupported()]).to_string();
    bucket.put("3.json", &broken).await;
    let program = bucket
        .program(site.program())
        .with("DIODE_IMPORT_GET_FROM_S3_FOLDER", "/")
        .with("DIODE_IMPORT_GET_FROM_S3_RETENTION", "1");
    let first = run(&program).await;
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, [id(1), id(2)]);
    let mut left = bucket.contents().await;
    assert_eq!(left.remove("rejected/3.json"), Some(broken.into_bytes()));
    assert!(left.remove("rejected/3.json.reason.json").is_some());
    assert!(left == foreign, "{:?}", left.keys());
    for key in foreign.keys().filter(|key| key.ends_with(".json")) {
        assert_eq!(first.stderr.matches(key.as_str()).count(), 1, "{key}");
    }
    let second = run(&program).await;
    assert!(
        !second.stderr.contains("import/global"),
        "{}",
        second.stderr
    );
}

#[tokio::test]
async fn what_is_not_set_is_what_the_platform_tells() {
    let bucket = Bucket::new().await;
    let config = Config {
        storage: bucket.told(),
        ..Config::on_broker(broker()).in_version("6.9.10")
    };
    let site = Site::with(config).await;
    bucket.put("connectors/a.json", bundle(1)).await;
    let program = bucket.program(site.program());
    let told = [
        "DIODE_IMPORT_GET_FROM_S3_BUCKET",
        "DIODE_IMPORT_S3_ENDPOINT",
        "DIODE_IMPORT_S3_ACCESS_KEY",
        "DIODE_IMPORT_S3_SECRET_KEY",
    ]
    .into_iter()
    .fold(program, |program, variable| program.without(variable));
    let run = run(&told.with("CONNECTOR_LOG_LEVEL", "trace")).await;
    assert!(!run.stderr.contains(bucket.store.password().unwrap()));
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
    assert_eq!(bucket.keys().await, [""; 0]);
}

#[tokio::test]
async fn what_is_neither_set_nor_told_is_named() {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = site.program().with("DIODE_IMPORT_GET_FROM_S3", "true");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(WRONG_CONFIGURATION), "{}", run.stderr);
    for said in [
        "DIODE_IMPORT_GET_FROM_S3_BUCKET",
        "DIODE_IMPORT_S3_ENDPOINT",
        "6.6.0",
        "6.9.10",
    ] {
        assert!(run.stderr.contains(said), "no {said} in {}", run.stderr);
    }
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn a_directory_and_a_bucket_are_both_gone_over() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    site.put("a.json", &envelope(HARBOUR, 1, &[malware(1)]));
    bucket.put("connectors/a.json", bundle(2)).await;
    let run = run(&bucket.added_to(site.program())).await;
    assert_eq!(objects_of(&site.drain(HARBOUR.id).await), [id(1)]);
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(2)]);
    assert!(site.left().is_empty());
    assert_eq!(bucket.keys().await, [""; 0]);
    assert_eq!(run.stderr.matches("pass done").count(), 2, "{}", run.stderr);
    let pings = site.platform.calls_of("pingConnector");
    let state = pings.last().unwrap().arguments["state"].to_string();
    for key in ["last_run_directory", "last_run_s3"] {
        assert!(state.contains(key), "no {key} in {state}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_read_only_is_imported_once_with_one_warning() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    bucket.put("connectors/a.json", bundle(1)).await;
    for key in ["connectors/b.json", "connectors/c.json"] {
        bucket.put(key, "no JSON").await;
    }
    let before = bucket.contents().await;
    bucket.make_read_only().await;
    // With deletion, two permissions are lacking: that is still one warning.
    let program = bucket.program(site.program());
    let first = run(&program).await;
    let second = run(&program).await;
    for (run, rejected) in [(first, 2), (second, 0)] {
        let count = |words: &str| run.stderr.matches(words).count();
        assert_eq!(count("permits reading only"), 1, "{}", run.stderr);
        assert_eq!(count("file rejected"), rejected, "{}", run.stderr);
    }
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
    assert!(bucket.contents().await == before);
}

#[tokio::test]
async fn a_wrong_setting_is_named_and_the_directory_goes_on() {
    for (setting, value, words) in [
        (
            "DIODE_IMPORT_S3_ACCESS_KEY",
            "NOBODY",
            "the store does not know the access key",
        ),
        (
            "DIODE_IMPORT_S3_SECRET_KEY",
            "wrong-secret",
            "the secret key is not that of the access key",
        ),
        (
            "DIODE_IMPORT_GET_FROM_S3_BUCKET",
            "no-such-bucket",
            "the bucket does not exist",
        ),
    ] {
        let (site, bucket) = (Site::new().await, Bucket::new().await);
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let program = bucket.added_to(site.program()).with(setting, value);
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(FAILED), "{}", run.stderr);
        let errors = run
            .stderr
            .lines()
            .filter(|line| line.contains("cannot list"));
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors.len(), 1, "{}", run.stderr);
        let said = format!("{words} (see {setting})");
        assert!(errors[0].contains(&said), "no {said} in {}", errors[0]);
        assert!(!run.stderr.contains("wrong-secret"), "{}", run.stderr);
        assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
        assert!(site.left().is_empty(), "{setting}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named_before_anything_is_done() {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = site
        .program()
        .with("DIODE_IMPORT_GET_FROM_S3", "true")
        .with("DIODE_IMPORT_GET_FROM_S3_BUCKET", "b")
        .with("DIODE_IMPORT_S3_ENDPOINT", "http://store/with/a/path");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(WRONG_CONFIGURATION), "{}", run.stderr);
    for said in [
        "DIODE_IMPORT_S3_ENDPOINT",
        "it has more than a host and a port",
    ] {
        assert!(run.stderr.contains(said), "no {said} in {}", run.stderr);
    }
    assert!(site.platform.calls().is_empty());
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn a_store_is_trusted_by_what_vouches_for_the_platform() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    bucket.put("connectors/a.json", bundle(1)).await;
    let authority = Authority::new("an authority of the tests").unwrap();
    let certified = authority.certify("localhost").unwrap();
    let store = bucket.store.socket_addrs(|| None).unwrap()[0];
    let front = TlsFront::start(certified, store).await.unwrap();
    let program = bucket
        .program(site.program())
        .with("DIODE_IMPORT_S3_ENDPOINT", "localhost")
        .with("DIODE_IMPORT_S3_PORT", front.port().to_string());
    let refused = program.run().await.unwrap();
    assert_eq!(refused.code, Some(FAILED), "{}", refused.stderr);
    let said = "the store's certificate is not trusted (see HTTPS_CA_CERTIFICATES";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    run(&program.with("HTTPS_CA_CERTIFICATES", authority.pem())).await;
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
    assert_eq!(bucket.keys().await, [""; 0]);
}

/// A proxy to the bucket's store, and the program that goes through it.
async fn through(
    bucket: &Bucket,
    program: Program,
    plan: impl Fn(&str, usize) -> Fault + Send + Sync + 'static,
) -> (Proxy, Program) {
    let store = bucket.store.socket_addrs(|| None).unwrap()[0];
    let proxy = Proxy::start(store, plan).await;
    let endpoint = format!("http://{}", proxy.address);
    let program = program.with("DIODE_IMPORT_S3_ENDPOINT", endpoint);
    (proxy, program)
}

/// Spoils the first requests for each thing, in one way after the other.
fn spoil_each(faults: &'static [Fault]) -> impl Fn(&str, usize) -> Fault + Send + Sync + 'static {
    let seen: Mutex<BTreeMap<String, usize>> = Mutex::default();
    move |line, _| {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(line.to_owned()).or_default();
        *count += 1;
        faults.get(*count - 1).copied().unwrap_or(Fault::None)
    }
}

#[tokio::test]
async fn faults_on_the_way_lose_nothing_and_repeat_nothing() {
    static FAULTS: &[&[Fault]] = &[
        &[Fault::Refused(503, "SlowDown"), Fault::Refused(500, "")],
        &[Fault::CutAfter(20), Fault::CutAfter(100)],
        &[Fault::AnswerLost],
        &[Fault::Delayed(Duration::from_millis(500))],
    ];
    for faults in FAULTS {
        let (site, bucket) = (Site::new().await, Bucket::new().await);
        for number in 1..=3 {
            let key = format!("connectors/{number}.json");
            bucket.put(&key, bundle(number)).await;
        }
        bucket.put("connectors/4.json", "no JSON").await;
        let program = bucket.program(site.program());
        let (proxy, program) = through(&bucket, program, spoil_each(faults)).await;
        run(&program).await;
        let sent = objects_of(&site.drain(WEATHER.id).await);
        assert_eq!(sent, [id(1), id(2), id(3)], "{faults:?}");
        let left = bucket.keys().await;
        let aside = ["4.json", "4.json.reason.json"];
        assert_eq!(
            left,
            aside.map(|name| format!("connectors/rejected/{name}"))
        );
        assert!(proxy.count("DELETE") >= 4, "{faults:?}");
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_waits_and_those_behind_it_go_on() {
    let (site, bucket) = (Site::new().await, Bucket::new().await);
    for number in 1..=3 {
        let key = format!("connectors/{number}.json");
        bucket.put(&key, bundle(number)).await;
    }
    let program = bucket.program(site.program());
    let (_proxy, through) = through(&bucket, program.clone(), |line, _| {
        if line.starts_with("GET") && line.contains("connectors/1.json") {
            Fault::Refused(503, "SlowDown")
        } else {
            Fault::None
        }
    })
    .await;
    let first = run(&through).await;
    assert!(first.stderr.contains("503 SlowDown"), "{}", first.stderr);
    assert_eq!(bucket.keys().await, ["connectors/1.json"]);
    run(&program).await;
    let sent = objects_of(&site.drain(WEATHER.id).await);
    assert_eq!(sent, [id(2), id(3), id(1)]);
    assert_eq!(bucket.keys().await, [""; 0]);
}
