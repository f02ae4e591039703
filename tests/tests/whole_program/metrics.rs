//! What Prometheus gets from the program while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::{Config, Fault};
use tests::program::{CONNECTOR_ID, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::scene::comes_true;
use crate::site::{Site, eventually, long_ago};

/// Below those that the system gives to who asks for any.
static NEXT_PORT: AtomicU16 = AtomicU16::new(21_000);

fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| NEXT_PORT.fetch_add(1, Ordering::Relaxed));
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    ports.find(is_free).unwrap()
}

fn exposing(program: Program, port: u16) -> Program {
    program
        .with("CONNECTOR_EXPOSE_METRICS", "true")
        .with("CONNECTOR_METRICS_PORT", port.to_string())
}

/// What is answered at a port; `None` where nobody is there.
async fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let request = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    stream.write_all(request).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}

/// Waits until the metrics have all of these lines.
async fn told(port: u16, lines: &[&str]) -> String {
    comes_true(&format!("{lines:?} are told"), async || {
        let answer = ask(port).await.unwrap_or_default();
        let told: BTreeSet<&str> = answer.lines().collect();
        lines.iter().all(|line| told.contains(line))
    })
    .await;
    ask(port).await.unwrap()
}

/// The ports that a process listens at.
fn listening(id: u32) -> BTreeSet<u16> {
    let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let targets = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let sockets: BTreeSet<String> = targets
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_ours = sockets.contains(&format!("socket:[{}]", fields[9]));
            if fields[3] == "0A" && is_ours {
                let (_, port) = fields[1].rsplit_once(':').unwrap();
                ports.insert(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

#[tokio::test]
async fn no_address_but_the_one_that_is_named_is_listened_at() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let daemon = exposing(site.daemon(), port).with("DIODE_IMPORT_METRICS_ADDRESS", "::1");
    let daemon = daemon.start().unwrap();
    eventually("it listens", || {
        listening(daemon.id().unwrap()).contains(&port)
    })
    .await;
    assert_eq!(ask(port).await, None, "nobody is there in IPv4");
    let there = TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, port)).await;
    assert!(there.is_ok(), "{there:?}");
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
}

#[tokio::test]
async fn what_becomes_of_files_is_told() {
    let site = Site::new().await;
    let port = free_port();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), malware(2)]));
    site.put_bytes("b.json", b"{", long_ago());
    site.put_bytes("c.json", b"{", SystemTime::now());
    let program = exposing(site.daemon(), port)
        .with("CONNECTOR_METRICS_NAMESPACE", "opencti")
        .with("CONNECTOR_METRICS_SUBSYSTEM", "diode")
        .with("CONNECTOR_LOG_LEVEL", "error")
        .with("DIODE_IMPORT_SETTLE_SECONDS", "3600");
    let daemon = program.start().unwrap();
    let source = format!("directory:{}", site.inbox().display());
    let of = |name: &str, labels: &str, value: &str| {
        format!("opencti_diode_{name}{{source=\"{source}\"{labels}}} {value}")
    };
    let lines = [
        of("files_total", ",outcome=\"imported\",code=\"\"", "1"),
        of(
            "files_total",
            ",outcome=\"rejected\",code=\"invalid-json\"",
            "1",
        ),
        of("files_waiting", ",code=\"invalid-json\"", "1"),
        of("files_untried", "", "0"),
        "opencti_diode_bundles_sent_total 2".to_owned(),
        "opencti_diode_records_sent_total 2".to_owned(),
        "opencti_diode_client_errors_total 1".to_owned(),
        "opencti_diode_errors_total 1".to_owned(),
        "opencti_diode_ping_api_errors_total 0".to_owned(),
        "opencti_diode_state{opencti_diode_state=\"idle\"} 1".to_owned(),
    ];
    let text = told(port, &lines.each_ref().map(String::as_str)).await;
    for name in ["oldest_waiting", "last_pass", "last_import"] {
        let begin = of(&format!("{name}_timestamp_seconds"), "", "");
        let line = text.lines().find_map(|line| line.strip_prefix(&begin));
        let seconds: u64 = line
            .unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(
            at.elapsed().unwrap() < Duration::from_secs(120),
            "{name}: {text}"
        );
    }
    assert!(!text.contains("interrupted{"), "{text}");
    let token = site.platform.token();
    for word in [
        ".json\"",
        "a.json",
        WEATHER.id,
        WEATHER.name,
        CONNECTOR_ID,
        token,
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(listening(daemon.id().unwrap()), [port].into());

    // What waits is finished: it waits no longer.
    let whole = envelope(HARBOUR, 2, &[malware(3)]).to_string();
    site.put_bytes("c.json", whole.as_bytes(), SystemTime::now());
    let imported = of("files_total", ",outcome=\"imported\",code=\"\"", "2");
    let text = told(
        port,
        &[
            &imported,
            "opencti_diode_state{opencti_diode_state=\"idle\"} 1",
        ],
    )
    .await;
    assert!(!text.contains("files_waiting{"), "{text}");
    assert!(
        !text.contains("oldest_waiting_timestamp_seconds{"),
        "{text}"
    );
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(ask(port).await, None);
}

