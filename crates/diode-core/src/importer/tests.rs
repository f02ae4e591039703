//! Passes over a real folder and a real ledger, against a platform and a queue in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bundle_source::{Entry, LocalSource, ReadError, Removal, Source, SourceError};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BrokerAddress, BundlePush, Delivery, DeliveryError,
    DeliveryErrorKind, DraftId, Drafts, ErrorClass, Expectations, PendingFile, Ping, Platform,
    PlatformVersion, Queue, QueueDetails, Refused, Registered, Registration, Route, S3Connection,
    Secret, Shipment, WorkEnd, WorkId, WorkProgress, WorkStatus,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Clock, Company, Importer, Parts, Rules};
use crate::report::{Interruption, PassReport};
use crate::works::OpenWorks;
use crate::{
    AfterImport, Applicants, Connectors, History, Ledger, Outcome, Policy, StateKey,
    ValidationMode, ValidationRules,
};

/// Everything that was done to platform, queue and source, in order.
type Diary = Arc<Mutex<Vec<String>>>;

struct FakePlatform {
    diary: Diary,
    /// Calls, as the diary has them, that fail, with the class and how often.
    faults: Mutex<HashMap<String, (ErrorClass, usize)>>,
    uploads: Mutex<Vec<PendingFile>>,
}

impl FakePlatform {
    fn note(&self, call: String) -> Result<(), ApiError> {
        let mut faults = self.faults.lock().unwrap();
        if let Some((class, left)) = faults.get_mut(&call)
            && *left > 0
        {
            *left -= 1;
            return Err(ApiError::new("call", *class, "made to fail"));
        }
        self.diary.lock().unwrap().push(call);
        Ok(())
    }
}

#[async_trait]
impl Platform for FakePlatform {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        Ok(None)
    }

    async fn register_connector(&self, connector: &Registration) -> Result<Registered, ApiError> {
        self.note(format!("register {}", connector.id))?;
        Ok(Registered {
            state: None,
            route: route(&connector.id),
            broker: BrokerAddress {
                host: "localhost".into(),
                port: 5672,
                vhost: "/".into(),
                use_ssl: false,
                user: "u".into(),
                password: Secret::new("p"),
            },
        })
    }

    async fn platform_storage(&self, _: &Registration) -> Result<Option<S3Connection>, ApiError> {
        Ok(None)
    }

    async fn ping_connector(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError> {
        Ok(Some(ping.state.to_owned()))
    }

    async fn add_work(&self, connector_id: &str, name: &str) -> Result<WorkId, ApiError> {
        self.note(format!("work {connector_id}"))?;
        Ok(WorkId(format!("work of {connector_id}: {name}")))
    }

    async fn add_expectations(&self, _: &WorkId, count: i32) -> Result<(), ApiError> {
        self.note(format!("expect {count}"))
    }

    async fn report_expectation(&self, _: &WorkId, error: Option<&str>) -> Result<(), ApiError> {
        self.note(format!("report {}", error.unwrap_or("ok")))
    }

    async fn finish_work(&self, _: &WorkId, _: &str, end: WorkEnd) -> Result<(), ApiError> {
        self.note(format!("finish {end:?}"))
    }

    async fn add_draft(&self, _: &str) -> Result<DraftId, ApiError> {
        self.note("draft".into())?;
        Ok(DraftId("draft".into()))
    }

    async fn add_draft_context(&self, _: &WorkId, _: &DraftId) -> Result<(), ApiError> {
        self.note("draft context".into())
    }

    async fn upload_pending(&self, file: &PendingFile) -> Result<(), ApiError> {
        self.note("upload".into())?;
        self.uploads.lock().unwrap().push(file.clone());
        Ok(())
    }

    async fn push_bundle(&self, _: BundlePush<'_>) -> Result<(), ApiError> {
        unreachable!("the queue is another one")
    }

    async fn work(&self, _: &WorkId) -> Result<Option<WorkProgress>, ApiError> {
        Ok(Some(WorkProgress {
            status: WorkStatus::Progress,
            expected: 2,
            processed: 0,
        }))
    }

    async fn is_work_alive(&self, _: &WorkId) -> Result<Option<bool>, ApiError> {
        Ok(None)
    }

    async fn queue_details(&self, _: &str) -> Result<Option<QueueDetails>, ApiError> {
        Ok(None)
    }

    async fn me(&self) -> Result<Account, ApiError> {
        unreachable!("nobody asks for it")
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        unreachable!("nobody asks for it")
    }
}

