//! A folder, a ledger, a platform and a queue that fail on demand, and what was done to them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bundle_source::{Entry, Listing, LocalSource, ReadError, Removal, Source, SourceError, Wanted};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BundlePush, Cargo, Delivery, DeliveryError, DeliveryErrorKind,
    DraftId, Drafts, ErrorClass, Expectations, KnownConnector, PendingFile, Ping, Platform,
    PlatformVersion, Queue, QueueDetails, Refused, Registered, Registration, S3Connection,
    Shipment, WorkEnd, WorkId, WorkProgress,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::steady::Steady;
use super::super::{Importer, Parts};
use crate::doubles::{in_progress, one_for_each, registered, route};
use crate::report::PassReport;
use crate::works::OpenWorks;
use crate::{
    AfterImport, Applicants, Backpressure, Clock, ConnectorPolicy, Connectors, Ledger, Policy,
    Rules, StandIn, StateKey, UserMapping, ValidationRules,
};

/// Everything that was done to platform, queue and source, in order.
pub(super) type Diary = Arc<Mutex<Vec<String>>>;

pub(super) struct FakePlatform {
    pub(super) diary: Diary,
    /// Calls, as the diary has them, that fail, with the class and how often.
    pub(super) faults: Mutex<HashMap<String, (ErrorClass, usize)>>,
    /// The platform's own codes of calls that fail.
    pub(super) codes: Mutex<HashMap<String, &'static str>>,
    pub(super) uploads: Mutex<Vec<PendingFile>>,
    /// Whether it never answers the question for its version.
    pub(super) is_silent: Mutex<bool>,
    /// A call, as the diary has it, that comes together with a stop.
    pub(super) stops: Mutex<Option<(String, CancellationToken)>>,
    /// How often a work turns out not to be alive when that is asked.
    pub(super) dead: Mutex<usize>,
    /// How many registrations failed.
    pub(super) failed_registrations: AtomicUsize,
    /// The connectors that it tells of.
    pub(super) here: Mutex<Vec<KnownConnector>>,
    /// How often it was asked for them.
    pub(super) listings: Mutex<usize>,
    /// How many bytes are in which connector's queue; without any, queues cannot be looked at.
    pub(super) queues: Mutex<HashMap<String, u64>>,
}

impl FakePlatform {
    pub(super) fn note(&self, call: String) -> Result<(), ApiError> {
        self.fault(&call)?;
        if let Some((last, stop)) = &*self.stops.lock().unwrap()
            && *last == call
        {
            stop.cancel();
        }
        self.diary.lock().unwrap().push(call);
        Ok(())
    }

    fn fault(&self, call: &str) -> Result<(), ApiError> {
        let mut faults = self.faults.lock().unwrap();
        let Some((class, left)) = faults.get_mut(call).filter(|(_, left)| *left > 0) else {
            return Ok(());
        };
        *left -= 1;
        let operation = match call.split(' ').next() {
            Some("register") => {
                self.failed_registrations.fetch_add(1, Ordering::Relaxed);
                "registerConnector"
            }
            _ => "call",
        };
        let error = ApiError::new(operation, *class, "made to fail");
        match self.codes.lock().unwrap().get(call) {
            Some(code) => Err(error.with_code(*code)),
            None => Err(error),
        }
    }
}

#[async_trait]
impl Platform for FakePlatform {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        if *self.is_silent.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        self.fault("version")?;
        Ok(None)
    }

    async fn register_connector(&self, connector: &Registration) -> Result<Registered, ApiError> {
        self.note(format!("register {}", connector.id))?;
        Ok(registered(&connector.id, None))
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

    async fn finish_work(&self, _: &WorkId, text: &str, end: WorkEnd) -> Result<(), ApiError> {
        match end {
            WorkEnd::Sent => self.note("finish Sent".into()),
            WorkEnd::InError => self.note(format!("error {text}")),
        }
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
        Ok(Some(in_progress()))
    }

    async fn is_work_alive(&self, _: &WorkId) -> Result<Option<bool>, ApiError> {
        self.fault("alive")?;
        if self
            .diary
            .lock()
            .unwrap()
            .last()
            .is_none_or(|last| !last.starts_with("publish"))
        {
            return Ok(Some(true));
        }
        let mut dead = self.dead.lock().unwrap();
        let is_alive = *dead == 0;
        *dead = dead.saturating_sub(1);
        Ok(Some(is_alive))
    }

    async fn queue_details(&self, connector_id: &str) -> Result<Option<QueueDetails>, ApiError> {
        let Some(bytes) = self.queues.lock().unwrap().get(connector_id).copied() else {
            return Ok(None);
        };
        self.note(format!("look {connector_id}"))?;
        Ok(Some(QueueDetails { messages: 1, bytes }))
    }

    async fn connectors(&self) -> Result<Vec<KnownConnector>, ApiError> {
        self.fault("connectors")?;
        *self.listings.lock().unwrap() += 1;
        Ok(self.here.lock().unwrap().clone())
    }

    async fn me(&self) -> Result<Account, ApiError> {
        unreachable!("nobody asks for it")
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        unreachable!("nobody asks for it")
    }
}

