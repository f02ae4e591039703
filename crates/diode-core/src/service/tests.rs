//! Rounds over sources in memory, on a platform that keeps a connector's state as the real one does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bundle_source::{Entry, Location, ReadError, Removal, Source, SourceError};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BrokerAddress, ConnectorType, Delivery, DeliveryError,
    DeliveryErrorKind, DraftId, Platform, PlatformVersion, Queue, QueueDetails, Registered,
    Registration, Route, S3Connection, Secret, Shipment, WorkEnd, WorkId, WorkProgress,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Patience, Schedule, Service, greet};
use crate::report::{Interruption, PassReport};
use crate::{
    AfterImport, Applicants, Connectors, Importer, Ledger, Outcome, Parts, Policy, Rules, StateKey,
    WorkPerFile,
};

const OWN: &str = "own";

#[derive(Default)]
struct FakePlatform {
    /// Everything that was asked for, in order.
    diary: Mutex<Vec<String>>,
}

impl FakePlatform {
    fn note(&self, call: String) {
        self.diary.lock().unwrap().push(call);
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
        Ok(Registered {
            state: None,
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

    async fn ping_connector(&self, id: &str, state: &str) -> Result<Option<String>, ApiError> {
        self.note(format!("ping {id} {state}"));
        Ok(Some(state.to_owned()))
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

    async fn push_bundle(&self, _: &str, _: &str, _: &WorkId) -> Result<(), ApiError> {
        unreachable!("the queue is another one")
    }

    async fn work(&self, _: &WorkId) -> Result<Option<WorkProgress>, ApiError> {
        Ok(None)
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
                message: "away".into(),
                source: None,
            });
        }
        Ok(())
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
            refused: Vec::new(),
        })
    }
}

/// Files in memory.
#[derive(Debug)]
struct Shelf {
    name: &'static str,
    files: Mutex<Vec<(Entry, Bytes)>>,
    is_closed: AtomicBool,
}

impl Shelf {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            files: Mutex::default(),
            is_closed: AtomicBool::new(false),
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
                works: Arc::new(WorkPerFile::new(Arc::clone(&platform))),
                ledger: Arc::clone(&ledger),
                clock: Arc::new(|| at(1_000_000)),
                stop: self.stop.clone(),
            };
            Importer::new(parts, self.rules(), None)
        });
        let schedule = Schedule {
            pass_every: Duration::from_millis(1),
            ping_every: Duration::from_hours(1),
        };
        let stop = self.stop.clone();
        Service::new(importers.into(), platform, own(), &greeting, schedule, stop)
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
        }
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