/// What a fake queue does with the next shipment instead of delivering it.
enum QueueFault {
    Fail(DeliveryErrorKind, usize),
    Refuse(usize),
}

struct FakeQueue {
    diary: Diary,
    faults: Mutex<Vec<QueueFault>>,
    ready: Mutex<Option<DeliveryErrorKind>>,
    messages: Mutex<Vec<Value>>,
}

fn failure(kind: DeliveryErrorKind, confirmed: usize) -> DeliveryError {
    DeliveryError {
        kind,
        confirmed,
        doubtful: 0,
        message: "made to fail".into(),
        source: None,
    }
}

#[async_trait]
impl Queue for FakeQueue {
    async fn prepare(&self) -> Result<(), DeliveryError> {
        self.ready
            .lock()
            .unwrap()
            .map_or(Ok(()), |kind| Err(failure(kind, 0)))
    }

    fn drafts(&self) -> Drafts {
        Drafts::Carried
    }

    fn expectations(&self, parts: &dyn opencti_client::Parts, confirmed: usize) -> Expectations {
        Expectations {
            told: parts.count() - confirmed,
            added_by_workers: 0,
        }
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        _: &CancellationToken,
    ) -> Result<Delivery, DeliveryError> {
        let count = shipment.parts.count();
        let mut delivery = Delivery {
            confirmed: count,
            doubtful: 0,
            refused: Vec::new(),
        };
        match self.faults.lock().unwrap().pop() {
            Some(QueueFault::Fail(kind, confirmed)) => return Err(failure(kind, confirmed)),
            Some(QueueFault::Refuse(index)) => {
                delivery.confirmed -= 1;
                delivery.refused.push(Refused {
                    index,
                    reason: "too large".into(),
                });
            }
            None => {}
        }
        self.diary.lock().unwrap().push(format!(
            "publish {} {}",
            shipment.connector_id, delivery.confirmed
        ));
        for index in 0..count {
            let mut part = Vec::new();
            shipment.parts.write(index, &mut part);
            self.messages.lock().unwrap().push(json!({
                "routing_key": shipment.route.routing_key,
                "applicant_id": shipment.header.applicant_id,
                "draft_id": shipment.header.draft_id.as_ref().map(|draft| &draft.0),
                "bundle": serde_json::from_slice::<Value>(&part).unwrap(),
            }));
        }
        Ok(delivery)
    }
}

/// A folder whose removals and moves fail while told to, and that lets nothing leave before the
/// ledger is on disk.
#[derive(Debug)]
struct StubbornSource {
    inner: LocalSource,
    ledger: Mutex<Option<Arc<Ledger>>>,
    diary: Diary,
    stuck: Mutex<bool>,
    read_only: Mutex<bool>,
}

impl StubbornSource {
    fn new(folder: &Path, diary: &Diary) -> Arc<Self> {
        Arc::new(Self {
            inner: LocalSource::new(folder, None).unwrap(),
            ledger: Mutex::default(),
            diary: Arc::clone(diary),
            stuck: Mutex::new(false),
            read_only: Mutex::new(false),
        })
    }

