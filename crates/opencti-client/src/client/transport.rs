//! Sending a request, and sending it again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use graphql_client::GraphQLQuery;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::answer::{self, Answer, Failure, Seen};
use super::config::{self, ClientConfig, ClientError, RetryPolicy};
use super::multipart::{self, Form};
use super::operations::{Operation, REGISTER_CONNECTOR, Repeat};
use super::problem::{Problem, tls_advice};
use super::proxy::HttpProxy;
use super::redact::Redaction;
use super::server_time::ServerTime;
use super::speaker::Speaker;
use crate::{ApiError, ErrorClass, PendingFile, WorkId, tls};

/// How long an idle connection is kept. Node.js closes one after five seconds; a request that meets
/// the closing cannot be told from one that was acted on.
const POOL_IDLE: Duration = Duration::from_secs(3);

/// The header that names the user in whose name a request is made.
const APPLICANT: &str = "opencti-applicant-id";

/// The header that names the work a request belongs to. From 6.9.19 on the platform refuses whatever
/// is asked with it once that work is not alive; before, it does not look at it.
const WORK: &str = "opencti-work-id";

/// The slowest line on which a large request is given the time it needs.
const SLOWEST_BYTES_PER_SECOND: usize = 128 * 1024;

/// After the platform has answered a registration with an error at every attempt, further ones that it
/// answers so are not repeated at once for so long. One that fails for its connector alone does so each
/// time, and there may be many: whoever asks tries them again later.
const REGISTRATIONS_ONCE: Duration = Duration::from_mins(10);

/// A connection pool to one GraphQL endpoint.
pub(super) struct Transport {
    http: reqwest::Client,
    endpoint: Url,
    proxy: Option<HttpProxy>,
    redaction: Redaction,
    timeout: Duration,
    retry: RetryPolicy,
    max_answer_bytes: usize,
    /// When a registration was last answered with an error at every attempt.
    registration_failed: Mutex<Option<Instant>>,
    server_time: ServerTime,
}

