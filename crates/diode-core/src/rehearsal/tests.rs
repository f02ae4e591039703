//! Rehearsals over a real folder, beside a real ledger.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bundle_source::{LocalSource, Source};
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{Drafts, PlatformVersion};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Rehearsal, RehearsalParts};
use crate::doubles::unmapped;
use crate::ledger::Record;
use crate::report::Interruption;
use crate::{
    AfterImport, Applicants, Company, ConnectorPolicy, Ledger, Outcome, Policy, Rules,
    ValidationMode, ValidationRules,
};

struct Bench {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
    source: Arc<LocalSource>,
    now: Arc<Mutex<DateTime<Utc>>>,
    stop: CancellationToken,
    mode: ValidationMode,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            source: Arc::new(LocalSource::new(folder.path(), None).unwrap()),
            folder,
            state: tempfile::tempdir().unwrap(),
            now: Arc::new(Mutex::new(Utc::now())),
            stop: CancellationToken::new(),
            mode: ValidationMode::Auto,
        }
    }

    fn rehearsal(&self) -> Rehearsal {
        let now = Arc::clone(&self.now);
        let parts = RehearsalParts {
            source: Arc::clone(&self.source) as _,
            company: Company::Ours,
            ledger: Ledger::look(self.state.path()).unwrap().map(Arc::new),
            version: Some(PlatformVersion::new(6, 6, 0)),
            drafts: Drafts::NotCarried,
            clock: Arc::new(move || *now.lock().unwrap()),
            stop: self.stop.clone(),
        };
        let rules = Rules {
            policy: Policy {
                after_import: AfterImport::Delete,
                retention: Some(Duration::from_secs(1)),
                rejected_retention: None,
                skip_known: None,
                settle: Duration::from_secs(5),
            },
            limits: stix_bundle::Limits::default(),
            connectors: ConnectorPolicy::default(),
            profile: stix_bundle::Profile::opencti(),
            applicants: Applicants::default(),
            validation: ValidationRules {
                mode: self.mode,
                ..ValidationRules::default()
            },
        };
        Rehearsal::new(parts, rules)
    }

    /// Writes a file that is a minute old.
    fn put(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let time = SystemTime::now() - Duration::from_mins(1);
        file.set_modified(time).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn envelope(objects: &[Value]) -> String {
    json!({
        "applicant_id": "there",
        "connector": {"id": "c", "name": "Feed", "type": "EXTERNAL_IMPORT"},
        "bundle": {"type": "bundle", "id": "bundle--1", "objects": objects},
    })
    .to_string()
}

fn identity() -> Value {
    json!({"type": "identity", "id": "identity--a", "name": "a"})
}

#[tokio::test]
async fn everything_is_foretold_and_nothing_done() {
    let bench = Bench::new();
    bench.put("good.json", &envelope(&[identity(), identity()]));
    bench.put("partial.json", &envelope(&[identity(), json!(7)]));
    bench.put("broken.json", "{");
    bench.put("foreign.json", "{}");
    let before = names(bench.folder.path());
    let report = bench.rehearsal().pass().await;
    for outcome in [
        Outcome::Imported,
        Outcome::Partial,
        Outcome::Rejected,
        Outcome::Ignored,
    ] {
        assert_eq!(report.count(outcome), 1, "{outcome}");
    }
    assert_eq!((report.messages, report.not_sent), (2, 2));
    assert_eq!(report.unmapped, [(unmapped("there"), 2)].into());
    assert_eq!(names(bench.folder.path()), before);
    assert!(names(bench.state.path()).is_empty());
}

#[tokio::test]
async fn what_a_real_run_knows_is_not_imported_again() {
    let bench = Bench::new();
    bench.put("known.json", &envelope(&[identity()]));
    bench.put("new.json", &envelope(&[identity()]));
    let listing = bench.source.list_all().await.unwrap();
    let known = listing
        .entries()
        .find(|entry| entry.location.as_str() == "known.json");
    let ledger = Ledger::open(bench.state.path()).unwrap();
    ledger
        .record(
            bench.source.name(),
            &known.unwrap(),
            Outcome::Imported,
            &Record::default(),
            Utc::now(),
        )
        .unwrap();
    let report = bench.rehearsal().pass().await;
    assert_eq!((report.count(Outcome::Imported), report.removed), (1, 1));
    assert_eq!(ledger.known(bench.source.name()).unwrap().len(), 1);
}

#[tokio::test]
async fn an_unfinished_file_waits_until_it_has_settled() {
    let bench = Bench::new();
    std::fs::write(bench.folder.path().join("a.json"), "{").unwrap();
    let mut rehearsal = bench.rehearsal();
    assert_eq!(rehearsal.pass().await.count(Outcome::Waiting), 1);
    *bench.now.lock().unwrap() += TimeDelta::seconds(6);
    assert_eq!(rehearsal.pass().await.count(Outcome::Rejected), 1);
    assert_eq!(names(bench.folder.path()), ["a.json"]);
}

#[tokio::test]
async fn validation_is_foretold() {
    for (mode, outcome, messages) in [
        (ValidationMode::Auto, Outcome::Imported, 1),
        (ValidationMode::Workbench, Outcome::Imported, 0),
        (ValidationMode::Draft, Outcome::Waiting, 0),
    ] {
        let mut bench = Bench::new();
        bench.mode = mode;
        bench.put("a.json", &envelope(&[identity()]));
        let report = bench.rehearsal().pass().await;
        assert_eq!(report.count(outcome), 1, "{mode:?}");
        assert_eq!(report.messages, messages, "{mode:?}");
    }
}

#[tokio::test]
async fn a_stop_and_a_missing_folder_cut_it_short() {
    let bench = Bench::new();
    bench.put("a.json", &envelope(&[identity()]));
    bench.stop.cancel();
    let report = bench.rehearsal().pass().await;
    assert_eq!(report.interruption, Some(Interruption::Stopped));
    std::fs::remove_dir_all(bench.folder.path()).unwrap();
    let report = bench.rehearsal().pass().await;
    assert_eq!(report.interruption, Some(Interruption::Source));
}
