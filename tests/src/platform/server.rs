//! The HTTP side: paths, tokens, faults, and answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::error::{Refusal, Shape};
use super::fault::{Fault, Faults};
use super::graphql::{Body, Contract, Request};
use super::multipart::{self, File};
use super::operations::Backend;
use super::state::Call;
use super::version::Version;

/// The connection is to be cut without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection cut by a fault")
    }
}

impl std::error::Error for Cut {}

type Answer = Result<Response<Full<Bytes>>, Cut>;

/// Everything that answering needs.
pub(super) struct Server {
    path: String,
    authorization: String,
    max_body_bytes: usize,
    date: Option<HeaderValue>,
    shape: Shape,
    contract: Contract,
    faults: Mutex<Faults>,
    pub(super) backend: Backend,
}

impl Server {
    pub(super) fn new(config: &Config, backend: Backend) -> anyhow::Result<Self> {
        let version = Version::read(&config.version);
        Ok(Self {
            path: format!("{}/graphql", config.base_path),
            authorization: format!("Bearer {}", config.token),
            max_body_bytes: config.max_body_bytes,
            date: config.date.as_deref().map(str::parse).transpose()?,
            shape: Shape::of(version),
            contract: Contract::new(&config.schema, version)?,
            faults: Mutex::default(),
            backend,
        })
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer with the time that is told.
    fn dated(&self, mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        if let Some(date) = &self.date {
            answer.headers_mut().insert(DATE, date.clone());
        }
        answer
    }

    /// Serves connections until `stop` is cancelled.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&self);
                let service = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move {
                        let answer = server.answer(request).await;
                        answer.map(|answer| server.dated(answer))
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let stop = stop.clone();
                // A connection that ends badly is the client's business.
                tokio::spawn(async move { stop.run_until_cancelled(connection).await });
            }
        };
        stop.run_until_cancelled(accept).await;
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        if head.uri.path() != self.path {
            return Ok(reply(StatusCode::NOT_FOUND, &json!({ "status": "error" })));
        }
        if head.method != Method::POST {
            let body = json!({ "name": "MethodNotAllowedError" });
            return Ok(reply(StatusCode::METHOD_NOT_ALLOWED, &body));
        }
        let Ok(body) = Limited::new(body, self.max_body_bytes).collect().await else {
            return Ok(server_error("request entity too large"));
        };
        let (body, file) = match read(&head.headers, &body.to_bytes()) {
            Ok(read) => read,
            Err(error) => return Ok(server_error(&format!("{error:#}"))),
        };
        match self.contract.check(body) {
            Ok(request) => self.call(&head.headers, &request, file).await,
            Err(refusal) => Ok(self.refuse(&refusal, &[], None)),
        }
    }

    async fn call(&self, headers: &HeaderMap, request: &Request, file: Option<File>) -> Answer {
        let header = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let call = Call {
            operation: request.operation().to_owned(),
            arguments: request.arguments.clone(),
            variables: request.variables.clone(),
            document: request.text.clone(),
            applicant: header("opencti-applicant-id"),
            headers: headers
                .iter()
                .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
                .collect(),
            file,
        };
        let authorized = header(AUTHORIZATION.as_str()).as_deref() == Some(&*self.authorization);
        self.backend.state().calls.push(call.clone());

        let fault = self.faults().next(&call.operation);
        if let Some(fault) = &fault
            && let Some(answer) = self.spoil(fault, request).await
        {
            return answer;
        }
        let result = if !authorized {
            Err(Refusal::auth_required())
        } else if !request.is_allowed(&self.backend.capabilities_of(call.applicant.as_deref())) {
            Err(Refusal::forbidden())
        } else {
            self.backend.execute(&call).await
        };
        match fault {
            Some(Fault::CutAfterwards) => return Err(Cut),
            Some(Fault::HangAfterwards) => std::future::pending().await,
            _ => {}
        }
        Ok(match result.and_then(|value| request.data(&value)) {
            Ok(data) => reply(StatusCode::OK, &json!({ "data": data })),
            Err(refusal) => self.refuse(&refusal, &request.path(), Some(request.no_data())),
        })
    }

    /// The answer that a fault gives instead of the platform's; `None` where the call goes on.
    async fn spoil(&self, fault: &Fault, request: &Request) -> Option<Answer> {
        match fault {
            Fault::Error { code, message } => {
                let refusal = Refusal::platform(code, 500, message);
                let answer = self.refuse(&refusal, &request.path(), Some(request.no_data()));
                Some(Ok(answer))
            }
            Fault::Http { status, body } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                Some(Ok(respond(status, "text/html", body.clone())))
            }
            Fault::Delay(time) => {
                tokio::time::sleep(*time).await;
                None
            }
            Fault::Cut => Some(Err(Cut)),
            Fault::CutAfterwards | Fault::HangAfterwards => None,
            Fault::DeleteWorks => {
                self.backend.state().works.clear();
                None
            }
            Fault::LoseQueues => {
                let ids: Vec<String> = self.backend.state().connectors.keys().cloned().collect();
                for id in ids {
                    if let Err(error) = self.backend.broker.lose(&id).await {
                        return Some(Ok(server_error(&format!("{error:#}"))));
                    }
                }
                None
            }
        }
    }

    fn refuse(
        &self,
        refusal: &Refusal,
        path: &[&str],
        data: Option<Value>,
    ) -> Response<Full<Bytes>> {
        let status = StatusCode::from_u16(refusal.http).unwrap_or(StatusCode::OK);
        reply(status, &refusal.to_body(self.shape, path, data))
    }
}

/// The operation that a request asks for, and the file that comes with it.
fn read(headers: &HeaderMap, body: &[u8]) -> anyhow::Result<(Body, Option<File>)> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match multipart::read(kind.unwrap_or_default(), body)? {
        Some((operation, file)) => Ok((serde_json::from_value(operation)?, Some(file))),
        None => Ok((serde_json::from_slice(body)?, None)),
    }
}

fn server_error(message: &str) -> Response<Full<Bytes>> {
    let body = json!({ "status": "error", "error": message });
    reply(StatusCode::INTERNAL_SERVER_ERROR, &body)
}

fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    respond(status, "application/json; charset=utf-8", body.to_string())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