impl Transport {
    pub(super) fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let endpoint = config::endpoint(&config.url)?;
        let mut builder = reqwest::Client::builder().no_proxy();
        if let Some(proxy) = &config.proxy {
            let proxy = reqwest::Proxy::all(proxy.url()).map_err(ClientError::Http)?;
            builder = builder.proxy(proxy);
        }
        let http = builder
            .tls_backend_preconfigured(tls_config(&endpoint, &config)?)
            .default_headers(headers(&config)?)
            .redirect(Policy::none())
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .timeout(config.timeout)
            .build()
            .map_err(ClientError::Http)?;
        let values = config.headers.into_iter().map(|(_, value)| value);
        Ok(Self {
            http,
            endpoint,
            proxy: config.proxy,
            redaction: Redaction::of(values.chain([config.token])),
            timeout: config.timeout,
            retry: config.retry,
            max_answer_bytes: config.max_answer_bytes,
            registration_failed: Mutex::default(),
            server_time: config.server_time,
        })
    }

    /// The platform's host and port, for messages.
    pub(super) fn host(&self) -> String {
        host(&self.endpoint)
    }

    /// Calls an operation, as often as it takes and may be.
    ///
    /// # Errors
    /// [`ApiError`]
    pub(super) async fn call<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
        speaker: Speaker,
    ) -> Result<Q::ResponseData, ApiError> {
        let body = encode(operation, &Q::build_query(variables))?;
        let payload = Payload {
            speaker,
            ..Payload::json(body)
        };
        self.send::<Q>(operation, &payload).await
    }

    /// Calls an operation that belongs to a work.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`ErrorClass::WorkGone`] where the platform looks at that, and the
    /// work is not alive.
    pub(super) async fn call_for_work<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
        work: &WorkId,
    ) -> Result<Q::ResponseData, ApiError> {
        let body = encode(operation, &Q::build_query(variables))?;
        let payload = Payload {
            work: HeaderValue::from_str(&work.0).ok(),
            ..Payload::json(body)
        };
        self.send::<Q>(operation, &payload).await
    }

    /// Calls an operation whose variable `file` is a file.
    ///
    /// # Errors
    /// [`ApiError`]
    pub(super) async fn upload<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
        file: &PendingFile,
    ) -> Result<Q::ResponseData, ApiError> {
        let query = encode(operation, &Q::build_query(variables))?;
        let Form { content_type, body } = multipart::form(&query, file, rand::random());
        let payload = Payload {
            content_type,
            ..Payload::json(body)
        };
        self.send::<Q>(operation, &payload).await
    }

    async fn send<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        payload: &Payload,
    ) -> Result<Q::ResponseData, ApiError> {
        let mut attempt = 1;
        let mut seen = false;
        loop {
            let mut failure = match self.once(operation, payload).await {
                Ok(data) => return decode::<Q>(operation, data),
                Err(failure) => failure,
            };
            if seen {
                failure.error = failure.error.perhaps_seen();
            }
            seen = failure.error.may_have_been_seen();
            let may_repeat = may_repeat(operation.repeat, failure.seen);
            if !may_repeat || attempt >= self.most_attempts(operation, &failure.error) {
                if is_failed_registration(operation, &failure.error) {
                    *self.registration_failed() = Some(Instant::now());
                }
                return Err(failure.error);
            }
            let delay = self.retry.backoff().random_delay(attempt - 1);
            tracing::debug!(
                error = %failure.error, attempt, delay_ms = delay.as_millis(), "asking the platform again"
            );
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    /// How often a request that failed so is sent at most.
    fn most_attempts(&self, operation: &Operation, error: &ApiError) -> u32 {
        let is_recent = |at: Instant| at.elapsed() < REGISTRATIONS_ONCE;
        if is_failed_registration(operation, error)
            && self.registration_failed().is_some_and(is_recent)
        {
            return 1;
        }
        self.retry.attempts
    }

    fn registration_failed(&self) -> MutexGuard<'_, Option<Instant>> {
        let failed = self.registration_failed.lock();
        failed.unwrap_or_else(PoisonError::into_inner)
    }

    async fn once(&self, operation: &Operation, payload: &Payload) -> Result<Value, Failure> {
        let timeout = self.timeout + time_to_send(payload.body.len());
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .timeout(timeout)
            .header(header::CONTENT_TYPE, &payload.content_type)
            .body(payload.body.clone());
        if let Speaker::User(id) = &payload.speaker {
            request = request.header(APPLICANT, id);
        }
        if let Some(work) = &payload.work {
            request = request.header(WORK, work);
        }
        let sent = request.send().await;
        let unreachable = |error| self.unreachable(operation, timeout, error);
        let mut response = sent.map_err(unreachable)?;
        let date = response.headers().get(header::DATE);
        self.server_time.note(date, Instant::now());
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION).cloned();
        let body = self
            .read_body(operation, &mut response, unreachable)
            .await?;
        let answer = Answer {
            status,
            location: location.as_ref().and_then(|value| value.to_str().ok()),
            body: &body,
            redaction: &self.redaction,
        };
        answer::read(operation, &answer)
    }

    /// The answer's body, which must not be larger than we can hold.
    async fn read_body(
        &self,
        operation: &Operation,
        response: &mut reqwest::Response,
        unreachable: impl Fn(reqwest::Error) -> Failure,
    ) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(&unreachable)? else {
                return Ok(body);
            };
            if body.len() + chunk.len() > self.max_answer_bytes {
                let limit = self.max_answer_bytes;
                let message = format!("the answer is longer than {limit} bytes");
                let error = ApiError::new(operation.name, ErrorClass::Transient, message);
                return Err(Failure::new(error, Seen::Final));
            }
            body.extend_from_slice(&chunk);
        }
    }

    /// The request did not get there, or its answer did not get back.
    fn unreachable(
        &self,
        operation: &Operation,
        timeout: Duration,
        error: reqwest::Error,
    ) -> Failure {
        let problem = Problem::of(&error);
        let seen = match problem {
            // Nothing mends that but a setting, here or there.
            Problem::Tls(_) => Seen::Final,
            _ if error.is_connect() => Seen::No,
            _ => Seen::Perhaps,
        };
        let unseen = error.is_connect();
        let message = self.describe(timeout, &error, &problem);
        let error = ApiError::new(operation.name, ErrorClass::Transient, message)
            .with_source(error.without_url());
        let error = if unseen { error.surely_unseen() } else { error };
        Failure::new(error, seen)
    }

    fn describe(&self, timeout: Duration, error: &reqwest::Error, problem: &Problem) -> String {
        let host = self.host();
        if error.is_timeout() && !error.is_connect() {
            let hint = "check OPENCTI_URL and the network";
            return format!("no answer from {host} within {timeout:?}, {hint}");
        }
        match (problem, &self.proxy) {
            (Problem::Broken, _) => format!("the connection to {host} broke"),
            (Problem::Proxy(what), Some(proxy)) => {
                format!("cannot connect to {host} through the proxy {proxy}: {what}")
            }
            (Problem::Network(what), Some(proxy)) => format!(
                "cannot connect to {host} through the proxy {proxy}{what}, check OPENCTI_URL, \
                 HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
            ),
            (Problem::Proxy(what), None) => format!("cannot connect to {host}: {what}"),
            (Problem::Network(what), None) => {
                format!("cannot connect to {host}{what}, check OPENCTI_URL and the network")
            }
            (Problem::Tls(fault), _) => {
                format!("cannot connect to {host}: {fault}, {}", tls_advice(*fault))
            }
        }
    }
}

