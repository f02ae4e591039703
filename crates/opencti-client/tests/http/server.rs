//! A server that answers what it is told to, and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with this status and body.
    Answer(u16, String),
    /// Redirects to this place.
    Redirect(String),
    /// Hangs up without an answer.
    HangUp,
    /// Never answers.
    Never,
}

/// A request as it came in.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// JSON, or else the text that it is.
    pub(crate) body: Value,
}

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// A server that gives these answers, one per request, and the last one for ever.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies: Arc<Mutex<VecDeque<Reply>>> =
            Arc::new(Mutex::new(replies.into_iter().collect()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = asked.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (replies, asked) = (replies.clone(), asked.clone());
                let service =
                    service_fn(move |request| answer(request, replies.clone(), asked.clone()));
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service);
                tokio::spawn(serving);
            }
        });
        Self {
            url,
            asked: remembered,
        }
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

async fn answer(
    request: Request<Incoming>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, HungUp> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    asked.lock().unwrap().push(Asked {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()),
    });
    match next(&replies) {
        Reply::Answer(status, body) => {
            let response = Response::builder().status(status);
            Ok(response.body(Full::from(body)).unwrap())
        }
        Reply::Redirect(location) => {
            let response = Response::builder().status(302).header(LOCATION, location);
            Ok(response.body(Full::default()).unwrap())
        }
        Reply::HangUp => Err(HungUp),
        Reply::Never => match std::future::pending::<Infallible>().await {},
    }
}

fn next(replies: &Mutex<VecDeque<Reply>>) -> Reply {
    let mut replies = replies.lock().unwrap();
    let reply = replies.pop_front().unwrap();
    if replies.is_empty() {
        replies.push_back(reply.clone());
    }
    reply
}

/// The connection ends without an answer.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}
