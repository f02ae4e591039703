//! A platform that keeps a connector's state as the real one does, and sources in memory.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bundle_source::{Entry, Listing, Location, ReadError, Removal, Source, SourceError, Wanted};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BundlePush, Cargo, ConnectorInfo, ConnectorType, Delivery,
    DeliveryError, DeliveryErrorKind, DraftId, Drafts, ErrorClass, Expectations, KnownConnector,
    PendingFile, Ping, Platform, PlatformVersion, Queue, QueueDetails, Registered, Registration,
    S3Connection, Shipment, WorkEnd, WorkId, WorkProgress,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::{Patience, Schedule, Service, greet};
use crate::doubles::{in_progress, one_for_each, registered};
use crate::{
    AfterImport, Applicants, Backpressure, ConnectorPolicy, Connectors, Importer, Ledger,
    OpenWorks, Parts, Policy, Rules, SharedState, StateKey, ValidationRules, Works,
};

pub(super) const OWN: &str = "own";

#[derive(Default)]
pub(super) struct FakePlatform {
    /// Everything that was asked for, in order.
    pub(super) diary: Mutex<Vec<String>>,
    /// What each sign of life said that we are at.
    pub(super) infos: Mutex<Vec<ConnectorInfo>>,
    /// Our connector, while the platform knows it.
    pub(super) own: Mutex<Option<Held>>,
    /// The state that a pass sets while a sign of life is under way.
    pub(super) overtaken: Mutex<Option<SharedState>>,
    /// How many signs of life are taken before they fail.
    pub(super) pings_left: Mutex<Option<usize>>,
    /// How many signs of life are acted on and not answered.
    pub(super) unanswered: AtomicUsize,
    /// Whether it answers nothing at all.
    pub(super) is_away: AtomicBool,
    /// Whether it answers no sign of life, and does not end it either.
    pub(super) is_hanging: AtomicBool,
    /// How many bytes are in every queue; `None`: it cannot be seen.
    pub(super) queued: Mutex<Option<u64>>,
}

/// What the platform keeps of a connector.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) state: Option<String>,
    /// Whether the state was reset since the last sign of life.
    pub(super) was_reset: bool,
}

impl FakePlatform {
    pub(super) fn note(&self, call: String) {
        self.diary.lock().unwrap().push(call);
    }

    /// Lets our connector have handed in that state.
    pub(super) fn hold(&self, state: Option<&str>) {
        *self.own.lock().unwrap() = Some(Held {
            state: state.map(str::to_owned),
            was_reset: state == Some(""),
        });
    }

    /// Answers the next sign of life with that state, whatever it hands in.
    pub(super) fn answer_next_with(&self, state: &str) {
        *self.own.lock().unwrap() = Some(Held {
            state: Some(state.to_owned()),
            was_reset: true,
        });
    }

    pub(super) fn delete(&self) {
        *self.own.lock().unwrap() = None;
    }

    pub(super) fn held(&self) -> Option<String> {
        self.own.lock().unwrap().clone().and_then(|own| own.state)
    }

    pub(super) fn was_reset(&self) -> bool {
        let own = self.own.lock().unwrap();
        own.as_ref().is_some_and(|own| own.was_reset)
    }