/// What a fake queue does with the next file; the last of several is done first.
pub(super) enum QueueFault {
    Deliver,
    Fail(DeliveryErrorKind, usize),
    Refuse(usize),
}

pub(super) struct FakeQueue {
    pub(super) diary: Diary,
    pub(super) faults: Mutex<Vec<QueueFault>>,
    pub(super) ready: Mutex<Option<DeliveryErrorKind>>,
    /// What the queue is ready for once it failed.
    pub(super) ready_after_fault: Mutex<Option<DeliveryErrorKind>>,
    pub(super) messages: Mutex<Vec<Value>>,
    pub(super) approaches: AtomicUsize,
}

pub(super) fn failure(kind: DeliveryErrorKind, confirmed: usize) -> DeliveryError {
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
    async fn approach(&self) {
        self.approaches.fetch_add(1, Ordering::Relaxed);
    }

    async fn prepare(&self) -> Result<(), DeliveryError> {
        self.ready
            .lock()
            .unwrap()
            .map_or(Ok(()), |kind| Err(failure(kind, 0)))
    }

    fn drafts(&self) -> Drafts {
        Drafts::Carried
    }

    fn is_stalled(&self) -> bool {
        false
    }

    fn expectations(&self, parts: &dyn opencti_client::Parts, confirmed: usize) -> Expectations {
        one_for_each(parts, confirmed)
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        _: &CancellationToken,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let mut failed = None;
        let outcomes: Vec<_> = shipment
            .files
            .iter()
            .map(|file| match failed {
                None => self
                    .take(shipment, file)
                    .inspect_err(|error| failed = Some(error.kind)),
                Some(kind) => Err(failure(kind, 0)),
            })
            .collect();
        if failed != Some(DeliveryErrorKind::Unroutable) {
            return outcomes;
        }
        let gone =
            |delivery: Delivery| Err(failure(DeliveryErrorKind::Unroutable, delivery.confirmed));
        outcomes
            .into_iter()
            .map(|file| file.and_then(gone))
            .collect()
    }
}

impl FakeQueue {
    fn take(&self, shipment: &Shipment<'_>, file: &Cargo<'_>) -> Result<Delivery, DeliveryError> {
        let count = file.parts.count();
        let mut delivery = Delivery {
            confirmed: count,
            bundles: count,
            doubtful: 0,
            refused: Vec::new(),
        };
        match self.faults.lock().unwrap().pop() {
            Some(QueueFault::Fail(kind, confirmed)) => {
                let ready = self.ready_after_fault.lock().unwrap().take();
                *self.ready.lock().unwrap() = ready;
                return Err(failure(kind, confirmed));
            }
            Some(QueueFault::Refuse(index)) => {
                delivery.confirmed -= 1;
                delivery.bundles -= 1;
                delivery.refused.push(Refused {
                    index,
                    reason: "too large".into(),
                });
            }
            Some(QueueFault::Deliver) | None => {}
        }
        self.diary.lock().unwrap().push(format!(
            "publish {} {}",
            shipment.connector_id, delivery.confirmed
        ));
        for index in 0..count {
            let mut part = Vec::new();
            file.parts.write(index, &mut part);
            self.messages.lock().unwrap().push(json!({
                "routing_key": shipment.route.routing_key,
                "applicant_id": file.header.applicant_id,
                "draft_id": file.header.draft_id.as_ref().map(|draft| &draft.0),
                "bundle": serde_json::from_slice::<Value>(&part).unwrap(),
            }));
        }
        Ok(delivery)
    }
}