    fn act(&self, action: &'static str, entry: &Entry) -> Result<(), SourceError> {
        let ledger = self.ledger.lock().unwrap().clone().unwrap();
        assert!(ledger.is_flushed(), "{action} before the ledger is on disk");
        let read_only = *self.read_only.lock().unwrap();
        if read_only {
            let refused = format!("refuse to {action} {}", entry.location);
            self.diary.lock().unwrap().push(refused);
        }
        if read_only || *self.stuck.lock().unwrap() {
            return Err(SourceError {
                action,
                place: entry.location.to_string(),
                transient: !read_only,
                read_only,
                source: "made to fail".into(),
            });
        }
        self.diary
            .lock()
            .unwrap()
            .push(format!("{action} {}", entry.location));
        Ok(())
    }
}

#[async_trait]
impl Source for StubbornSource {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn list(&self) -> Result<Vec<Entry>, SourceError> {
        self.inner.list().await
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        self.inner.read(entry, limit).await
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        self.act("remove", entry)?;
        self.inner.remove(entry).await
    }

    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError> {
        self.act("set aside", entry)?;
        self.inner.set_aside(entry, reason).await
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        self.inner.discard(set_aside).await
    }
}

fn route(connector_id: &str) -> Route {
    Route {
        exchange: "x".into(),
        routing_key: format!("push_{connector_id}"),
    }
}

fn own() -> Registration {
    Registration {
        id: "own".into(),
        name: "Diode".into(),
        connector_type: opencti_client::ConnectorType::ExternalImport,
        scope: Vec::new(),
    }
}

/// A folder, a state folder, and what the importer of a test stands on.
struct Bench {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
    diary: Diary,
    platform: Arc<FakePlatform>,
    queue: Arc<FakeQueue>,
    source: Arc<StubbornSource>,
    now: Arc<Mutex<DateTime<Utc>>>,
    stop: CancellationToken,
    after_import: AfterImport,
    version: Option<PlatformVersion>,
    validation: ValidationRules,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::default();
        Self {
            state: tempfile::tempdir().unwrap(),
            platform: Arc::new(FakePlatform {
                diary: Arc::clone(&diary),
                faults: Mutex::default(),
                uploads: Mutex::default(),
            }),
            queue: Arc::new(FakeQueue {
                diary: Arc::clone(&diary),
                faults: Mutex::default(),
                ready: Mutex::default(),
                messages: Mutex::default(),
            }),
            source: StubbornSource::new(folder.path(), &diary),
            folder,
            diary,
            now: Arc::new(Mutex::new(Utc::now())),
            stop: CancellationToken::new(),
            after_import: AfterImport::Delete,
            version: None,
            validation: ValidationRules::default(),
        }
    }

    /// An importer as a newly started program has it.
    fn importer(&self) -> Importer {
        let now = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || *now.lock().unwrap());
        let platform: Arc<dyn Platform> = Arc::clone(&self.platform) as _;
        let ledger = Arc::new(Ledger::open(self.state.path()).unwrap());
        *self.source.ledger.lock().unwrap() = Some(Arc::clone(&ledger));
        let works = OpenWorks::new(
            Arc::clone(&platform),
            Arc::clone(&ledger),
            Arc::clone(&clock),
        );
        Importer::new(
            Parts {
                source: Arc::clone(&self.source) as _,
                state_key: StateKey::Directory,
                connectors: Arc::new(Connectors::new(Arc::clone(&platform), &own(), route("own"))),
                works: Arc::new(works),
                platform,
                queue: Arc::clone(&self.queue) as _,
                ledger,
                clock,
                stop: self.stop.clone(),
            },
            Rules {
                policy: Policy {
                    after_import: self.after_import,
                    retention: Some(Duration::from_hours(7 * 24)),
                    settle: Duration::from_secs(5),
                },
                limits: stix_bundle::Limits::default(),
                profile: stix_bundle::Profile::opencti(),
                applicants: Applicants::new([("there".to_owned(), "here".to_owned())].into()),
                validation: self.validation,
            },
            self.version,
        )
    }

    async fn pass(&self) -> PassReport {
        self.importer().pass(None).await
    }

    /// Writes a file that is `age` seconds old.
    fn put(&self, name: &str, content: &str, age: u64) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let time = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        path
    }

    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *self.diary.lock().unwrap())
    }

    fn fail(&self, call: &str, class: ErrorClass, times: usize) {
        let mut faults = self.platform.faults.lock().unwrap();
        faults.insert(call.to_owned(), (class, times));
    }

    fn queue_fault(&self, fault: QueueFault) {
        self.queue.faults.lock().unwrap().push(fault);
    }

    fn published(&self) -> Vec<String> {
        let mut diary = self.diary();
        diary.retain(|line| line.starts_with("publish"));
        diary
    }

    fn reason(&self, name: &str) -> Value {
        let path = self.folder.path().join("rejected").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn later(&self, time: TimeDelta) {
        *self.now.lock().unwrap() += time;
    }
}

