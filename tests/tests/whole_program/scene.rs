//! Where files arrive and what becomes of them: a folder or a bucket, files deleted or kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tests::bucket::Bucket;
use tests::envelope::WEATHER;
use tests::platform::Config;
use tests::program::Program;
use tests::proxy::Proxy;

use crate::proxy::{Fault, Proxy as StoreProxy};
use crate::site::{Site, broker};

/// What is done with an imported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterImport {
    Delete,
    Keep,
}

/// One test's place of one kind.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) after_import: AfterImport,
}

/// The name of the object by which one process at a time is at work on a bucket.
const LEASE: &str = ".diode-import-lease";

/// A store that treats one request badly.
pub(crate) struct BadStore(Arc<AtomicUsize>);

impl BadStore {
    /// How many requests there were with the method of that one.
    pub(crate) fn requests(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Scene {
    /// One of each kind.
    pub(crate) async fn all() -> Vec<Self> {
        Self::all_with(&Config::on_broker(broker())).await
    }

    /// One of each kind, with platforms of that kind.
    pub(crate) async fn all_with(config: &Config) -> Vec<Self> {
        let mut scenes = Vec::new();
        for after_import in [AfterImport::Delete, AfterImport::Keep] {
            for bucket in [None, Some(Bucket::new().await)] {
                scenes.push(Self {
                    site: Site::with(config.clone()).await,
                    bucket,
                    after_import,
                });
            }
        }
        scenes
    }

    /// What to call it where something fails.
    pub(crate) fn name(&self) -> String {
        let kind = self.bucket.as_ref().map_or("a folder", |_| "a bucket");
        format!("{kind}, {:?}", self.after_import)
    }

    pub(crate) async fn put(&self, name: &str, envelope: &Value) {
        match &self.bucket {
            None => self.site.put(name, envelope),
            Some(bucket) => {
                let key = format!("connectors/{name}");
                bucket.put(&key, envelope.to_string()).await;
            }
        }
    }

    /// All files that are there, by their names.
    pub(crate) async fn left(&self) -> BTreeSet<String> {
        let Some(bucket) = &self.bucket else {
            return self.site.left();
        };
        let keys = bucket.keys().await.into_iter();
        keys.filter(|key| !key.ends_with(LEASE))
            .map(|key| key.strip_prefix("connectors/").unwrap().to_owned())
            .collect()
    }

    /// The program for a single pass.
    pub(crate) fn program(&self) -> Program {
        self.set_up(self.site.program())
    }

    /// The program as a daemon that logs to the site's log.
    pub(crate) fn daemon(&self) -> Program {
        self.set_up(self.site.daemon().logging_to(&self.site.log()))
    }

    /// The same, with a proxy before the broker.
    pub(crate) fn daemon_behind(&self, proxy: &Proxy) -> Program {
        self.set_up(self.site.daemon_behind(proxy))
    }

    fn set_up(&self, program: Program) -> Program {
        let delete = match self.after_import {
            AfterImport::Delete => "true",
            AfterImport::Keep => "false",
        };
        let program = program.with("DIODE_IMPORT_DELETE_AFTER_IMPORT", delete);
        match &self.bucket {
            Some(bucket) => bucket.program(program),
            None => program,
        }
    }

    /// A daemon whose store, behind a proxy, treats one request as `fault` says: the one that comes
    /// after `before` others with that method. Those about the lease are let through.
    pub(crate) async fn daemon_at_a_bad_store(
        &self,
        method: &'static str,
        before: usize,
        fault: Fault,
    ) -> (Program, BadStore) {
        let bucket = self.bucket.as_ref().unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let plan = move |line: &str, _: usize| {
            if line.split(' ').next() != Some(method) || line.contains(LEASE) {
                return Fault::None;
            }
            if counter.fetch_add(1, Ordering::SeqCst) == before {
                fault
            } else {
                Fault::None
            }
        };
        let proxy = StoreProxy::start(bucket.store_address(), plan).await;
        let endpoint = format!("http://{}", proxy.address);
        let daemon = self.daemon().with("DIODE_IMPORT_S3_ENDPOINT", endpoint);
        (daemon, BadStore(seen))
    }

    /// Checks that `a.json` is where it was put.
    pub(crate) async fn assert_in_place(&self) {
        let in_place = ["a.json".to_owned()].into();
        assert_eq!(self.left().await, in_place, "{}", self.name());
    }

    /// Checks that `a.json` is where an imported file has to be.
    pub(crate) async fn assert_imported(&self) {
        match self.after_import {
            AfterImport::Delete => assert!(self.left().await.is_empty(), "{}", self.name()),
            AfterImport::Keep => self.assert_in_place().await,
        }
    }

    /// Lets a run import `a.json`, and another find nothing to do. Tells what has arrived.
    pub(crate) async fn import(&self) -> BTreeMap<String, usize> {
        self.run().await;
        self.assert_imported().await;
        let arrived = self.site.arrived(WEATHER.id).await;
        self.run().await;
        let again = self.site.arrived(WEATHER.id).await;
        assert!(again.is_empty(), "{}: {again:?}", self.name());
        arrived
    }

    /// Runs the program to a good end.
    pub(crate) async fn run(&self) {
        let run = self.program().run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}: {}", self.name(), run.stderr);
    }
}

/// Waits until something is true that takes asking; fails the test where it does not become so.
pub(crate) async fn comes_true(what: &str, is_true: impl AsyncFn() -> bool) {
    in_time(what, async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Fails the test, instead of hanging it, where `work` does not end.
pub(crate) async fn in_time(what: &str, work: impl Future<Output = ()>) {
    let patience = Duration::from_mins(10);
    let ended = tokio::time::timeout(patience, work).await;
    assert!(ended.is_ok(), "{what}: not within {patience:?}");
}
