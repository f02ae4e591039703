//! What an HTTP answer means: pure, so that every shape of error can be tried in a table.
//!
//! The platform answers most errors with status 200, and its errors changed shape over time. So
//! the body is read first, whatever the status, and the code is looked for in both of its places.

use serde_json::Value;

use super::operations::Operation;
use super::redact::Redaction;
use crate::error::{REFUSALS, UNKNOWN};
use crate::text::shown;
use crate::{ApiError, ErrorClass};

/// An HTTP answer, read to its end.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// The `Location` header of a redirection.
    pub(super) location: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// What is kept out of errors.
    pub(super) redaction: &'a Redaction,
}

/// A call that failed, and what that says about sending it again.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ApiError,
    pub(super) seen: Seen,
}

/// Whether the platform may have acted on a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Surely not, and it may work next time.
    No,
    /// Perhaps, and it may work next time.
    Perhaps,
    /// Sending it again at once is of no use.
    Final,
}

impl Failure {
    pub(super) fn new(error: ApiError, seen: Seen) -> Self {
        let error = match seen {
            Seen::No => error.surely_unseen(),
            Seen::Perhaps | Seen::Final => error,
        };
        Self { error, seen }
    }
}

/// The `data` of an answer.
///
/// # Errors
/// [`Failure`] for an answer that carries errors, no data, or is no GraphQL answer at all.
pub(super) fn read(operation: &Operation, answer: &Answer<'_>) -> Result<Value, Failure> {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(answer.body) else {
        return Err(not_graphql(operation, answer, &Value::Null));
    };
    if let Some(Value::Array(errors)) = body.get("errors")
        && let Some(first) = errors.first()
    {
        return Err(refused(operation, first, answer.redaction));
    }
    match body.remove("data") {
        Some(data @ Value::Object(_)) if answer.status == 200 => Ok(data),
        Some(Value::Null) => Err(without_data(operation)),
        _ => Err(not_graphql(operation, answer, &Value::Object(body))),
    }
}

/// The platform answered that all is well, and nothing else.
pub(super) fn without_data(operation: &Operation) -> Failure {
    let message = "the platform answered without an error and without the data asked for";
    let error = ApiError::new(operation.name, class_of_nonsense(operation), message);
    Failure::new(error, Seen::Final)
}

/// The platform answered with data that is not of the shape asked for. What it holds instead is
/// not told: it may be a password.
pub(super) fn misshapen(operation: &Operation, error: &serde_json::Error) -> ApiError {
    let mut message = "the platform's answer has another shape than the one asked for".to_owned();
    let error = error.to_string();
    if let Some((_, expected)) = error.rsplit_once(", expected ") {
        message.push_str(", expected ");
        message.push_str(expected);
    } else if error.starts_with("missing field") {
        message.push_str(": ");
        message.push_str(&error);
    }
    ApiError::new(operation.name, class_of_nonsense(operation), message)
}

/// The class of an answer that does not hold what was asked for, which says nothing against the
/// request. What a platform tells in a shape that we do not know it will tell so next time, too:
/// where importing can do without, nothing is to wait for it.
fn class_of_nonsense(operation: &Operation) -> ErrorClass {
    let dispensable = ["about", "work", "isWorkAlive", "connector"];
    if dispensable.contains(&operation.name) {
        ErrorClass::Contract
    } else {
        ErrorClass::Transient
    }
}

/// The platform answered with a GraphQL error.
fn refused(operation: &Operation, error: &Value, redaction: &Redaction) -> Failure {
    let place = |path| error.pointer(path);
    let code = place("/extensions/code")
        .and_then(Value::as_str)
        .or_else(|| place("/name").and_then(Value::as_str));
    let status = place("/extensions/data/http_status")
        .and_then(Value::as_u64)
        .or_else(|| place("/data/http_status").and_then(Value::as_u64));
    let text = error
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or("no message");
    let class = classify(operation.name, code, status, text);
    let code = code.map(|code| redaction.apply(code));
    let message = message(operation.name, code.as_deref(), &redaction.apply(text));
    let mut error = ApiError::new(operation.name, class, message);
    if let Some(code) = code {
        error = error.with_code(shown(&code));
    }
    let seen = match (class, status) {
        (ErrorClass::Transient, Some(400..=498)) => Seen::Final,
        (ErrorClass::Transient, _) => Seen::Perhaps,
        _ => Seen::Final,
    };
    Failure::new(error, seen)
}