fn identity(name: &str) -> Value {
    json!({"type": "identity", "id": format!("identity--{name}"), "name": name})
}

fn envelope(connector: &str, objects: &[Value]) -> String {
    json!({
        "bundle_type": "DIRECTORY_BUNDLE",
        "applicant_id": "there",
        "connector": {"id": connector, "name": "Feed", "type": "EXTERNAL_IMPORT", "scope": "x"},
        "bundle": {"type": "bundle", "id": "bundle--1", "objects": objects},
        "update": false,
    })
    .to_string()
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[tokio::test]
async fn a_good_file_goes_the_way_that_loses_nothing() {
    let bench = Bench::new();
    let path = bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.messages), (1, 2));
    assert_eq!(
        bench.diary(),
        [
            "register c",
            "work c",
            "expect 1",
            "expect 2",
            "publish c 2",
            "remove a.json"
        ]
    );
    let message = bench.queue.messages.lock().unwrap()[0].clone();
    assert_eq!(message["routing_key"], "push_c");
    assert_eq!(message["applicant_id"], "here");
    assert!(!exists(&path));
    assert!(!bench.pass().await.is_eventful());
}

#[tokio::test]
async fn connectors_are_registered_once_and_never_as_ourselves() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("c", &[identity("a")]), 60);
    bench.put("2.json", &envelope("own", &[identity("a")]), 50);
    bench.put("3.json", &envelope("c", &[identity("a")]), 40);
    bench.pass().await;
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("register") || line.starts_with("publish"));
    assert_eq!(
        diary,
        ["register c", "publish c 1", "publish own 1", "publish c 1"]
    );
}

#[tokio::test]
async fn trouble_of_one_connector_holds_its_files_in_order_and_no_others() {
    let bench = Bench::new();
    for (name, connector, age) in [
        ("1.json", "a", 60),
        ("2.json", "b", 50),
        ("3.json", "a", 40),
    ] {
        bench.put(name, &envelope(connector, &[identity("x")]), age);
    }
    bench.fail("work a", ErrorClass::Transient, 1);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Waiting), 2);
    assert_eq!(report.interruption, None);
    assert_eq!(bench.published(), ["publish b 1"]);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish a 1", "publish a 1"]);
}

#[tokio::test]
async fn trouble_that_is_about_everything_ends_the_pass() {
    for (fault, class, expect) in [
        ("work", ErrorClass::Transient, Interruption::Platform),
        (
            "register",
            ErrorClass::Credentials,
            Interruption::Credentials,
        ),
    ] {
        let bench = Bench::new();
        for (name, connector) in [("1.json", "a"), ("2.json", "b"), ("3.json", "c")] {
            bench.put(name, &envelope(connector, &[identity("x")]), 60);
            bench.fail(&format!("{fault} {connector}"), class, 1);
        }
        let report = bench.pass().await;
        assert_eq!(report.interruption, Some(expect));
        assert!(report.untried >= 1);
        assert_eq!(bench.published(), Vec::<String>::new());
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 3);
    }
}

#[tokio::test]
async fn a_broker_that_is_away_costs_no_work() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    *bench.queue.ready.lock().unwrap() = Some(DeliveryErrorKind::Unavailable);
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Broker));
    assert_eq!(bench.diary(), Vec::<String>::new());
    *bench.queue.ready.lock().unwrap() = None;
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1"]);
}