/// What is posted.
struct Payload {
    content_type: HeaderValue,
    speaker: Speaker,
    work: Option<HeaderValue>,
    body: Bytes,
}

impl Payload {
    fn json(body: Vec<u8>) -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json"),
            speaker: Speaker::Ourselves,
            work: None,
            body: body.into(),
        }
    }
}

/// The time that a body may take on its way, on top of the usual time for a request: nothing for
/// most, minutes for a large one on a slow line.
fn time_to_send(bytes: usize) -> Duration {
    Duration::from_secs((bytes / SLOWEST_BYTES_PER_SECOND) as u64)
}

/// Whether the platform itself answered that it failed to register a connector, which may be for that
/// connector alone. A lock is held for some seconds, and worth waiting for.
fn is_failed_registration(operation: &Operation, error: &ApiError) -> bool {
    let is_answered = error.code().is_some_and(|code| code != "LOCK_ERROR");
    operation.name == REGISTER_CONNECTOR.name && error.is_transient() && is_answered
}

/// Whether a request that failed may be sent again at once.
fn may_repeat(repeat: Repeat, seen: Seen) -> bool {
    match seen {
        Seen::No => true,
        Seen::Perhaps => repeat == Repeat::Harmless,
        Seen::Final => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "it goes to the platform")]
fn encode(operation: &Operation, body: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(body).map_err(|error| {
        let message = "the request cannot be written as JSON";
        ApiError::new(operation.name, ErrorClass::Contract, message).with_source(error)
    })
}

fn decode<Q: GraphQLQuery>(
    operation: &Operation,
    data: Value,
) -> Result<Q::ResponseData, ApiError> {
    serde_json::from_value(data).map_err(|error| answer::misshapen(operation, &error))
}

/// The configuration for TLS. Where none is spoken nothing is verified, so nothing is loaded: a
/// machine without certificates can do without.
fn tls_config(endpoint: &Url, config: &ClientConfig) -> Result<rustls::ClientConfig, ClientError> {
    let through_tls = config.proxy.as_ref().is_some_and(HttpProxy::speaks_tls);
    let built = if endpoint.scheme() == "https" || through_tls {
        config.tls.config()
    } else {
        tls::unused_config()
    };
    built.map_err(|source| ClientError::Tls {
        host: host(endpoint),
        source,
    })
}

fn headers(config: &ClientConfig) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    let bearer = secret_header(&format!("Bearer {}", config.token.expose()));
    headers.insert(header::AUTHORIZATION, bearer.ok_or(ClientError::Token)?);
    let agent = HeaderValue::from_str(&config.user_agent).map_err(|_| ClientError::Header {
        name: header::USER_AGENT.to_string(),
    })?;
    headers.insert(header::USER_AGENT, agent);
    for (name, value) in &config.headers {
        let failed = || ClientError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| failed())?;
        headers.insert(key, secret_header(value.expose()).ok_or_else(failed)?);
    }
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::ACCEPT, json);
    Ok(headers)
}

fn secret_header(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn host(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    match endpoint.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_or_unseen_is_repeated() {
        check(Repeat::Harmless, Seen::No, true);
        check(Repeat::Harmless, Seen::Perhaps, true);
        check(Repeat::Harmless, Seen::Final, false);
        check(Repeat::OnlyIfUnseen, Seen::No, true);
        check(Repeat::OnlyIfUnseen, Seen::Perhaps, false);
        check(Repeat::OnlyIfUnseen, Seen::Final, false);
    }

    fn check(repeat: Repeat, seen: Seen, expect: bool) {
        assert_eq!(may_repeat(repeat, seen), expect, "{repeat:?} {seen:?}");
    }
}