/// The class of a GraphQL error. `status` is the one that the error's data names, which is not
/// that of the HTTP answer.
fn classify(operation: &str, code: Option<&str>, status: Option<u64>, text: &str) -> ErrorClass {
    if will_say_it_again(text) {
        return ErrorClass::Contract;
    }
    match code.unwrap_or_default() {
        "AUTH_REQUIRED" => ErrorClass::Credentials,
        "FORBIDDEN_ACCESS" => ErrorClass::Forbidden,
        code if ["OTP_", "LTS_", "PASSWORD_"]
            .iter()
            .any(|kind| code.starts_with(kind)) =>
        {
            ErrorClass::Credentials
        }
        // In another's name, our own account may be well.
        "DRAFT_LOCKED" if may_be_for_another(operation) => ErrorClass::Contract,
        "DRAFT_LOCKED" => ErrorClass::Credentials,
        "WORK_NOT_ALIVE" => ErrorClass::WorkGone,
        "RESOURCE_NOT_FOUND" | "ALREADY_DELETED_ERROR" if edits_work(operation) => {
            ErrorClass::WorkGone
        }
        "FUNCTIONAL_ERROR"
            if operation == "pingConnector" && text.contains("No connector found") =>
        {
            ErrorClass::WorkGone
        }
        code if REFUSALS.contains(&code) || UNKNOWN.contains(&code) => ErrorClass::Contract,
        "RESOURCE_NOT_FOUND" | "MISSING_REFERENCE_ERROR" | "ALREADY_DELETED_ERROR" => {
            ErrorClass::Contract
        }
        "LOCK_ERROR"
        | "DATABASE_ERROR"
        | "INTERNAL_SERVER_ERROR"
        | "UNKNOWN_ERROR"
        | "CLIENT_ABORT_ERROR" => ErrorClass::Transient,
        _ => by_status(status),
    }
}

/// Some errors look like a crash of the platform but are about how it is set up: a feature that is
/// switched off, or a storage without keys that it could tell.
fn will_say_it_again(text: &str) -> bool {
    let texts = [
        "not yet available",
        "non-nullable field S3Connection.",
        "non-nullable field ConnectorConfig.s3",
    ];
    texts.iter().any(|known| text.contains(known))
}

/// The class of a code that we do not know, or that says nothing beyond its status. It may be about
/// the account as well as about the request.
fn by_status(status: Option<u64>) -> ErrorClass {
    match status {
        Some(401 | 403) => ErrorClass::Credentials,
        _ => ErrorClass::Transient,
    }
}

fn edits_work(operation: &str) -> bool {
    let edits = [
        "addExpectations",
        "reportExpectation",
        "toProcessed",
        "addDraftContext",
    ];
    edits.contains(&operation)
}

/// Whether an operation may be asked for in another user's name.
fn may_be_for_another(operation: &str) -> bool {
    ["stixBundlePush", "me"].contains(&operation)
}

/// The platform's words, and what to do about the frequent ones.
fn message(operation: &str, code: Option<&str>, text: &str) -> String {
    let text = shown(text);
    match code {
        Some("AUTH_REQUIRED") => {
            format!("the platform does not know our token, check OPENCTI_TOKEN ({text})")
        }
        Some("DRAFT_LOCKED") => {
            let who = if may_be_for_another(operation) {
                "the user in whose name it is asked"
            } else {
                "the account of OPENCTI_TOKEN"
            };
            format!(
                "{who} is in a draft that is closed or gone, leave the draft as that user in the \
                 platform's interface ({text})"
            )
        }
        Some("INTERNAL_SERVER_ERROR") => format!("the platform failed ({text})"),
        Some(code) => format!("{text} ({})", shown(code)),
        None => text,
    }
}

