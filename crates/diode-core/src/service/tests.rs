//! Rounds over sources in memory, on a platform that keeps a connector's state as the real one does.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bundle_source::{Entry, Location, ReadError, Removal, Source, SourceError};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BrokerAddress, BundlePush, ConnectorInfo, ConnectorType,
    Delivery, DeliveryError, DeliveryErrorKind, DraftId, Drafts, ErrorClass, Expectations,
    PendingFile, Ping, Platform, PlatformVersion, Queue, QueueDetails, Registered, Registration,
    Route, S3Connection, Secret, Shipment, WorkEnd, WorkId, WorkProgress, WorkStatus,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Patience, Schedule, Service, greet};
use crate::report::{Interruption, PassReport};
use crate::{
    AfterImport, Applicants, Connectors, Importer, Ledger, OpenWorks, Outcome, Parts, Policy,
    Rules, SharedState, StateKey, ValidationRules, Works,
};

const OWN: &str = "own";

#[derive(Default)]
struct FakePlatform {
    /// Everything that was asked for, in order.
    diary: Mutex<Vec<String>>,
    /// What each sign of life said that we are at.
    infos: Mutex<Vec<ConnectorInfo>>,
    /// Our connector, while the platform knows it.
    own: Mutex<Option<Held>>,
    /// The state that a pass sets while a sign of life is under way.
    overtaken: Mutex<Option<SharedState>>,
    /// How many signs of life are taken before they fail.
    pings_left: Mutex<Option<usize>>,
}

/// What the platform keeps of a connector.
#[derive(Clone, Debug, Default)]
struct Held {
    state: Option<String>,
    /// Whether the state was reset since the last sign of life.
    was_reset: bool,
}

impl FakePlatform {
    fn note(&self, call: String) {
        self.diary.lock().unwrap().push(call);
    }

    /// Lets our connector have handed in that state.
    fn hold(&self, state: Option<&str>) {
        *self.own.lock().unwrap() = Some(Held {
            state: state.map(str::to_owned),
            was_reset: state == Some(""),
        });
    }

    fn delete(&self) {
        *self.own.lock().unwrap() = None;
    }

    fn held(&self) -> Option<String> {
        self.own.lock().unwrap().clone().and_then(|own| own.state)
    }

    fn was_reset(&self) -> bool {
        let own = self.own.lock().unwrap();
        own.as_ref().is_some_and(|own| own.was_reset)
    }

