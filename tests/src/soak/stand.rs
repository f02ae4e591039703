//! What a soak runs on: platform, proxy, folders, and the program.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use lapin::uri::AMQPUri;
use tempfile::TempDir;

use super::book::Book;
use super::collector::object_of;
use super::feed::SOURCES;
use super::ledger::{self, Digest};
use super::options::Options;
use super::shelves::Shelves;
use super::store::{Fault, Proxy as StoreProxy};
use crate::bucket::Bucket;
use crate::platform::{Config, Platform};
use crate::program::{Program, Running};
use crate::proxy::Proxy;

/// What a soak runs on.
pub(super) struct Stand {
    pub(super) platform: Platform,
    /// Between the program and the broker.
    pub(super) proxy: Proxy,
    bucket: Option<Arc<Bucket>>,
    /// What is wrong with the store.
    store: Arc<Mutex<Fault>>,
    folder: TempDir,
    program: Program,
    running: Option<Running>,
}

impl Stand {
    /// Makes everything ready, and starts the program.
    ///
    /// # Errors
    /// If something of it cannot be started.
    pub(super) async fn build(options: &Options, book: &Arc<Book>) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("soak-").context("cannot make a folder")?;
        let inbox = folder.path().join("inbox");
        std::fs::create_dir(&inbox)?;
        let platform = Platform::start(Config::on_broker(&options.broker)).await?;
        let sent = Arc::clone(book);
        let listener = move |connection, body: &[u8]| {
            if let Some(id) = object_of(body) {
                sent.sent(&id, connection);
            }
        };
        let proxy = Proxy::start_telling(address_of(&options.broker)?, listener).await?;
        let program = Program::new(&platform, folder.path(), &inbox, &state_in(&folder))?
            .logging_to(&folder.path().join("log"))
            .with("MQ_HOST", "127.0.0.1")
            .with("MQ_PORT", proxy.port().to_string())
            .with("CONNECTOR_RUN_AND_TERMINATE", "false")
            .with("CONNECTOR_DURATION_PERIOD", "PT1S")
            .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1")
            .with(
                "DIODE_IMPORT_DELETE_AFTER_IMPORT",
                options.after_import.setting(),
            );
        let program = if options.sources.has_directory() {
            program
        } else {
            without_directory(program)
        };
        let store = Arc::new(Mutex::new(Fault::None));
        let mut bucket = None;
        let mut through_proxy = program;
        if options.sources.has_bucket() {
            let made = Bucket::new().await;
            let now = Arc::clone(&store);
            let store = StoreProxy::start(made.store_address(), move |_, _| lock(&now)).await;
            through_proxy = made.added_to(through_proxy).with(
                "DIODE_IMPORT_S3_ENDPOINT",
                format!("http://{}", store.address),
            );
            bucket = Some(Arc::new(made));
        }
        let program = through_proxy;
        let running = Some(program.start()?);
        Ok(Self {
            platform,
            proxy,
            bucket,
            store,
            folder,
            program,
            running,
        })
    }

    /// Where the files go.
    pub(super) fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    /// The files that were delivered, by the program's ledger.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn delivered(&self) -> anyhow::Result<HashSet<Digest>> {
        ledger::delivered(&state_in(&self.folder))
    }

    /// Where files are written to.
    pub(super) fn goal(&self) -> Inbox {
        Inbox {
            folder: self.inbox(),
            bucket: self.bucket.clone(),
        }
    }

    /// What lies where files arrive.
    pub(super) async fn shelves(&self) -> Shelves {
        let mut shelves = Shelves::of_folder(&self.inbox());
        self.list(&mut shelves).await;
        shelves
    }

    /// Looks again at what is in the bucket, if there is one.
    pub(super) async fn list(&self, shelves: &mut Shelves) {
        if let Some(bucket) = &self.bucket {
            shelves.list(bucket).await;
        }
    }

    /// Whether there is a bucket.
    pub(super) fn has_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Lets the store treat every request like this from now on.
    pub(super) fn treat_requests(&self, fault: Fault) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// The push queues of the source connectors.
    pub(super) fn queues(&self) -> Vec<String> {
        let queues = SOURCES.map(|source| self.platform.push_queue(source.id));
        queues.into()
    }

    /// Kills the program, and waits until it is dead.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(running) = self.running.take() {
            running.kill().await?;
        }
        Ok(())
    }

    /// Asks the program to stop, and waits for that.
    ///
    /// # Errors
    /// If it does not stop, or not well.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(running) = self.running.take() {
            running.terminate().await?;
            let code = running.wait().await?.code;
            anyhow::ensure!(code == Some(0), "told to stop, it ended with {code:?}");
        }
        Ok(())
    }

    /// Starts the program.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.running = Some(self.program.start()?);
        Ok(())
    }

    /// Checks that the program has not ended of itself: nothing that happens here is a reason to.
    ///
    /// # Errors
    /// If it has.
    pub(super) fn check_alive(&mut self) -> anyhow::Result<()> {
        let ended = match &mut self.running {
            Some(running) => running.ended()?,
            None => None,
        };
        match ended {
            Some(status) => anyhow::bail!("the program ended of itself: {status}"),
            None => Ok(()),
        }
    }

    /// Runs the program once, to a good end.
    ///
    /// # Errors
    /// If the end is not good.
    pub(super) async fn run_once(&self) -> anyhow::Result<()> {
        let once = self
            .program
            .clone()
            .with("CONNECTOR_RUN_AND_TERMINATE", "true");
        let code = once.run().await?.code;
        anyhow::ensure!(code == Some(0), "the last run ended with {code:?}");
        Ok(())
    }

    /// Keeps the folders, with the program's log, for people to look at.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Where files are written to.
#[derive(Clone)]
pub(super) struct Inbox {
    pub(super) folder: PathBuf,
    pub(super) bucket: Option<Arc<Bucket>>,
}

fn state_in(folder: &TempDir) -> PathBuf {
    folder.path().join("state")
}

fn without_directory(program: Program) -> Program {
    program
        .with("DIODE_IMPORT_GET_FROM_DIRECTORY", "false")
        .without("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH")
}

fn lock(fault: &Mutex<Fault>) -> Fault {
    *fault.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address_of(broker: &str) -> anyhow::Result<String> {
    let uri: AMQPUri = broker
        .parse()
        .map_err(|problem| anyhow::anyhow!("no AMQP address: {problem}"))?;
    Ok(format!("{}:{}", uri.authority.host, uri.authority.port))
}