    /// Counts a sign of life down, where their number is limited.
    pub(super) fn may_ping(&self) -> bool {
        match &mut *self.pings_left.lock().unwrap() {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// Fails while it is away.
    fn answers(&self, operation: &'static str) -> Result<(), ApiError> {
        if self.is_away.load(Ordering::Relaxed) {
            return Err(ApiError::new(operation, ErrorClass::Transient, "away"));
        }
        Ok(())
    }

    /// The calls so far that begin so, taken out with all others.
    pub(super) fn calls(&self, beginning: &str) -> Vec<String> {
        let mut diary = std::mem::take(&mut *self.diary.lock().unwrap());
        diary.retain(|call| call.starts_with(beginning));
        diary
    }
}

#[async_trait]
impl Platform for FakePlatform {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        self.answers("about")?;
        Ok(None)
    }

    async fn register_connector(&self, connector: &Registration) -> Result<Registered, ApiError> {
        self.note(format!("register {}", connector.id));
        self.answers("registerConnector")?;
        let is_own = connector.id == OWN;
        Ok(registered(
            &connector.id,
            is_own
                .then(|| self.own.lock().unwrap().get_or_insert_default().clone())
                .and_then(|own| own.state),
        ))
    }

    async fn platform_storage(&self, _: &Registration) -> Result<Option<S3Connection>, ApiError> {
        Ok(None)
    }

    async fn ping_connector(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError> {
        let (id, state) = (ping.connector_id, ping.state);
        self.note(format!("ping {id} {state}"));
        self.infos.lock().unwrap().push(ping.info);
        self.answers("pingConnector")?;
        if self.is_hanging.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
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
        let mut unanswered = self.unanswered.load(Ordering::Relaxed);
        if unanswered > 0 {
            unanswered -= 1;
            self.unanswered.store(unanswered, Ordering::Relaxed);
            let error = ApiError::new("pingConnector", ErrorClass::Transient, "no answer");
            return Err(error);
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
        self.answers("work")?;
        Ok(Some(in_progress()))
    }

    async fn is_work_alive(&self, _: &WorkId) -> Result<Option<bool>, ApiError> {
        Ok(None)
    }

    async fn queue_details(&self, _: &str) -> Result<Option<QueueDetails>, ApiError> {
        let queued = *self.queued.lock().unwrap();
        Ok(queued.map(|bytes| QueueDetails { messages: 1, bytes }))
    }

    async fn connectors(&self) -> Result<Vec<KnownConnector>, ApiError> {
        Ok(Vec::new())
    }

    async fn me(&self) -> Result<Account, ApiError> {
        Ok(Account {
            id: "me".into(),
            name: "me".into(),
            capabilities: Vec::new(),
        })
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        Ok(Applicant::CannotTell)
    }
}

/// A queue that takes everything, or nothing.
#[derive(Default)]
pub(super) struct FakeQueue {
    pub(super) is_away: AtomicBool,
    pub(super) is_stalled: AtomicBool,
    /// The connectors whose files were published, in order.
    pub(super) published: Mutex<Vec<String>>,
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

    fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    fn expectations(&self, parts: &dyn opencti_client::Parts, confirmed: usize) -> Expectations {
        one_for_each(parts, confirmed)
    }

    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        _: &CancellationToken,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let taken = |file: &Cargo<'_>| {
            let mut published = self.published.lock().unwrap();
            published.push(shipment.connector_id.to_owned());
            Ok(Delivery {
                confirmed: file.parts.count(),
                bundles: file.parts.count(),
                doubtful: 0,
                refused: Vec::new(),
            })
        };
        shipment.files.iter().map(taken).collect()
    }
}

/// Files in memory.
pub(super) struct Shelf {
    pub(super) name: &'static str,
    pub(super) files: Mutex<Vec<(Entry, Bytes)>>,
    pub(super) is_closed: AtomicBool,
    listings: AtomicUsize,
    /// The platform that is to reset the state, and tell us, while the next file is read.
    pub(super) resets_during_read: Mutex<Option<Arc<FakePlatform>>>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Shelf {
    pub(super) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            files: Mutex::default(),
            is_closed: AtomicBool::new(false),
            listings: AtomicUsize::new(0),
            resets_during_read: Mutex::default(),
        })
    }

    /// How often it was listed.
    pub(super) fn listings(&self) -> usize {
        self.listings.load(Ordering::Relaxed)
    }

    /// Puts a file there that was modified at `seconds` and comes from `connector`.
    pub(super) fn put(&self, name: &str, seconds: i64, connector: &str) {
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

    pub(super) fn take(&self, entry: &Entry) -> Removal {
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

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        self.listings.fetch_add(1, Ordering::Relaxed);
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
        let all: Listing = files.iter().map(|(entry, _)| entry.clone()).collect();
        Ok(all.only(wanted))
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

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        Ok(Listing::default())
    }

    async fn discard(&self, _: &str) -> Result<(), SourceError> {
        Ok(())
    }
}

pub(super) fn envelope(connector: &str) -> Bytes {
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

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(super) fn own() -> Registration {
    Registration {
        id: OWN.into(),
        name: "Diode".into(),
        connector_type: ConnectorType::ExternalImport,
        scope: Vec::new(),
    }
}

/// A folder and a bucket, and what outlives a run of the program.
pub(super) struct Bench {
    pub(super) state: tempfile::TempDir,
    pub(super) platform: Arc<FakePlatform>,
    pub(super) queue: Arc<FakeQueue>,
    pub(super) folder: Arc<Shelf>,
    pub(super) bucket: Arc<Shelf>,
    pub(super) after_import: AfterImport,
    pub(super) pass_every: Duration,
    pub(super) ping_every: Duration,
    pub(super) stop: CancellationToken,
    /// The seconds that have passed, by the clock of the queues.
    pub(super) passed: Arc<AtomicI64>,
}

impl Bench {
    pub(super) fn new(after_import: AfterImport) -> Self {
        Self {
            state: tempfile::tempdir().unwrap(),
            platform: Arc::default(),
            queue: Arc::default(),
            folder: Shelf::new("directory:/in"),
            bucket: Shelf::new("s3:in"),
            after_import,
            pass_every: Duration::from_millis(1),
            ping_every: Duration::from_hours(2),
            stop: CancellationToken::new(),
            passed: Arc::default(),
        }
    }

    /// A service as a newly started program has it.
    pub(super) async fn service(&self) -> Service {
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
        let passed = Arc::clone(&self.passed);
        let pressure = Arc::new(Backpressure::new(
            Arc::clone(&platform),
            Arc::clone(&self.queue) as _,
            500,
            Arc::new(move || at(1_000_000 + passed.load(Ordering::Relaxed))),
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
            Importer::new(parts, self.rules(), None).with_backpressure(Arc::clone(&pressure))
        });
        let schedule = Schedule {
            pass_every: self.pass_every,
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
        .with_backpressure(pressure)
    }

    pub(super) fn rules(&self) -> Rules {
        Rules {
            policy: Policy {
                after_import: self.after_import,
                retention: None,
                rejected_retention: None,
                skip_known: None,
                settle: Duration::ZERO,
            },
            limits: stix_bundle::Limits::default(),
            connectors: ConnectorPolicy::default(),
            profile: stix_bundle::Profile::opencti(),
            applicants: Applicants::default(),
            validation: ValidationRules::default(),
        }
    }

    /// A run of the program over all sources. Returns the connectors whose files were published.
    pub(super) async fn run(&self) -> Vec<String> {
        self.service().await.run_once().await;
        self.published()
    }

    /// The connectors whose files were published since this was last asked.
    pub(super) fn published(&self) -> Vec<String> {
        std::mem::take(&mut *self.queue.published.lock().unwrap())
    }
}