    /// Counts a sign of life down, where their number is limited.
    fn may_ping(&self) -> bool {
        match &mut *self.pings_left.lock().unwrap() {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// The calls so far that begin so, taken out with all others.
    fn calls(&self, beginning: &str) -> Vec<String> {
        let mut diary = std::mem::take(&mut *self.diary.lock().unwrap());
        diary.retain(|call| call.starts_with(beginning));
        diary
    }
}

#[async_trait]
impl Platform for FakePlatform {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        Ok(None)
    }

    async fn register_connector(&self, connector: &Registration) -> Result<Registered, ApiError> {
        self.note(format!("register {}", connector.id));
        let is_own = connector.id == OWN;
        Ok(Registered {
            state: is_own
                .then(|| self.own.lock().unwrap().get_or_insert_default().clone())
                .and_then(|own| own.state),
            route: Route {
                exchange: "x".into(),
                routing_key: format!("push_{}", connector.id),
            },
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
        let (id, state) = (ping.connector_id, ping.state);
        self.note(format!("ping {id} {state}"));
        self.infos.lock().unwrap().push(ping.info);
        if !self.may_ping() {
            let error = ApiError::new("pingConnector", ErrorClass::Transient, "made to fail");
            return Err(error);
        }
        if let Some(state) = self.overtaken.lock().unwrap().take() {
            let mut newer = state.get();
            newer.set_last_run(StateKey::S3, 99.0);
            state.replace(&state.get(), newer);
        }
        let mut own = self.own.lock().unwrap();
        let Some(held) = own.as_mut() else {
            let error = ApiError::new("pingConnector", ErrorClass::WorkGone, "no connector");
            return Err(error);
        };
        if held.was_reset {
            held.was_reset = false;
        } else {
            held.state = Some(state.to_owned());
        }
        Ok(held.state.clone())
    }

    async fn add_work(&self, connector_id: &str, _: &str) -> Result<WorkId, ApiError> {
        Ok(WorkId(format!("work of {connector_id}")))
    }

    async fn add_expectations(&self, _: &WorkId, _: i32) -> Result<(), ApiError> {
        Ok(())
    }

    async fn report_expectation(&self, _: &WorkId, _: Option<&str>) -> Result<(), ApiError> {
        Ok(())
    }

    async fn finish_work(&self, _: &WorkId, _: &str, _: WorkEnd) -> Result<(), ApiError> {
        Ok(())
    }

    async fn add_draft(&self, _: &str) -> Result<DraftId, ApiError> {
        unreachable!("no file asks for validation")
    }

    async fn add_draft_context(&self, _: &WorkId, _: &DraftId) -> Result<(), ApiError> {
        unreachable!("no file asks for validation")
    }

    async fn upload_pending(&self, _: &PendingFile) -> Result<(), ApiError> {
        unreachable!("no file asks for validation")
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
        Ok(Account {
            id: "me".into(),
            name: "me".into(),
        })
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        Ok(Applicant::CannotTell)
    }
}

/// A queue that takes everything, or nothing.
#[derive(Default)]
struct FakeQueue {
    is_away: AtomicBool,
    /// The connectors whose files were published, in order.
    published: Mutex<Vec<String>>,
}

#[async_trait]
impl Queue for FakeQueue {
    async fn prepare(&self) -> Result<(), DeliveryError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(DeliveryError {
                kind: DeliveryErrorKind::Unavailable,
                confirmed: 0,
                doubtful: 0,
                message: "away".into(),
                source: None,
            });
        }
        Ok(())
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
        let mut published = self.published.lock().unwrap();
        published.push(shipment.connector_id.to_owned());
        Ok(Delivery {
            confirmed: shipment.parts.count(),
            doubtful: 0,
            refused: Vec::new(),
        })
    }
}

/// Files in memory.
struct Shelf {
    name: &'static str,
    files: Mutex<Vec<(Entry, Bytes)>>,
    is_closed: AtomicBool,
    /// The platform that is to reset the state, and tell us, while the next file is read.
    resets_during_read: Mutex<Option<Arc<FakePlatform>>>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Shelf {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            files: Mutex::default(),
            is_closed: AtomicBool::new(false),
            resets_during_read: Mutex::default(),
        })
    }

    /// Puts a file there that was modified at `seconds` and comes from `connector`.
    fn put(&self, name: &str, seconds: i64, connector: &str) {
        let content = envelope(connector);
        let entry = Entry {
            location: Location::new(name),
            size: content.len() as u64,
            modified: at(seconds),
            etag: None,
        };
        let mut files = self.files.lock().unwrap();
        files.retain(|(other, _)| other.location != entry.location);
        files.push((entry, content));
        files.sort_by_key(|(entry, _)| entry.modified);
    }

    fn take(&self, entry: &Entry) -> Removal {
        let mut files = self.files.lock().unwrap();
        let before = files.len();
        files.retain(|(other, _)| other != entry);
        if files.len() < before {
            Removal::Removed
        } else {
            Removal::AlreadyGone
        }
    }
}

#[async_trait]
impl Source for Shelf {
    fn name(&self) -> &str {
        self.name
    }