/// A folder whose removals and moves fail while told to, and that lets nothing leave before the
/// ledger is on disk.
#[derive(Debug)]
pub(super) struct StubbornSource {
    pub(super) inner: LocalSource,
    pub(super) ledger: Mutex<Option<Arc<Ledger>>>,
    pub(super) diary: Diary,
    pub(super) stuck: Mutex<bool>,
    pub(super) read_only: Mutex<bool>,
    /// Nothing is listed, as where nothing is mounted.
    pub(super) unmounted: Mutex<bool>,
    /// What is read changes meanwhile.
    pub(super) growing: Mutex<bool>,
    /// What was read, in no order.
    reads: Mutex<Vec<String>>,
}

impl StubbornSource {
    pub(super) fn new(folder: &Path, diary: &Diary) -> Arc<Self> {
        Arc::new(Self {
            inner: LocalSource::new(folder, None).unwrap(),
            ledger: Mutex::default(),
            diary: Arc::clone(diary),
            stuck: Mutex::new(false),
            read_only: Mutex::new(false),
            unmounted: Mutex::new(false),
            growing: Mutex::new(false),
            reads: Mutex::default(),
        })
    }

    /// What was read since this was asked before, in the order of names.
    pub(super) fn reads(&self) -> Vec<String> {
        let mut reads = std::mem::take(&mut *self.reads.lock().unwrap());
        reads.sort();
        reads
    }

    pub(super) fn act(&self, action: &'static str, entry: &Entry) -> Result<(), SourceError> {
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

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        if *self.unmounted.lock().unwrap() {
            return Ok(Listing::default());
        }
        self.inner.list(wanted).await
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        let name = entry.location.to_string();
        self.reads.lock().unwrap().push(name);
        if *self.growing.lock().unwrap() {
            return Err(ReadError::Changed {
                location: entry.location.clone(),
            });
        }
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

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        self.inner.list_set_aside().await
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        self.inner.discard(set_aside).await
    }
}

pub(super) fn own() -> Registration {
    Registration {
        id: "own".into(),
        name: "Diode".into(),
        connector_type: opencti_client::ConnectorType::ExternalImport,
        scope: Vec::new(),
    }
}