#[tokio::test]
async fn over_the_api_a_push_is_a_bundle_of_several_objects() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let objects = [malware(1), malware(2), malware(3)];
    site.put("a.json", &envelope(WEATHER, 1, &objects));
    let program = exposing(site.daemon(), port).with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let _daemon = program.start().unwrap();
    told(port, &["bundles_sent_total 1", "records_sent_total 3"]).await;
}

#[tokio::test]
async fn what_cuts_passes_short_is_told_until_it_does_not() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let program = exposing(site.daemon(), port).with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let _daemon = program.start().unwrap();
    told(port, &["ping_api_total 1"]).await;
    site.platform.break_down(Fault::http(503));
    for (number, source) in [(1, WEATHER), (2, HARBOUR)] {
        let name = format!("{number}.json");
        site.put(&name, &envelope(source, number, &[malware(number)]));
    }
    let source = format!("source=\"directory:{}\"", site.inbox().display());
    let interrupted = format!("last_pass_interrupted{{{source},by=\"platform\"}} 1");
    let oldest = format!("oldest_waiting_timestamp_seconds{{{source}}} 1767225600");
    let text = told(port, &[&interrupted, &oldest]).await;
    assert!(text.contains("\nbundles_sent_total 0\n"), "{text}");
    comes_true("a sign of life is not taken", async || {
        let text = ask(port).await.unwrap();
        !text.contains("\nping_api_errors_total 0\n")
    })
    .await;
    site.platform.recover();
    let imported = format!("files_total{{{source},outcome=\"imported\",code=\"\"}} 2");
    let text = told(port, &[&imported, "state{state=\"idle\"} 1"]).await;
    for gone in ["interrupted{", "oldest_waiting_timestamp_seconds{"] {
        assert!(!text.contains(gone), "{text}");
    }
}

#[tokio::test]
async fn that_we_wait_for_the_platform_is_seen() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let slow = Fault::Delay(Duration::from_secs(600));
    site.platform.fail("registerConnector", .., slow);
    let single_pass = exposing(site.program(), port).start().unwrap();
    let text = told(port, &["runs_total 0", "state{state=\"idle\"} 1"]).await;
    assert!(!text.contains("source="), "{text}");
    single_pass.kill().await.unwrap();
}

#[tokio::test]
async fn nothing_listens_unless_it_is_wanted() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let program = site.daemon().with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let quiet = program.with("CONNECTOR_METRICS_PORT", port.to_string());
    let rehearsing = quiet.clone().with("CONNECTOR_EXPOSE_METRICS", "true");
    let rehearsing = rehearsing.with("CONNECTOR_SEND_TO_QUEUE", "false");
    for program in [quiet, rehearsing] {
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        fs::remove_file(site.log()).ok();
        let daemon = program.logging_to(&site.log()).start().unwrap();
        site.logged(&["a.json", "imported"]).await;
        assert_eq!(listening(daemon.id().unwrap()), BTreeSet::new());
        assert_eq!(ask(port).await, None);
        daemon.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_port_that_is_taken_keeps_nothing_from_being_imported() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = exposing(site.daemon(), port)
        .with("CONNECTOR_QUEUE_PROTOCOL", "api")
        .logging_to(&site.log());
    let daemon = program.start().unwrap();
    site.emptied().await;
    site.logged(&["ERROR", "CONNECTOR_METRICS_PORT", "in use"])
        .await;
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stderr.matches("CONNECTOR_METRICS_PORT").count(), 1);
}

#[tokio::test]
async fn clients_that_never_ask_hold_up_neither_importing_nor_leaving() {
    let site = Site::with(Config::in_memory()).await;
    let port = free_port();
    let program = exposing(site.daemon(), port).with("CONNECTOR_QUEUE_PROTOCOL", "api");
    let daemon = program.start().unwrap();
    told(port, &["state{state=\"idle\"} 1"]).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        clients.push(client.unwrap());
    }
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let began = Instant::now();
    eventually("it is imported", || site.left().is_empty()).await;
    daemon.terminate().await.unwrap();
    let run = daemon.wait().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