    async fn list(&self) -> Result<Vec<Entry>, SourceError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(SourceError {
                action: "list",
                place: self.name.into(),
                transient: true,
                read_only: false,
                source: "closed".into(),
            });
        }
        let files = self.files.lock().unwrap();
        Ok(files.iter().map(|(entry, _)| entry.clone()).collect())
    }

    async fn read(&self, entry: &Entry, _: u64) -> Result<Bytes, ReadError> {
        let platform = self.resets_during_read.lock().unwrap().take();
        if let Some(platform) = platform {
            platform.hold(Some(""));
            while platform.was_reset() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let files = self.files.lock().unwrap();
        let found = files.iter().find(|(other, _)| other == entry);
        found
            .map(|(_, content)| content.clone())
            .ok_or_else(|| ReadError::Gone {
                location: entry.location.clone(),
            })
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        Ok(self.take(entry))
    }

    async fn set_aside(&self, entry: &Entry, _: &[u8]) -> Result<Option<String>, SourceError> {
        self.take(entry);
        Ok(Some(entry.location.to_string()))
    }

    async fn discard(&self, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

fn envelope(connector: &str) -> Bytes {
    json!({
        "bundle_type": "DIRECTORY_BUNDLE",
        "applicant_id": "there",
        "connector": {"id": connector, "name": "Feed", "type": "EXTERNAL_IMPORT", "scope": "x"},
        "bundle": {
            "type": "bundle",
            "id": "bundle--1",
            "objects": [{"type": "identity", "id": "identity--1", "name": "i"}],
        },
        "update": false,
    })
    .to_string()
    .into()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn own() -> Registration {
    Registration {
        id: OWN.into(),
        name: "Diode".into(),
        connector_type: ConnectorType::ExternalImport,
        scope: Vec::new(),
    }
}

/// A folder and a bucket, and what outlives a run of the program.
struct Bench {
    state: tempfile::TempDir,
    platform: Arc<FakePlatform>,
    queue: Arc<FakeQueue>,
    folder: Arc<Shelf>,
    bucket: Arc<Shelf>,
    after_import: AfterImport,
    ping_every: Duration,
    stop: CancellationToken,
}

impl Bench {
    fn new(after_import: AfterImport) -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
            platform: Arc::default(),
            queue: Arc::default(),
            folder: Shelf::new("directory:/in"),
            bucket: Shelf::new("s3:in"),
            after_import,
            ping_every: Duration::from_hours(1),
            stop: CancellationToken::new(),
        }
    }

    /// A service as a newly started program has it.
    async fn service(&self) -> Service {
        let platform: Arc<dyn Platform> = Arc::clone(&self.platform) as _;
        let greeting = greet(&*platform, &own(), Patience::None, &self.stop)
            .await
            .unwrap();
        let route = greeting.registered.route.clone();
        let connectors = Arc::new(Connectors::new(Arc::clone(&platform), &own(), route));
        let ledger = Arc::new(Ledger::open(self.state.path()).unwrap());
        let works: Arc<dyn Works> = Arc::new(OpenWorks::new(
            Arc::clone(&platform),
            Arc::clone(&ledger),
            Arc::new(|| at(1_000_000)),
        ));
        let importers = [
            (&self.folder, StateKey::Directory),
            (&self.bucket, StateKey::S3),
        ]
        .map(|(source, state_key)| {
            let parts = Parts {
                source: Arc::clone(source) as _,
                state_key,
                platform: Arc::clone(&platform),
                queue: Arc::clone(&self.queue) as _,
                connectors: Arc::clone(&connectors),
                works: Arc::clone(&works),
                ledger: Arc::clone(&ledger),
                clock: Arc::new(|| at(1_000_000)),
                stop: self.stop.clone(),
            };
            Importer::new(parts, self.rules(), None)
        });
        let schedule = Schedule {
            pass_every: Duration::from_millis(1),
            ping_every: self.ping_every,
        };
        let stop = self.stop.clone();
        Service::new(
            importers.into(),
            platform,
            works,
            own(),
            &greeting,
            schedule,
            stop,
        )
    }

    fn rules(&self) -> Rules {
        Rules {
            policy: Policy {
                after_import: self.after_import,
                retention: None,
                settle: Duration::ZERO,
            },
            limits: stix_bundle::Limits::default(),
            profile: stix_bundle::Profile::opencti(),
            applicants: Applicants::default(),
            validation: ValidationRules::default(),
        }
    }

    /// A run of the program over all sources. Returns the connectors whose files were published.
    async fn run(&self) -> Vec<String> {
        self.service().await.run_once().await;
        self.published()
    }

    /// The connectors whose files were published since this was last asked.
    fn published(&self) -> Vec<String> {
        std::mem::take(&mut *self.queue.published.lock().unwrap())
    }
}

fn told(reports: &[PassReport]) -> Vec<(&str, usize, Option<Interruption>)> {
    reports
        .iter()
        .map(|report| {
            let imported = report.count(Outcome::Imported);
            (report.source.as_str(), imported, report.interruption)
        })
        .collect()
}

#[tokio::test]
async fn sources_are_gone_over_one_after_the_other_as_one_connector() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.bucket.put("b.json", 20, "c");
    let reports = bench.service().await.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 1, None), ("s3:in", 1, None)]
    );
    assert_eq!(bench.published(), ["c", "c"]);
    let calls = bench.platform.calls("");
    let registered = calls.iter().filter(|call| call.starts_with("register"));
    assert_eq!(
        registered.collect::<Vec<_>>(),
        ["register own", "register c"]
    );
    assert_eq!(
        calls.last().unwrap(),
        r#"ping own {"last_run_directory":10.0,"last_run_s3":20.0}"#
    );
}