#[tokio::test]
async fn what_was_not_sent_is_given_back() {
    let bench = Bench::new();
    let path = bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unavailable, 1));
    bench.pass().await;
    assert_eq!(
        bench.diary(),
        ["register c", "work c", "expect 1", "expect 2", "expect -1"]
    );
    assert!(exists(&path));
}

#[tokio::test]
async fn a_missing_queue_is_declared_by_registering_again() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unroutable, 0));
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 1);
    let diary = bench.diary();
    assert_eq!(
        diary[..7],
        [
            "register c",
            "work c",
            "expect 1",
            "expect 1",
            "expect -1",
            "register c",
            "expect 1"
        ]
    );
}

#[tokio::test]
async fn a_connector_that_was_deleted_is_registered_again() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.fail("work c", ErrorClass::Contract, 1);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert_eq!(
        bench.diary()[..4],
        ["register c", "register c", "work c", "expect 1"]
    );
}

#[tokio::test]
async fn a_connector_that_cannot_be_registered_is_refused() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.fail("register c", ErrorClass::Contract, 1);
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    assert_eq!(
        bench.reason("a.json.reason.json")["code"],
        "invalid-connector"
    );
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_makes_the_file_partial() {
    let bench = Bench::new();
    bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        60,
    );
    bench.queue_fault(QueueFault::Refuse(1));
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Partial), report.messages), (1, 1));
    let reason = bench.reason("a.json.reason.json");
    assert_eq!(reason["code"], "partial");
    assert_eq!(reason["findings"][0]["path"], "$.bundle.objects[1]");
    assert_eq!(reason["findings"][0]["code"], "refused-by-broker");
    let report = "report a.json: $.bundle.objects[1] was not sent: too large [refused-by-broker]";
    assert!(bench.diary().contains(&report.to_owned()));
}

/// An envelope that asks for validation.
fn doubtful(objects: &[Value]) -> String {
    let scope = r#""scope":"x""#;
    let asking = format!(r#"{scope},"validate_before_import":true"#);
    envelope("c", objects).replace(scope, &asking)
}

#[tokio::test]
async fn validation_goes_into_a_draft_where_the_platform_has_them() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 6, 0));
    bench.put("a.json", &doubtful(&[identity("a")]), 60);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert_eq!(bench.queue.messages.lock().unwrap()[0]["draft_id"], "draft");
    assert_eq!(bench.platform.uploads.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn validation_goes_into_the_workbench_elsewhere_and_needs_no_broker() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 5, 9));
    *bench.queue.ready.lock().unwrap() = Some(DeliveryErrorKind::Unavailable);
    let unsupported = json!({"type": "x-y", "id": "x-y--1"});
    let path = bench.put("a.json", &doubtful(&[identity("a"), unsupported]), 60);
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.not_sent), (1, 0));
    let steps = [
        "register c",
        "work c",
        "expect 1",
        "upload",
        "remove a.json",
    ];
    assert_eq!(bench.diary(), steps);
    assert!(!exists(&path));
    let uploads = bench.platform.uploads.lock().unwrap();
    let name = uploads[0].name.strip_suffix(".json").unwrap();
    assert!(name.starts_with("work of c: Feed run @ "), "{name}");
    let bundle = r#"{"id":"bundle--1","objects":[{"id":"identity--a","#;
    assert!(uploads[0].content.starts_with(bundle.as_bytes()));
}

#[tokio::test]
async fn a_bundle_with_broken_objects_goes_into_the_workbench_without_them() {
    let bench = Bench::new();
    let objects = [identity("a"), json!({"type": "identity", "name": "no id"})];
    bench.put("a.json", &doubtful(&objects), 60);
    assert_eq!(bench.pass().await.count(Outcome::Partial), 1);
    assert_eq!(bench.reason("a.json.reason.json")["code"], "partial");
    let uploads = bench.platform.uploads.lock().unwrap();
    let bundle: Value = serde_json::from_slice(&uploads[0].content).unwrap();
    assert_eq!(bundle["objects"].as_array().unwrap().len(), 1);
    assert_eq!(bundle["objects"][0]["id"], "identity--a");
}