/// A folder, a state folder, and what the importer of a test stands on.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) state: tempfile::TempDir,
    pub(super) diary: Diary,
    pub(super) platform: Arc<FakePlatform>,
    pub(super) queue: Arc<FakeQueue>,
    pub(super) source: Arc<StubbornSource>,
    pub(super) now: Arc<Mutex<DateTime<Utc>>>,
    /// The time that only goes on.
    pub(super) own_time: Arc<Mutex<Instant>>,
    pub(super) stop: CancellationToken,
    pub(super) after_import: AfterImport,
    pub(super) rejected_retention: Option<Duration>,
    pub(super) skip_known: Option<Duration>,
    pub(super) version: Option<PlatformVersion>,
    pub(super) validation: ValidationRules,
    pub(super) stand_in: StandIn,
    pub(super) own: BTreeMap<String, UserMapping>,
    pub(super) connector_policy: ConnectorPolicy,
    pub(super) threshold_mb: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::default();
        Self {
            state: tempfile::tempdir().unwrap(),
            platform: Arc::new(FakePlatform {
                diary: Arc::clone(&diary),
                faults: Mutex::default(),
                codes: Mutex::default(),
                uploads: Mutex::default(),
                is_silent: Mutex::default(),
                stops: Mutex::default(),
                dead: Mutex::default(),
                failed_registrations: AtomicUsize::default(),
                queues: Mutex::default(),
                here: Mutex::default(),
                listings: Mutex::default(),
            }),
            queue: Arc::new(FakeQueue {
                diary: Arc::clone(&diary),
                faults: Mutex::default(),
                ready: Mutex::default(),
                ready_after_fault: Mutex::default(),
                messages: Mutex::default(),
                approaches: AtomicUsize::new(0),
            }),
            source: StubbornSource::new(folder.path(), &diary),
            folder,
            diary,
            now: Arc::new(Mutex::new(Utc::now())),
            own_time: Arc::new(Mutex::new(Instant::now())),
            stop: CancellationToken::new(),
            after_import: AfterImport::Delete,
            rejected_retention: Some(Duration::from_hours(7 * 24)),
            skip_known: None,
            connector_policy: ConnectorPolicy::default(),
            version: None,
            validation: ValidationRules::default(),
            stand_in: StandIn::Worker,
            own: BTreeMap::new(),
            threshold_mb: 500,
        }
    }

    /// An importer as a newly started program has it.
    pub(super) fn importer(&self) -> Importer {
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
        let queue: Arc<dyn Queue> = Arc::clone(&self.queue) as _;
        let pressure = Backpressure::new(
            Arc::clone(&platform),
            Arc::clone(&queue),
            self.threshold_mb,
            Arc::clone(&clock),
        );
        let mappings = [("there".to_owned(), "here".to_owned())].into();
        let importer = Importer::new(
            Parts {
                source: Arc::clone(&self.source) as _,
                state_key: StateKey::Directory,
                connectors: Arc::new(Connectors::new(Arc::clone(&platform), &own(), route("own"))),
                works: Arc::new(works),
                platform,
                queue,
                ledger,
                clock,
                stop: self.stop.clone(),
            },
            Rules {
                policy: Policy {
                    after_import: self.after_import,
                    retention: Some(Duration::from_hours(7 * 24)),
                    rejected_retention: self.rejected_retention,
                    skip_known: self.skip_known,
                    settle: Duration::from_secs(5),
                },
                limits: stix_bundle::Limits::default(),
                connectors: self.connector_policy.clone(),
                profile: stix_bundle::Profile::opencti(),
                applicants: Applicants::new(mappings)
                    .with_connector_mappings(self.own.clone())
                    .or_else(self.stand_in.clone()),
                validation: self.validation,
            },
            self.version,
        )
        .with_backpressure(Arc::new(pressure));
        let own_time = Arc::clone(&self.own_time);
        // However slow the machine is, small files go together.
        Importer {
            gathering: Duration::from_mins(1),
            steady: Steady::new(Arc::new(move || *own_time.lock().unwrap())),
            ..importer
        }
    }

    pub(super) async fn pass(&self) -> PassReport {
        self.importer().pass(None).await
    }

    /// Writes a file that is `age` seconds old.
    pub(super) fn put(&self, name: &str, content: &str, age: u64) -> PathBuf {
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

    pub(super) fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *self.diary.lock().unwrap())
    }

    pub(super) fn fail(&self, call: &str, class: ErrorClass, times: usize) {
        let mut faults = self.platform.faults.lock().unwrap();
        faults.insert(call.to_owned(), (class, times));
    }

    /// Lets no call fail any more.
    pub(super) fn recover(&self) {
        self.platform.faults.lock().unwrap().clear();
    }

    /// How many registrations failed since this was last asked.
    pub(super) fn failed_registrations(&self) -> usize {
        self.platform
            .failed_registrations
            .swap(0, Ordering::Relaxed)
    }

    /// Takes a file away.
    pub(super) fn take(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// Lets a call fail with a code of the platform's own.
    pub(super) fn refuse(&self, call: &str, code: &'static str, times: usize) {
        self.fail(call, ErrorClass::Contract, times);
        let mut codes = self.platform.codes.lock().unwrap();
        codes.insert(call.to_owned(), code);
    }

    /// Lets a stop come together with a call.
    pub(super) fn stop_with(&self, call: &str) {
        let mut stops = self.platform.stops.lock().unwrap();
        *stops = Some((call.to_owned(), self.stop.clone()));
    }

    /// Lets a connector's queue hold so many megabytes.
    pub(super) fn fill(&self, connector_id: &str, megabytes: u64) {
        let mut queues = self.platform.queues.lock().unwrap();
        queues.insert(connector_id.to_owned(), megabytes * 1_000_000);
    }

    pub(super) fn queue_fault(&self, fault: QueueFault) {
        self.queue.faults.lock().unwrap().push(fault);
    }

    pub(super) fn published(&self) -> Vec<String> {
        let mut diary = self.diary();
        diary.retain(|line| line.starts_with("publish"));
        diary
    }

    pub(super) fn reason(&self, name: &str) -> Value {
        let path = self.folder.path().join("rejected").join(name);
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Lets our own time go on, and the clock stand still.
    pub(super) fn elapse(&self, time: Duration) {
        *self.own_time.lock().unwrap() += time;
    }

    /// Sets the clock on or back.
    pub(super) fn later(&self, time: TimeDelta) {
        *self.now.lock().unwrap() += time;
    }
}

pub(super) fn identity(name: &str) -> Value {
    json!({"type": "identity", "id": format!("identity--{name}"), "name": name})
}

pub(super) fn envelope(connector: &str, objects: &[Value]) -> String {
    json!({
        "bundle_type": "DIRECTORY_BUNDLE",
        "applicant_id": "there",
        "connector": {"id": connector, "name": "Feed", "type": "EXTERNAL_IMPORT", "scope": "x"},
        "bundle": {"type": "bundle", "id": "bundle--1", "objects": objects},
        "update": false,
    })
    .to_string()
}

pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