#[tokio::test]
async fn a_source_that_fails_does_not_keep_us_from_the_other() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.is_closed.store(true, Ordering::Relaxed);
    bench.bucket.put("b.json", 20, "c");
    let reports = bench.service().await.run_once().await;
    let failed = Some(Interruption::Source);
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, failed), ("s3:in", 1, None)]
    );
}

#[tokio::test]
async fn what_reaches_all_sources_is_not_tried_twice() {
    let bench = Bench::new(AfterImport::Delete);
    bench.folder.put("a.json", 10, "c");
    bench.bucket.put("b.json", 20, "c");
    bench.queue.is_away.store(true, Ordering::Relaxed);
    let reports = bench.service().await.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, Some(Interruption::Broker))]
    );
    assert_eq!(bench.bucket.files.lock().unwrap().len(), 1);
}

/// A bench whose files are kept: two in the folder, one in the bucket, all imported once.
async fn with_kept_files() -> Bench {
    let bench = Bench::new(AfterImport::Keep);
    bench.folder.put("a.json", 10, "a");
    bench.folder.put("b.json", 20, "b");
    bench.bucket.put("c.json", 30, "c");
    assert_eq!(bench.run().await, ["a", "b", "c"]);
    assert_eq!(bench.run().await, NOTHING);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    bench
}

const NOTHING: [&str; 0] = [];
const ALL_IMPORTED: &str = r#"{"last_run_directory":20.0,"last_run_s3":30.0}"#;

