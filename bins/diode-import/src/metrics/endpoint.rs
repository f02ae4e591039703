//! Where Prometheus gets the metrics: any path of one address and port.
//!
//! Who asks may be anybody: nothing that is sent to us is read but the head of one request, and neither
//! many clients nor silent ones take more than a little memory, or any time of the passes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::Metrics;
use super::exposition;

/// How many connections there are at most; for another one, one of them is dropped.
const MOST_CONNECTIONS: usize = 32;

/// How long a client may take for the head of its request, and for all.
const HEAD_WITHIN: Duration = Duration::from_secs(3);
const ALL_WITHIN: Duration = Duration::from_secs(10);

/// The most of a request that is kept in memory.
const HEAD_BYTES: usize = 16 * 1024;

/// How long until a port that could not be had is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How long nobody is let in after the system could not let somebody in.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves metrics there for as long as it is polled.
pub(super) async fn serve(metrics: Arc<Metrics>, place: SocketAddr) {
    serve_at(listen(place, TRY_AGAIN_AFTER).await, metrics).await;
}

/// Listens there, as soon as that can be. What cannot be watched is imported all the same.
async fn listen(place: SocketAddr, try_again_after: Duration) -> TcpListener {
    let (address, port) = (place.ip(), place.port());
    let mut is_said = false;
    loop {
        match TcpListener::bind(place).await {
            Ok(listener) => {
                tracing::info!(%address, port, "metrics are served");
                return listener;
            }
            Err(error) if !is_said && error.kind() == ErrorKind::AddrNotAvailable => {
                is_said = true;
                tracing::error!(
                    %address,
                    port,
                    error = %error,
                    "metrics are not served for now: the address that DIODE_IMPORT_METRICS_ADDRESS \
                     names is none of this machine's; name another; it is tried again each minute"
                );
            }
            Err(error) if !is_said => {
                is_said = true;
                tracing::error!(
                    %address,
                    port,
                    error = %error,
                    "metrics are not served for now: the port that CONNECTOR_METRICS_PORT names \
                     cannot be had; free it, or name another; it is tried again each minute"
                );
            }
            Err(_) => {}
        }
        sleep(try_again_after).await;
    }
}

async fn serve_at(listener: TcpListener, metrics: Arc<Metrics>) {
    let mut clients = Clients::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                clients.let_in(stream, &metrics);
                // What a client has sent already is looked at before others are let in, so that many who
                // come at once do not drive out one who asks.
                yield_now().await;
            }
            Err(error) => {
                tracing::debug!(error = %error, "a client of the metrics is not let in");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Those who are connected, the oldest first.
#[derive(Default)]
struct Clients(VecDeque<Client>);

struct Client {
    has_asked: Arc<AtomicBool>,
    task: AbortOnDropHandle<()>,
}

impl Clients {
    /// Answers on a connection, for which another one is dropped where there are too many.
    fn let_in(&mut self, stream: TcpStream, metrics: &Arc<Metrics>) {
        self.0.retain(|client| !client.task.is_finished());
        if self.0.len() >= MOST_CONNECTIONS {
            self.0.remove(self.least_wanted());
        }
        let has_asked = Arc::<AtomicBool>::default();
        let answering = answer_on(stream, Arc::clone(metrics), Arc::clone(&has_asked));
        self.0.push_back(Client {
            has_asked,
            task: AbortOnDropHandle::new(tokio::spawn(answering)),
        });
    }

    /// The oldest that has not sent a whole request; where all have, the oldest.
    fn least_wanted(&self) -> usize {
        let is_silent = |client: &Client| !client.has_asked.load(Ordering::Relaxed);
        self.0.iter().position(is_silent).unwrap_or(0)
    }
}

/// Answers one request, or none where it does not come, and tells when it has come.
async fn answer_on(stream: TcpStream, metrics: Arc<Metrics>, has_asked: Arc<AtomicBool>) {
    let service = service_fn(|request| {
        has_asked.store(true, Ordering::Relaxed);
        let answer = answer(&request, &metrics);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // One that ends badly, or is ended, is the client's business.
    let _ = timeout(ALL_WITHIN, connection).await;
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, String::new());
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match metrics.text() {
        Ok(text) => {
            let mut response = respond(StatusCode::OK, text);
            let content_type = HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, String::new()),
    }
}

fn respond(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
