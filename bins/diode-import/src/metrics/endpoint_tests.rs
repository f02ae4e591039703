use std::net::{Ipv4Addr, SocketAddr};

use diode_core::Observer as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use super::*;
use crate::logging::ErrorCount;

fn metrics() -> Arc<Metrics> {
    let clock = Arc::new(chrono::Utc::now);
    let (errors, stop) = (ErrorCount::default(), CancellationToken::new());
    Arc::new(Metrics::new(None, errors, clock, stop))
}

/// An endpoint on the loopback interface, for as long as it is kept.
struct Served {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Served {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            _task: AbortOnDropHandle::new(tokio::spawn(serve_at(listener, metrics()))),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What is answered, until the connection is closed.
    async fn ask(&self, request: &str) -> String {
        let mut client = self.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        rest(&mut client).await
    }
}

/// What still comes. A connection that is reset has ended, too.
async fn rest(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = client.read_to_end(&mut answer);
    let _ = timeout(Duration::from_secs(30), reading)
        .await
        .expect("no end");
    String::from_utf8(answer).unwrap()
}

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n")
}

#[tokio::test]
async fn metrics_are_told_on_every_path() {
    let served = Served::new().await;
    for path in ["/metrics", "/", "/a/b?c=d", "*"] {
        let answer = served.ask(&request("GET", path)).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let head = head.to_lowercase();
        let content_type = format!("content-type: {CONTENT}");
        assert!(head.contains(&content_type), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        assert!(
            body.contains("runs_total 0\n") && body.ends_with("# EOF\n"),
            "{body}"
        );
    }
}

const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[tokio::test]
async fn the_head_alone_is_told_as_well() {
    let served = Served::new().await;
    let answer = served.ask(&request("HEAD", "/metrics")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.to_lowercase().contains(CONTENT), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn nothing_else_is_done_and_no_body_is_read() {
    let served = Served::new().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
        let answer = served.ask(&request(method, "/metrics")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(
            answer.to_lowercase().contains("allow: get, head"),
            "{answer}"
        );
    }
    let large =
        "POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\nthe first of it";
    let began = Instant::now();
    let answer = served.ask(large).await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(began.elapsed() < ALL_WITHIN, "the rest was waited for");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let served = Served::new().await;
    for nonsense in [
        "\r\n\r\n\r\n nonsense\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "GET\r\n\r\n",
    ] {
        let answer = served.ask(nonsense).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    let mut client = served.connect().await;
    let head = format!(
        "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(10 * HEAD_BYTES)
    );
    // It may be hung up on before all of it is sent.
    let _ = client.write_all(head.as_bytes()).await;
    assert!(!rest(&mut client).await.contains(" 200 "));
    assert!(served.ask(&request("GET", "/")).await.contains(" 200 "));
}

#[tokio::test]
async fn a_client_that_is_silent_or_slow_is_hung_up_on() {
    let served = Served::new().await;
    let silent = async {
        let began = Instant::now();
        let mut client = served.connect().await;
        assert_eq!(rest(&mut client).await, "");
        began.elapsed()
    };
    let slow = async {
        let began = Instant::now();
        let mut client = served.connect().await;
        let text = request("GET", &"/x".repeat(1000));
        for byte in text.bytes() {
            if client.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    };
    let (silent, slow) = tokio::join!(silent, slow);
    assert!(
        silent < ALL_WITHIN && slow < ALL_WITHIN,
        "{silent:?} {slow:?}"
    );
}

/// Clients that no answer is of use to.
#[derive(Clone, Copy, Debug)]
enum Idle {
    Silent,
    Dripping,
    NotReading,
}

impl Idle {
    async fn come(self, served: &Served) -> TcpStream {
        let mut client = served.connect().await;
        let sent = match self {
            Self::Silent => String::new(),
            Self::Dripping => "GET / HTTP/1.1\r\nX: ".to_owned(),
            Self::NotReading => request("GET", "/"),
        };
        client.write_all(sent.as_bytes()).await.unwrap();
        client
    }
}

/// What is answered at once: well before any of those who are idle is hung up on.
async fn ask_at_once(served: &Served) -> String {
    let began = Instant::now();
    let answer = served.ask(&request("GET", "/")).await;
    let waited = began.elapsed();
    assert!(waited < HEAD_WITHIN / 3, "{waited:?}");
    answer
}

#[tokio::test]
async fn many_idle_clients_keep_nobody_out() {
    for idle in [Idle::Silent, Idle::Dripping, Idle::NotReading] {
        let served = Served::new().await;
        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(idle.come(&served).await);
            if let (Idle::Dripping, Some(client)) = (idle, clients.last_mut()) {
                client.write_all(b"x").await.unwrap();
            }
        }
        for _ in 0..3 {
            let answer = ask_at_once(&served).await;
            assert!(answer.contains(" 200 "), "{idle:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn no_more_clients_are_kept_than_the_limit_and_the_oldest_silent_one_goes() {
    let served = Served::new().await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(Idle::Silent.come(&served).await);
    }
    let gone = clients.len() - MOST_CONNECTIONS;
    for client in &mut clients[..gone] {
        let hung_up = timeout(HEAD_WITHIN / 3, rest(client)).await;
        assert_eq!(hung_up.unwrap(), "", "it is still there");
    }
    // The others are: each may ask, but for the one whose place was taken by nobody.
    for client in &mut clients[gone..] {
        client
            .write_all(request("GET", "/").as_bytes())
            .await
            .unwrap();
        assert!(rest(client).await.contains(" 200 "));
    }
}

#[tokio::test]
async fn who_has_asked_is_not_driven_out_by_those_who_have_not() {
    let metrics = metrics();
    let mut clients = Clients::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        kept.push(TcpStream::connect(address).await.unwrap());
        let (stream, _) = listener.accept().await.unwrap();
        clients.let_in(stream, &metrics);
    }
    assert_eq!(clients.least_wanted(), 0);
    clients.0[0].has_asked.store(true, Ordering::Relaxed);
    clients.0[1].has_asked.store(true, Ordering::Relaxed);
    assert_eq!(clients.least_wanted(), 2);
    for client in &clients.0 {
        client.has_asked.store(true, Ordering::Relaxed);
    }
    assert_eq!(clients.least_wanted(), 0);
    kept.push(TcpStream::connect(address).await.unwrap());
    let (stream, _) = listener.accept().await.unwrap();
    clients.let_in(stream, &metrics);
    assert_eq!(clients.0.len(), MOST_CONNECTIONS);
}

#[tokio::test]
async fn who_has_sent_a_whole_request_has_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (sent, expect) in [
        (request("GET", "/"), true),
        ("GET / HTTP/1.1\r\n".into(), false),
    ] {
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let mut client = client.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let has_asked = Arc::<AtomicBool>::default();
        answer_on(accepted.unwrap().0, metrics(), Arc::clone(&has_asked)).await;
        assert_eq!(has_asked.load(Ordering::Relaxed), expect, "{sent}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_this_machine_s_is_told_once() {
    let errors = ErrorCount::default();
    let counting = errors.clone().with_filter(LevelFilter::ERROR);
    let counting = tracing_subscriber::registry().with(counting);
    let _guard = tracing::subscriber::set_default(counting);
    // Of the addresses that are for documentation (RFC 5737).
    let listening = listen("192.0.2.1:9095".parse().unwrap(), Duration::from_millis(10));
    let in_vain = timeout(Duration::from_millis(300), listening).await;
    assert!(in_vain.is_err());
    assert_eq!(errors.get(), 1);
}

#[tokio::test]
async fn ipv6_is_listened_at_as_well() {
    let place = "[::1]:0".parse().unwrap();
    let listener = listen(place, Duration::from_mins(1)).await;
    assert!(listener.local_addr().unwrap().ip().is_loopback());
}

#[tokio::test]
async fn who_does_not_read_the_answer_holds_up_no_pass() {
    let metrics = metrics();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let _task = AbortOnDropHandle::new(tokio::spawn(serve_at(listener, Arc::clone(&metrics))));
    let mut clients = Vec::new();
    for _ in 0..MOST_CONNECTIONS {
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(request("GET", "/").as_bytes())
            .await
            .unwrap();
        clients.push(client);
    }
    let began = Instant::now();
    for _ in 0..1000 {
        metrics.pass_began("directory:/in");
    }
    assert!(began.elapsed() < ALL_WITHIN);
    assert!(metrics.text().unwrap().contains("runs_total 1000\n"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_once_and_had_when_it_is_free() {
    let errors = ErrorCount::default();
    let counting = errors.clone().with_filter(LevelFilter::ERROR);
    let counting = tracing_subscriber::registry().with(counting);
    let _guard = tracing::subscriber::set_default(counting);
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let everywhere: SocketAddr = (Ipv4Addr::UNSPECIFIED, port).into();
    let listening = listen(everywhere, Duration::from_millis(10));
    tokio::pin!(listening);
    let in_vain = timeout(Duration::from_millis(300), &mut listening).await;
    assert!(in_vain.is_err(), "two listen at one port");
    assert_eq!(errors.get(), 1);
    drop(taken);
    let listener = timeout(Duration::from_secs(30), listening).await.unwrap();
    assert_eq!(listener.local_addr().unwrap(), everywhere);
    assert_eq!(errors.get(), 1);
}

#[tokio::test]
async fn nobody_is_answered_any_more_when_we_leave() {
    let served = Served::new().await;
    let mut client = served.connect().await;
    client.write_all(b"GET / HTT").await.unwrap();
    let address = served.address;
    drop(served);
    assert_eq!(rest(&mut client).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}