#[tokio::test]
async fn a_reset_before_the_start_imports_everything_again_once() {
    let bench = with_kept_files().await;
    bench.platform.hold(Some(""));
    assert_eq!(bench.run().await, ["a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    assert_eq!(bench.run().await, NOTHING);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_pass_takes_effect_in_the_next() {
    let mut bench = with_kept_files().await;
    bench.ping_every = Duration::from_millis(1);
    bench.folder.put("late.json", 5, "late");
    *bench.folder.resets_during_read.lock().unwrap() = Some(Arc::clone(&bench.platform));
    let mut service = bench.service().await;
    service.run_once().await;
    assert_eq!(bench.published(), ["late"]);
    // The pass has set a watermark, which must not take the reset's place.
    assert_eq!(bench.platform.held().as_deref(), Some(""));
    service.run_once().await;
    assert_eq!(bench.published(), ["late", "a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    service.run_once().await;
    assert_eq!(bench.published(), NOTHING);
}

#[tokio::test]
async fn a_reset_wins_over_a_state_set_while_it_was_told() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    bench.platform.hold(Some(""));
    *bench.platform.overtaken.lock().unwrap() = Some(service.heart.state.clone());
    service.heart.ping().await;
    assert!(service.heart.state.get().is_reset());
}

#[tokio::test]
async fn a_state_set_while_an_older_one_was_handed_in_is_kept() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    *bench.platform.overtaken.lock().unwrap() = Some(service.heart.state.clone());
    service.heart.ping().await;
    assert_eq!(service.heart.state.get().last_run(StateKey::S3), Some(99.0));
}

#[tokio::test]
async fn killed_after_a_reset_was_told_the_next_run_follows_it() {
    let mut bench = with_kept_files().await;
    bench.ping_every = Duration::from_millis(1);
    bench.folder.put("late.json", 5, "late");
    *bench.folder.resets_during_read.lock().unwrap() = Some(Arc::clone(&bench.platform));
    assert_eq!(bench.run().await, ["late"]);
    assert!(!bench.platform.was_reset(), "the reset was not told");
    assert_eq!(bench.run().await, ["late", "a", "b", "c"]);
    assert_eq!(bench.run().await, NOTHING);
}

#[tokio::test]
async fn a_reset_is_followed_only_once_the_platform_knows_that_we_know() {
    // However many signs of life get through before the run is over, the reset is not forgotten,
    // and in the end nothing is imported any more.
    for (pings, during) in [
        (0, &NOTHING[..]),
        (1, &["a", "b", "c"]),
        (2, &["a", "b", "c"]),
    ] {
        let bench = with_kept_files().await;
        bench.platform.hold(Some(""));
        *bench.platform.pings_left.lock().unwrap() = Some(pings);
        assert_eq!(bench.run().await, during, "{pings}");
        *bench.platform.pings_left.lock().unwrap() = None;
        let again: &[&str] = if pings < 2 { &["a", "b", "c"] } else { &[] };
        assert_eq!(bench.run().await, again, "{pings}");
        assert_eq!(bench.run().await, NOTHING, "{pings}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}

#[tokio::test]
async fn a_reset_that_the_ledger_cannot_follow_stays_one() {
    let bench = with_kept_files().await;
    bench.platform.hold(Some(""));
    let mut service = bench.service().await;
    let ledger = rusqlite::Connection::open(bench.state.path().join(crate::FILE_NAME)).unwrap();
    ledger
        .execute_batch("ALTER TABLE files RENAME TO away")
        .unwrap();
    let reports = service.run_once().await;
    assert_eq!(
        told(&reports),
        [("directory:/in", 0, Some(Interruption::Ledger))]
    );
    assert_eq!(bench.platform.held().as_deref(), Some(""));
    ledger
        .execute_batch("ALTER TABLE away RENAME TO files")
        .unwrap();
    service.run_once().await;
    assert_eq!(bench.published(), ["a", "b", "c"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
}

#[tokio::test]
async fn a_sign_of_life_says_when_we_ran_and_will_run() {
    let bench = with_kept_files().await;
    let mut service = bench.service().await;
    service.run_once().await;
    service.tell_what_we_are_at(Some(Duration::from_mins(1)));
    service.heart.ping().await;
    let once = ConnectorInfo {
        run_and_terminate: true,
        last_run: Some(at(1_000_000)),
        ..ConnectorInfo::default()
    };
    let again = ConnectorInfo {
        run_and_terminate: false,
        next_run: Some(at(1_000_060)),
        ..once
    };
    let infos = bench.platform.infos.lock().unwrap();
    assert_eq!(infos[infos.len() - 2..], [once, again]);
}

#[tokio::test]
async fn the_state_is_told_after_every_pass_though_nothing_was_there() {
    let bench = Bench::new(AfterImport::Delete);
    let mut service = bench.service().await;
    let working = service.run();
    let enough = async {
        while bench.platform.infos.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        bench.stop.cancel();
    };
    let (both, never) = (
        async { tokio::join!(working, enough) },
        Duration::from_secs(20),
    );
    tokio::time::timeout(never, both).await.unwrap();
}

#[tokio::test]
async fn a_connector_that_was_deleted_comes_back_with_its_state() {
    let bench = with_kept_files().await;
    let mut service = bench.service().await;
    bench.platform.delete();
    service.run_once().await;
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    assert_eq!(bench.published(), NOTHING);
}

#[tokio::test]
async fn a_connector_without_a_state_is_not_one_that_was_reset() {
    for state in [None, Some("null"), Some("{}"), Some("[1]")] {
        let bench = with_kept_files().await;
        bench.platform.hold(state);
        assert_eq!(bench.run().await, NOTHING, "{state:?}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}

#[tokio::test]
async fn the_peer_s_watermark_counts_in_the_first_pass_only() {
    use AfterImport::{Delete, Keep};
    let everything = &["a", "b", "c", "late"][..];
    for (state, after_import, expect) in [
        (None, Keep, everything),
        (Some(""), Keep, everything),
        (Some("null"), Keep, everything),
        (Some("{\"last_run_directory\": \"x\"}"), Keep, everything),
        (
            Some("{\"last_run_directory\": 10.0}"),
            Keep,
            &["b", "c", "late"],
        ),
        (Some("{\"last_run_directory\": 9.999}"), Keep, everything),
        (Some("{\"last_run\": 20}"), Keep, &["c", "late"]),
        (Some("{\"last_run_s3\": 30}"), Keep, &["a", "b", "late"]),
        (Some(ALL_IMPORTED), Keep, &["late"]),
        (Some(ALL_IMPORTED), Delete, everything),
    ] {
        let bench = Bench::new(after_import);
        bench.platform.hold(state);
        bench.folder.put("a.json", 10, "a");
        bench.folder.put("b.json", 20, "b");
        bench.bucket.put("c.json", 30, "c");
        let mut published = bench.run().await;
        bench.folder.put("late.json", 5, "late");
        published.extend(bench.run().await);
        assert_eq!(published, expect, "{state:?} {after_import:?}");
        assert_eq!(bench.run().await, NOTHING, "{state:?} {after_import:?}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    }
}
