//! Where Prometheus gets the metrics: any path of one port.
//!
//! Who asks may be anybody: nothing that is sent to us is read but the head of one request, and neither
//! many clients nor silent ones take more than a little memory, or any time of the passes.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
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
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Metrics;
use super::exposition;

/// How many connections there are at most; others wait for one of them to end.
const MOST_CONNECTIONS: usize = 16;

/// How long a client may take for the head of its request, and for all.
const HEAD_WITHIN: Duration = Duration::from_secs(3);
const ALL_WITHIN: Duration = Duration::from_secs(10);

/// The most of a request that is kept in memory.
const HEAD_BYTES: usize = 16 * 1024;

/// How long until a port that could not be had is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// How long nobody is let in after the system could not let somebody in.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves metrics at that port for as long as it is polled.
pub(super) async fn serve(metrics: Arc<Metrics>, port: u16) {
    serve_at(listen(port, TRY_AGAIN_AFTER).await, metrics).await;
}

/// Listens at all addresses of IPv4, as pycti does. What cannot be watched is imported all the same.
async fn listen(port: u16, try_again_after: Duration) -> TcpListener {
    let mut is_said = false;
    loop {
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await {
            Ok(listener) => {
                tracing::info!(port, "metrics are served");
                return listener;
            }
            Err(error) if !is_said => {
                is_said = true;
                tracing::error!(
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
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let answering = answer_on(stream, Arc::clone(&metrics));
                    connections.spawn(answering);
                }
                Err(error) => {
                    tracing::debug!(error = %error, "a client of the metrics is not let in");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one request, or none where it does not come.
async fn answer_on(stream: TcpStream, metrics: Arc<Metrics>) {
    let service = service_fn(|request| {
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
