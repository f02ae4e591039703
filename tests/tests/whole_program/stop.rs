//! SIGTERM ends the program in time, whatever it waits for.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::libc::O_NONBLOCK;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::{Config, Fault};
use tests::program::{Program, Run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::site::Site;

/// What service managers and container engines allow before they kill.
const ALLOWED: Duration = Duration::from_secs(10);

/// After how long a program is taken to stay.
const PATIENCE: Duration = Duration::from_secs(40);

/// The ways to run the program, by their settings.
const MODES: [(&str, &str); 3] = [
    ("CONNECTOR_RUN_AND_TERMINATE", "true"),
    ("CONNECTOR_RUN_AND_TERMINATE", "false"),
    ("CONNECTOR_SEND_TO_QUEUE", "false"),
];

/// How a server treats whoever has sent it something.
#[derive(Clone, Copy, Debug)]
enum Treatment {
    /// It never answers.
    Silence,
    /// It answers a byte at a time, and never comes to an end.
    ByteByByte,
}

/// A server on the loopback interface that takes requests and never answers one whole.
struct Tarpit {
    address: SocketAddr,
    asked: Arc<Notify>,
    _serving: AbortOnDropHandle<()>,
}

impl Tarpit {
    async fn new(treatment: Treatment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Notify::new());
        let serving = tokio::spawn(serve(listener, treatment, Arc::clone(&asked)));
        Self {
            address,
            asked,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// Waits until somebody has sent it something.
    async fn is_asked(&self) {
        let asked = tokio::time::timeout(Duration::from_secs(60), self.asked.notified()).await;
        assert!(asked.is_ok(), "nobody asks");
    }
}

async fn serve(listener: TcpListener, treatment: Treatment, asked: Arc<Notify>) {
    while let Ok((stream, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move { keep_waiting(stream, treatment, &asked).await });
    }
}

/// Ends when the other side has gone.
async fn keep_waiting(mut stream: TcpStream, treatment: Treatment, asked: &Notify) {
    let mut request = [0; 4096];
    if !matches!(stream.read(&mut request).await, Ok(1..)) {
        return;
    }
    asked.notify_one();
    match treatment {
        Treatment::Silence => while matches!(stream.read(&mut request).await, Ok(1..)) {},
        Treatment::ByteByByte => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                         content-length: 1000000\r\n\r\n{\"data\": {";
            for byte in head.iter().chain(std::iter::repeat(&b' ')) {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Starts the program, has it told to stop once `is_waiting` is over, and sees how it ends.
async fn stopped(program: &Program, is_waiting: impl Future<Output = ()>, what: &str) -> Run {
    let running = program.clone().patiently(PATIENCE).start().unwrap();
    is_waiting.await;
    let told = Instant::now();
    running.terminate().await.unwrap();
    let run = running.wait().await.unwrap();
    let took = told.elapsed();
    assert_eq!(run.code, Some(0), "{what}: {}", run.stderr);
    assert!(took < ALLOWED, "{what}: {took:?}\n{}", run.stderr);
    run
}

/// Case `sec-stop-while-greeting`: the platform takes the first request, and never answers it whole.
#[tokio::test]
async fn it_ends_although_the_platform_never_answers() {
    let site = Site::with(Config::in_memory()).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    for (treatment, scheme) in [
        (Treatment::Silence, "http"),
        (Treatment::Silence, "https"),
        (Treatment::ByteByByte, "http"),
    ] {
        for (name, value) in MODES {
            let tarpit = Tarpit::new(treatment).await;
            let url = format!("{scheme}://{}", tarpit.address);
            let program = site.program().with("OPENCTI_URL", url).with(name, value);
            let what = format!("{treatment:?} {scheme} {name}={value}");
            stopped(&program, tarpit.is_asked(), &what).await;
        }
    }
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}

#[tokio::test]
async fn it_ends_although_a_question_of_the_start_is_not_answered() {
    for (operation, number) in [
        ("about", 1),
        ("registerConnector", 1),
        // What the platform tells of its storage.
        ("registerConnector", 2),
        ("me", 1),
    ] {
        for (name, value) in MODES {
            if name == "CONNECTOR_SEND_TO_QUEUE" && operation == "registerConnector" {
                // A rehearsal registers nobody.
                continue;
            }
            let site = Site::with(Config::in_memory().in_version("6.9.28")).await;
            site.platform.fail(
                operation,
                number..=number,
                Fault::Delay(Duration::from_secs(600)),
            );
            let program = site.program().with(name, value);
            let asks_for_storage = number == 2;
            let program = program.with("DIODE_IMPORT_GET_FROM_S3", asks_for_storage.to_string());
            let is_waiting = crate::site::eventually("the question is asked", || {
                site.platform.calls_of(operation).len() == number
            });
            let what = format!("{operation} {number} {name}={value}");
            stopped(&program, is_waiting, &what).await;
        }
    }
}

#[tokio::test]
async fn it_ends_although_the_store_never_answers() {
    for (name, value) in MODES {
        let site = Site::with(Config::in_memory()).await;
        let store = Tarpit::new(Treatment::Silence).await;
        let program = site
            .program()
            .with(name, value)
            .with("DIODE_IMPORT_GET_FROM_S3", "true")
            .with("DIODE_IMPORT_GET_FROM_S3_BUCKET", "bucket")
            .with(
                "DIODE_IMPORT_S3_ENDPOINT",
                format!("http://{}", store.address),
            )
            .with("DIODE_IMPORT_S3_ACCESS_KEY", "key")
            .with("DIODE_IMPORT_S3_SECRET_KEY", "secret");
        let what = format!("{name}={value}");
        stopped(&program, store.is_asked(), &what).await;
    }
}

/// A user of the platform.
const USER: &str = "01135740-4359-43a3-8c5f-b2cf148175e5";

#[tokio::test]
async fn it_ends_although_nobody_reads_its_log() {
    let site = Site::with(Config::in_memory()).await;
    let log = site.folder().join("pipe");
    let _full = full_pipe(&log);
    let shell = ["sh", "-c", "exec \"$0\" 2>\"$LOG\""].map(OsString::from);
    let program = site
        .program()
        .with("CONNECTOR_LOG_LEVEL", "info")
        .without("DIODE_IMPORT_APPLICANT_MAPPINGS")
        // Nothing is to be warned of before that.
        .with("DIODE_IMPORT_DEFAULT_APPLICANT", USER)
        .with("LOG", log)
        .started_by(shell.into());
    let running = program.clone().patiently(PATIENCE).start().unwrap();
    // It says that it makes a ledger, and that call does not return.
    let has_begun = || site.state().join("ledger.sqlite3").exists();
    crate::site::eventually("it has begun", has_begun).await;
    running.terminate().await.unwrap();
    assert_eq!(running.wait().await.unwrap().code, Some(0));
}

/// A pipe that takes nothing more, for as long as what is returned is kept.
fn full_pipe(path: &Path) -> File {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success(), "mkfifo: {made}");
    let mut options = File::options();
    options.read(true).write(true);
    let mut pipe = options.custom_flags(O_NONBLOCK).open(path).unwrap();
    for size in [4096, 1] {
        while pipe.write(&vec![b'x'; size]).is_ok() {}
    }
    pipe
}
