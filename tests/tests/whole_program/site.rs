//! One test's place: a platform, a folder that files arrive in, and a folder for the state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lapin::uri::AMQPUri;
use serde_json::Value;
use tempfile::TempDir;
use tests::envelope::malware;
use tests::platform::{Config, Message, Platform};
use tests::program::{Program, Run};
use tests::proxy::Proxy;

/// How long something that has to happen may take on a machine that does much else. Only what hangs
/// takes as long.
const PATIENCE: Duration = Duration::from_mins(10);

pub(crate) struct Site {
    pub(crate) platform: Platform,
    folder: TempDir,
}

impl Site {
    /// A place on the broker that the environment names.
    pub(crate) async fn new() -> Self {
        Self::with(Config::on_broker(broker())).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let platform = Platform::start(config).await.unwrap();
        let site = Self { platform, folder };
        fs::create_dir(site.inbox()).unwrap();
        site
    }

    /// The folder that the program runs in, and in which the others are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The program with the settings of the conformance cases.
    pub(crate) fn program(&self) -> Program {
        Program::new(
            &self.platform,
            self.folder.path(),
            &self.inbox(),
            &self.state(),
        )
        .unwrap()
        .with(
            "DIODE_IMPORT_APPLICANT_MAPPINGS",
            "src-user-1:dst-user-1, src-user-2:dst-user-2",
        )
    }

    /// The program as a daemon; where it can, it looks again every second.
    pub(crate) fn daemon(&self) -> Program {
        self.program()
            .with("CONNECTOR_RUN_AND_TERMINATE", "false")
            .with("CONNECTOR_DURATION_PERIOD", "PT1S")
    }

    /// The program as a daemon that speaks to the broker through a proxy and logs to
    /// [`log`](Self::log).
    pub(crate) fn daemon_behind(&self, proxy: &Proxy) -> Program {
        self.daemon()
            .logging_to(&self.log())
            .with("MQ_HOST", "127.0.0.1")
            .with("MQ_PORT", proxy.port().to_string())
    }

    /// Where a program that logs to a file does so.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Waits until a line of the log has all of `words`.
    pub(crate) async fn logged(&self, words: &[&str]) {
        let log = || fs::read_to_string(self.log()).unwrap_or_default();
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        if !becomes(|| log().lines().any(has_all)).await {
            panic!("{words:?} is not logged within {PATIENCE:?}:\n{}", log());
        }
    }

    /// Waits until no envelope is left in the inbox.
    pub(crate) async fn emptied(&self) {
        eventually("the inbox is empty", || self.left().is_empty()).await;
    }

    /// Runs the program to an end that has to be a good one.
    pub(crate) async fn run(&self) -> Run {
        let run = self.program().run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        run
    }

    /// Puts a file into the inbox that has been there for long.
    pub(crate) fn put(&self, name: &str, envelope: &Value) {
        self.put_bytes(name, envelope.to_string().as_bytes(), long_ago());
    }

    /// Puts a file into the inbox.
    pub(crate) fn put_bytes(&self, name: &str, bytes: &[u8], modified: SystemTime) {
        let path = self.inbox().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    }

    /// All files in the inbox, by their paths from there.
    pub(crate) fn left(&self) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        collect(&self.inbox(), &self.inbox(), &mut left);
        left
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.inbox().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The reason that stands beside a file that was set aside.
    pub(crate) fn reason(&self, name: &str) -> Value {
        let reason = self.read(&format!("rejected/{name}.reason.json"));
        serde_json::from_slice(&reason).unwrap()
    }

    /// The messages in a connector's push queue, taken out.
    pub(crate) async fn drain(&self, connector_id: &str) -> Vec<Message> {
        self.platform.drain(connector_id).await.unwrap()
    }

    /// The ids of the objects that have arrived in a connector's push queue, with how often.
    pub(crate) async fn arrived(&self, connector_id: &str) -> BTreeMap<String, usize> {
        let mut arrived = BTreeMap::new();
        for id in objects_of(&self.drain(connector_id).await) {
            *arrived.entry(id).or_default() += 1;
        }
        arrived
    }

    /// Checks that every work has got as many messages as it was told to expect.
    pub(crate) fn assert_accounted(&self, messages: &[Message]) {
        for work in self.platform.works() {
            let sent = messages.iter().filter(|m| work_of(m) == work.id).count();
            assert_eq!(work.open(), i64::try_from(sent).unwrap(), "{work:#?}");
        }
    }
}

/// The id of the work that a message belongs to.
pub(crate) fn work_of(message: &Message) -> String {
    let body = message.json().unwrap();
    body["work_id"].as_str().unwrap_or_default().to_owned()
}

/// The ids of the objects that messages carry, in order.
pub(crate) fn objects_of(messages: &[Message]) -> Vec<String> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    messages
        .iter()
        .map(|message| {
            let body = message.json().unwrap();
            let content = engine.decode(body["content"].as_str().unwrap()).unwrap();
            let bundle: Value = serde_json::from_slice(&content).unwrap();
            assert_eq!(
                bundle["objects"].as_array().map(Vec::len),
                Some(1),
                "{bundle}"
            );
            bundle["objects"][0]["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// A time at which a file must have been finished.
pub(crate) fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// Waits until something is true; fails the test where it does not become so.
pub(crate) async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    if !becomes(is_true).await {
        panic!("{what}: not within {PATIENCE:?}");
    }
}

async fn becomes(is_true: impl Fn() -> bool) -> bool {
    let poll = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.is_ok()
}

/// So many pieces of malware, and how often each is to arrive.
pub(crate) fn samples(count: u32, times: usize) -> (Vec<Value>, BTreeMap<String, usize>) {
    let objects: Vec<Value> = (1..=count).map(malware).collect();
    let ids = objects
        .iter()
        .map(|object| object["id"].as_str().unwrap().to_owned());
    let wanted = ids.map(|id| (id, times)).collect();
    (objects, wanted)
}

/// A proxy before the broker that the environment names.
pub(crate) async fn proxy() -> Proxy {
    let uri: AMQPUri = broker().parse().unwrap();
    let address = format!("{}:{}", uri.authority.host, uri.authority.port);
    Proxy::start(address).await.unwrap()
}

/// The broker that the environment names.
pub(crate) fn broker() -> String {
    std::env::var("DIODE_TEST_AMQP").unwrap_or_else(|_| {
        panic!(
            "DIODE_TEST_AMQP is not set: these tests need a RabbitMQ. `cargo xtask test` starts \
             one and runs them; to use your own, set the variable to its address, such as \
             amqp://guest:guest@127.0.0.1:5672/%2f"
        )
    })
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, into);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            into.insert(name.into_owned());
        }
    }
}