/// An answer that did not come from the platform's GraphQL, or not from the platform at all.
///
/// One that says nothing about the request counts as transient: a proxy, or a platform that is
/// just starting, must not make a good file look bad.
fn not_graphql(operation: &Operation, answer: &Answer<'_>, body: &Value) -> Failure {
    let status = answer.status;
    if status == 413 || (status == 500 && says_too_large(body)) {
        return too_large(operation);
    }
    let (class, seen, message) = match status {
        300..=399 => redirected(answer),
        400 | 422 => {
            let message = format!(
                "the request was refused as malformed (HTTP {status}), check OPENCTI_URL and what \
                 stands between"
            );
            (ErrorClass::Transient, Seen::Final, message)
        }
        401 | 403 => {
            let message = format!(
                "refused before it reached the platform (HTTP {status}), check what stands between"
            );
            (ErrorClass::Credentials, Seen::Final, message)
        }
        404 | 405 => (
            ErrorClass::Transient,
            Seen::Final,
            elsewhere(&format!("HTTP {status}")),
        ),
        429 => {
            let message = "the platform takes no more requests for now (HTTP 429)";
            (ErrorClass::Transient, Seen::No, message.to_owned())
        }
        // A proxy may say so when the connection breaks on which it has passed the request on.
        503 => {
            let message = "the platform, or a proxy before it, is not available (HTTP 503)";
            (ErrorClass::Transient, Seen::Perhaps, message.to_owned())
        }
        407 => {
            let message = "the proxy asks for a user and a password (HTTP 407), write them into \
                           HTTP_PROXY as http://user:password@host:port";
            (ErrorClass::Transient, Seen::Final, message.to_owned())
        }
        408 | 500..=599 => {
            let message = format!("the platform, or a proxy before it, failed (HTTP {status})");
            (ErrorClass::Transient, Seen::Perhaps, message)
        }
        _ if body.is_null() => (ErrorClass::Transient, Seen::Final, elsewhere("not JSON")),
        _ => (
            ErrorClass::Transient,
            Seen::Final,
            elsewhere("no GraphQL answer"),
        ),
    };
    // Whoever answered may have done so after the platform did what it was asked.
    let error = ApiError::new(operation.name, class, message).perhaps_seen();
    Failure::new(error, seen)
}

/// A redirection, which is never followed: it would carry the token elsewhere.
fn redirected(answer: &Answer<'_>) -> (ErrorClass, Seen, String) {
    let location = answer.location.unwrap_or_default();
    // Platforms to 6.2.19 send a body that they cannot read, mostly one too large, back to "/".
    if location == "/" {
        let message = "the platform cannot read the request, it may be too large (redirected to /)";
        return (ErrorClass::Contract, Seen::Final, message.to_owned());
    }
    let message = format!(
        "refused to be redirected to {:?}, check OPENCTI_URL (http or https, host, base path)",
        shown(&answer.redaction.apply(location))
    );
    (ErrorClass::Transient, Seen::Final, message)
}

fn too_large(operation: &Operation) -> Failure {
    let message = "the request is larger than the platform, or a proxy before it, accepts";
    let error = ApiError::new(operation.name, ErrorClass::Contract, message);
    Failure::new(error.for_size(), Seen::Final)
}

fn says_too_large(body: &Value) -> bool {
    let error = body.get("error").and_then(Value::as_str);
    error.is_some_and(|error| error.contains("too large"))
}

fn elsewhere(what: &str) -> String {
    format!("what answers is not an OpenCTI platform ({what}), check OPENCTI_URL and its base path")
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