#[tokio::test]
async fn where_validation_is_refused_what_needs_it_waits_and_the_rest_goes_on() {
    for (version, call, works) in [
        ((6, 5, 0), "upload", &["work c"][..]),
        ((6, 6, 0), "draft", &["work c", "expect -1", "work c"]),
    ] {
        let mut bench = Bench::new();
        bench.version = Some(PlatformVersion::new(version.0, version.1, version.2));
        bench.fail(call, ErrorClass::Contract, 9);
        bench.put("1.json", &doubtful(&[identity("a")]), 60);
        bench.put("2.json", &doubtful(&[identity("a")]), 50);
        bench.put("3.json", &envelope("c", &[identity("a")]), 40);
        let report = bench.pass().await;
        assert_eq!(report.count(Outcome::Waiting), 2, "{call}");
        assert_eq!(report.count(Outcome::Imported), 1, "{call}");
        let mut diary = bench.diary();
        diary.retain(|line| line.starts_with("work") || line.starts_with("expect -"));
        assert_eq!(diary, works, "{call}");
    }
}

#[tokio::test]
async fn a_draft_that_is_told_to_be_taken_and_cannot_be_makes_files_wait() {
    let mut bench = Bench::new();
    bench.version = Some(PlatformVersion::new(6, 5, 9));
    bench.validation.mode = ValidationMode::Draft;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test]
async fn killed_before_cleaning_up_the_next_run_only_cleans_up() {
    let broken = json!({"type": "identity", "name": "no id"});
    for (content, action) in [
        (envelope("c", &[identity("a")]), "remove a.json"),
        (
            envelope("c", &[identity("a"), broken.clone()]),
            "set aside a.json",
        ),
        (envelope("c", &[broken]), "set aside a.json"),
        ("{".to_owned(), "set aside a.json"),
    ] {
        let bench = Bench::new();
        let path = bench.put("a.json", &content, 60);
        *bench.source.stuck.lock().unwrap() = true;
        bench.pass().await;
        assert!(exists(&path));
        bench.diary();
        *bench.source.stuck.lock().unwrap() = false;
        bench.pass().await;
        assert_eq!(bench.diary(), [action]);
        assert!(!exists(&path));
        assert!(!bench.pass().await.is_eventful());
    }
}

#[tokio::test]
async fn killed_while_deleting_nothing_is_sent_again_and_nothing_stays_hidden() {
    let mut bench = Bench::new();
    let path = bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    *bench.source.stuck.lock().unwrap() = true;
    bench.pass().await;
    // What the folder looks like between the two halves of a deletion.
    let hidden = bench.folder.path().join(".diode-import-held-0-a.json");
    std::fs::rename(&path, &hidden).unwrap();
    bench.diary();
    bench.source = StubbornSource::new(bench.folder.path(), &bench.diary);
    bench.pass().await;
    assert_eq!(bench.diary(), ["remove a.json"]);
    assert!(!exists(&path) && !exists(&hidden));
}

#[tokio::test]
async fn unfinished_files_wait_and_are_imported_once_complete() {
    let bench = Bench::new();
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content[..40], 1);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    bench.put("a.json", &content, 0);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert!(!exists(&path));

    bench.put("b.json", "{\"conn", 0);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    bench.later(TimeDelta::seconds(6));
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    assert_eq!(bench.reason("b.json.reason.json")["code"], "invalid-json");
    assert_eq!(bench.reason("b.json.reason.json")["size"], 6);
}

