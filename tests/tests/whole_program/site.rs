//! One test's place: a platform, a folder that files arrive in, and a folder for the state.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;
use tests::platform::{Config, Message, Platform};
use tests::program::{Program, Run};

/// How long something that has to happen may take: longer than a daemon pauses between passes.
const PATIENCE: Duration = Duration::from_secs(150);

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
    let poll = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, poll).await.is_err() {
        panic!("{what}: not within {PATIENCE:?}");
    }
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