#[tokio::test]
async fn a_clock_that_jumps_repeats_nothing_and_holds_up_nothing() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.put("b.json", "{", 0);
    bench.pass().await;
    assert_eq!(bench.published(), ["publish c 1"]);
    bench.later(TimeDelta::days(-3650));
    assert!(!bench.pass().await.is_eventful());
    bench.put("c.json", &envelope("c", &[identity("c")]), 0);
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    // First seen at a time that is ten years away by this clock.
    bench.later(TimeDelta::seconds(6));
    assert_eq!(bench.pass().await.count(Outcome::Rejected), 1);
    bench.later(TimeDelta::days(1));
    assert!(!bench.pass().await.is_eventful());
}

#[tokio::test]
async fn foreign_files_are_read_once_and_left() {
    let bench = Bench::new();
    let path = bench.put("a.json", r#"{"type": "bundle", "objects": []}"#, 60);
    assert_eq!(bench.pass().await.count(Outcome::Ignored), 1);
    assert_eq!(bench.pass().await.count(Outcome::Ignored), 0);
    assert!(exists(&path));
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test]
async fn kept_files_are_sent_once_until_they_change_or_come_back() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let content = envelope("c", &[identity("a")]);
    let path = bench.put("a.json", &content, 60);
    bench.pass().await;
    bench.pass().await;
    bench.put("a.json", &content, 10);
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 1"],
        "the same content, written anew"
    );
    bench.put(
        "a.json",
        &envelope("c", &[identity("a"), identity("b")]),
        10,
    );
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 2"],
        "other content under the same name"
    );
    std::fs::remove_file(&path).unwrap();
    bench.pass().await;
    bench.put("a.json", &envelope("c", &[identity("a"), identity("b")]), 5);
    bench.pass().await;
    assert_eq!(
        bench.published(),
        ["publish c 2"],
        "it had gone, and came back"
    );
    assert!(exists(&path));
}

#[tokio::test]
async fn retention_counts_from_the_decision_and_spares_what_is_not_ours() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let old = 30 * 86_400;
    let imported = bench.put("a.json", &envelope("c", &[identity("a")]), old);
    let foreign = bench.put("b.json", "{}", old);
    bench.put("c.json", "{", old);
    bench.pass().await;
    let rejected = bench.folder.path().join("rejected/c.json");
    let stray = bench.folder.path().join("rejected/stray.json");
    std::fs::write(&stray, "x").unwrap();
    bench.later(TimeDelta::days(6));
    bench.pass().await;
    assert!(exists(&imported) && exists(&rejected));
    bench.later(TimeDelta::days(2));
    assert_eq!(bench.pass().await.removed, 2);
    assert!(!exists(&imported) && !exists(&rejected));
    assert!(!exists(
        &bench.folder.path().join("rejected/c.json.reason.json")
    ));
    assert!(exists(&foreign) && exists(&stray));
}

#[tokio::test]
async fn history_is_forgotten_90_days_after_the_file_is_gone() {
    let bench = Bench::new();
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    let remembered = || {
        let history = History::open(bench.state.path()).unwrap();
        history.entries(10).unwrap().len()
    };
    bench.pass().await;
    for (later, expect) in [(TimeDelta::days(89), 1), (TimeDelta::days(2), 0)] {
        bench.later(later);
        bench.pass().await;
        assert_eq!(remembered(), expect, "{later}");
    }
}

#[tokio::test]
async fn what_the_peer_imported_is_kept_and_its_retention_counts_from_now() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    let old = 30 * 86_400;
    let content = envelope("c", &[identity("a")]);
    let imported = bench.put("a.json", &content, old);
    let foreign = bench.put("b.json", "{}", old);
    bench.put("c.json", "{", old);
    bench.importer().pass(Some(1e12)).await;
    assert_eq!(bench.published(), Vec::<String>::new());
    assert_eq!(bench.reason("c.json.reason.json")["code"], "invalid-json");

    bench.later(TimeDelta::days(6));
    bench.put("a.json", &content, old - 1);
    bench.pass().await;
    assert!(exists(&imported));
    bench.later(TimeDelta::days(2));
    bench.pass().await;
    assert!(!exists(&imported) && exists(&foreign));
    assert_eq!(bench.published(), Vec::<String>::new(), "written anew");
}

#[tokio::test]
async fn stopped_while_taking_over_the_next_run_takes_over() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.stop.cancel();
    let report = bench.importer().pass(Some(1e12)).await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    bench.stop = CancellationToken::new();
    bench.importer().pass(Some(1e12)).await;
    assert_eq!(bench.published(), Vec::<String>::new());
}

#[tokio::test]
async fn unmapped_applicants_are_imported_and_named() {
    let bench = Bench::new();
    let content = envelope("c", &[identity("a")]);
    bench.put("1.json", &content.replace("there", "nobody"), 60);
    bench.put("2.json", &content.replace(r#""there""#, "null"), 60);
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Imported), 2);
    let expect = [(String::new(), 1), ("nobody".to_owned(), 1)].into();
    assert_eq!(report.unmapped, expect);
    let messages = bench.queue.messages.lock().unwrap();
    assert!(
        messages
            .iter()
            .all(|message| message["applicant_id"].is_null())
    );
}

#[tokio::test]
async fn asked_to_stop_nothing_more_is_started() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("c", &[identity("a")]), 60);
    bench.put("2.json", &envelope("c", &[identity("a")]), 50);
    bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Stopped, 0));
    let report = bench.pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    assert_eq!(report.untried, 1);
    bench.stop.cancel();
    let report = bench.pass().await;
    assert_eq!(
        (report.interruption, report.untried),
        (Some(Interruption::Stopped), 2)
    );
}

#[tokio::test]
async fn without_the_folder_nothing_counts_as_gone() {
    let mut bench = Bench::new();
    bench.after_import = AfterImport::Keep;
    bench.put("a.json", &envelope("c", &[identity("a")]), 60);
    bench.pass().await;
    bench.diary();
    let hidden = bench.state.path().join("hidden");
    std::fs::rename(bench.folder.path(), &hidden).unwrap();
    assert_eq!(bench.pass().await.interruption, Some(Interruption::Source));
    std::fs::rename(&hidden, bench.folder.path()).unwrap();
    assert!(!bench.pass().await.is_eventful());
    assert_eq!(bench.diary(), Vec::<String>::new());
}

#[tokio::test]
async fn a_source_that_is_read_only_is_asked_for_a_change_once_in_a_pass() {
    let bench = Bench {
        after_import: AfterImport::Keep,
        ..Bench::new()
    };
    for name in ["1.json", "2.json"] {
        bench.put(name, "no JSON", 60);
    }
    bench.put("3.json", &envelope("c", &[identity("a")]), 50);
    *bench.source.read_only.lock().unwrap() = true;
    let mut importer = bench.importer();
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Rejected), 2);
    assert_eq!(report.count(Outcome::Imported), 1);
    let mut diary = bench.diary();
    diary.retain(|line| line.starts_with("refuse"));
    assert_eq!(diary, ["refuse to set aside 1.json"]);
    assert!(!importer.pass(None).await.is_eventful());
    assert_eq!(bench.diary(), ["refuse to set aside 1.json"]);
    *bench.source.read_only.lock().unwrap() = false;
    importer.pass(None).await;
    assert_eq!(bench.diary(), ["set aside 1.json", "set aside 2.json"]);
}

#[tokio::test]
async fn what_may_be_anybody_s_is_left_alone_where_others_keep_files() {
    let bench = Bench::new();
    let theirs = bench.put("1.json", "no JSON", 60);
    let ours = bench.put("2.json", &envelope("c", &[]), 60);
    let mut importer = bench.importer().with_company(Company::Shared);
    let report = importer.pass(None).await;
    assert_eq!(report.count(Outcome::Ignored), 1);
    assert_eq!(report.count(Outcome::Rejected), 1);
    assert!(exists(&theirs) && !exists(&ours));
    assert!(!importer.pass(None).await.is_eventful());
}
