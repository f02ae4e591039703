//! What goes wrong with a bucket, and whether it may pass.

use std::error::Error;
use std::fmt;

use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use super::config::Unusable;
use super::xml::ErrorBody;
use crate::SourceError;

/// How much of a store's own words a message repeats, in characters.
const LONGEST_QUOTE: usize = 200;

/// A cause that only its message matters of.
type Cause = Box<dyn Error + Send + Sync>;

/// The cause of a [`SourceError`] of a bucket.
///
/// ```
/// use bundle_source::{S3Error, S3Setting};
///
/// let error = S3Error::NoBucket;
/// assert_eq!(error.setting(), Some(S3Setting::Bucket));
/// assert!(!error.is_transient());
/// ```
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// A setting cannot be used.
    #[error("{why}")]
    Setting {
        /// Which.
        setting: S3Setting,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("cannot set up the HTTP client")]
    Setup(#[source] Cause),
    /// No connection could be made.
    #[error("cannot connect to the store")]
    Unreachable(#[source] Cause),
    /// Nobody whom we trust vouches for the store's certificate.
    #[error("the store's certificate is not trusted")]
    Untrusted(#[source] Cause),
    /// The store stopped answering, or the connection broke.
    #[error("the connection to the store broke")]
    Broken(#[source] Cause),
    /// An answer ended too early.
    #[error("the store's answer ended after {got} of {size} bytes")]
    CutShort {
        /// The bytes that came.
        got: u64,
        /// The bytes that were announced.
        size: u64,
    },
    /// The store is busy or broken: it answered 5xx, 408 or 429.
    #[error("the store answered {0}")]
    Unavailable(String),
    /// No keys were given, and none could be got from the environment.
    #[error("no access key was given, and none could be got from the environment")]
    NoCredentials(#[source] Cause),
    /// The store does not know the access key.
    #[error("the store does not know the access key")]
    UnknownAccessKey,
    /// The secret key is not that of the access key.
    #[error("the secret key is not that of the access key")]
    WrongSecretKey,
    /// The clocks differ by more than signatures allow.
    #[error("the clocks of the store and of this machine differ by too much")]
    Clock,
    /// There is no such bucket.
    #[error("the bucket does not exist")]
    NoBucket,
    /// The bucket is in another region.
    #[error("the region is wrong{}", Hint(.hint.as_deref()))]
    WrongRegion {
        /// The right one, if the store tells.
        hint: Option<String>,
    },
    /// The key may not list or read.
    #[error("the access key may not {0} this bucket's objects")]
    Denied(S3Permission),
    /// The key may not change something, which may be about one object or about all.
    #[error("the access key is not permitted to {0} here")]
    NotPermitted(S3Permission),
    /// Any other refusal.
    #[error("the store refused: {0}")]
    Refused(String),
    /// A key is not one of a rejected file.
    #[error("it is not in the folder for rejected files")]
    NotSetAside,
    /// The store said what it cannot mean.
    #[error("the store's answer makes no sense: {0}")]
    Answer(String),
}

/// What a key may be permitted to do with a bucket's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Permission {
    /// `s3:ListBucket`
    List,
    /// `s3:GetObject`
    Read,
    /// `s3:PutObject`
    Write,
    /// `s3:DeleteObject`
    Delete,
}

/// A setting of a bucket's source, for the operator to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Setting {
    /// Endpoint, port and TLS.
    Endpoint,
    /// The bucket.
    Bucket,
    /// Its region.
    Region,
    /// The access key.
    AccessKey,
    /// The secret key.
    SecretKey,
    /// The folder that bundles wait in.
    Folder,
    /// The folder for rejected files.
    RejectedFolder,
    /// The certificate authorities.
    Certificates,
}

impl S3Error {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Broken(_)
                | Self::CutShort { .. }
                | Self::Unavailable(_)
                | Self::NoCredentials(_)
        )
    }

    /// The setting to look at first, if the error points at one.
    pub fn setting(&self) -> Option<S3Setting> {
        match self {
            Self::Setting { setting, .. } => Some(*setting),
            Self::Unreachable(_) => Some(S3Setting::Endpoint),
            Self::NoCredentials(_) | Self::UnknownAccessKey | Self::Denied(_) => {
                Some(S3Setting::AccessKey)
            }
            Self::WrongSecretKey => Some(S3Setting::SecretKey),
            Self::NoBucket => Some(S3Setting::Bucket),
            Self::WrongRegion { .. } => Some(S3Setting::Region),
            Self::Untrusted(_) => Some(S3Setting::Certificates),
            _ => None,
        }
    }

    /// The error of a request that got no answer, or not all of it.
    pub(super) fn of_connection(error: HttpError) -> Self {
        match error.kind() {
            _ if is_untrusted(&error) => Self::Untrusted(without_echo(error)),
            HttpErrorKind::Connect => Self::Unreachable(without_echo(error)),
            _ => Self::Broken(without_echo(error)),
        }
    }

    /// The error of credentials that were looked for in vain.
    pub(super) fn no_credentials(error: object_store::Error) -> Self {
        Self::NoCredentials(without_echo(error))
    }

    /// The error of an HTTP client that cannot be made, or cannot sign.
    pub(super) fn setup(error: object_store::Error) -> Self {
        Self::Setup(without_echo(error))
    }

    /// The error that a store's refusal is.
    ///
    /// The codes are those of the S3 API reference, "Error responses".
    pub(super) fn of_answer(
        status: StatusCode,
        region: Option<&str>,
        body: &ErrorBody,
        needed: S3Permission,
    ) -> Self {
        let region = region.or(body.region.as_deref());
        match body.code.as_str() {
            "InvalidAccessKeyId" => Self::UnknownAccessKey,
            "SignatureDoesNotMatch" => Self::WrongSecretKey,
            "RequestTimeTooSkewed" => Self::Clock,
            "NoSuchBucket" => Self::NoBucket,
            "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException"
            | "PermanentRedirect" => Self::wrong_region(region),
            "SlowDown"
            | "ServiceUnavailable"
            | "InternalError"
            | "RequestTimeout"
            | "OperationAborted"
            | "ConditionalRequestConflict" => Self::Unavailable(quote(status, body)),
            _ => Self::of_status(status, region, body, needed),
        }
    }

    fn of_status(
        status: StatusCode,
        region: Option<&str>,
        body: &ErrorBody,
        needed: S3Permission,
    ) -> Self {
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Self::Unavailable(quote(status, body))
            }
            // What a store does not know how to do it will not know later.
            _ if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                Self::Unavailable(quote(status, body))
            }
            _ if status.is_redirection() => Self::wrong_region(region),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Self::denied(needed),
            _ => Self::Refused(quote(status, body)),
        }
    }

    fn wrong_region(hint: Option<&str>) -> Self {
        Self::WrongRegion {
            hint: hint.map(shorten),
        }
    }

    fn denied(needed: S3Permission) -> Self {
        match needed {
            S3Permission::List | S3Permission::Read => Self::Denied(needed),
            S3Permission::Write | S3Permission::Delete => Self::NotPermitted(needed),
        }
    }
}

impl fmt::Display for S3Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for S3Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Endpoint => "endpoint",
            Self::Bucket => "bucket",
            Self::Region => "region",
            Self::AccessKey => "access key",
            Self::SecretKey => "secret key",
            Self::Folder => "folder",
            Self::RejectedFolder => "folder for rejected files",
            Self::Certificates => "certificate authorities",
        })
    }
}

/// The error of `action` on `place`.
pub(super) fn failed(
    action: &'static str,
    place: impl Into<String>,
    cause: S3Error,
) -> SourceError {
    SourceError {
        action,
        place: place.into(),
        transient: cause.is_transient(),
        read_only: false,
        source: Box::new(cause),
    }
}

impl From<Unusable> for SourceError {
    fn from(unusable: Unusable) -> Self {
        failed("use", unusable.place, unusable.cause)
    }
}

/// Whether the cause is that a certificate was refused. An I/O error keeps the cause that it was made
/// of to itself, unless asked for it.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let found = match inner {
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => error.downcast_ref(),
        };
        if matches!(found, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// A cause and its sources in one message that says everything once: theirs repeat each other.
fn without_echo(error: impl Error + Send + Sync + 'static) -> Cause {
    let said = error.to_string();
    let mut source = error.source();
    let mut chain = vec![said];
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        if !chain.iter().any(|said| said.contains(&cause_said)) {
            chain.push(cause_said);
        }
        source = cause.source();
    }
    chain.join(": ").into()
}

/// Which region it is instead.
struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(region) => write!(f, ": the bucket is in {region}"),
            None => Ok(()),
        }
    }
}

/// A store's refusal in its own words, fit for a log line.
fn quote(status: StatusCode, body: &ErrorBody) -> String {
    let words = [body.code.as_str(), body.message.as_str()];
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .fold(status.as_u16().to_string(), |said, word| {
            format!("{said} {}", shorten(word))
        })
}

fn shorten(text: &str) -> String {
    text.escape_debug().take(LONGEST_QUOTE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: &str) -> ErrorBody {
        ErrorBody {
            code: code.into(),
            ..ErrorBody::default()
        }
    }

    #[test]
    fn what_may_pass() {
        let check = |status: u16, code: &str, said: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let error = S3Error::of_answer(status, None, &body(code), S3Permission::Write);
            assert_eq!(error.to_string(), format!("the store answered {said}"));
            assert!(error.is_transient(), "{said}");
        };
        check(500, "InternalError", "500 InternalError");
        check(503, "SlowDown", "503 SlowDown");
        check(502, "", "502");
        check(408, "", "408");
        check(429, "", "429");
        check(400, "RequestTimeout", "400 RequestTimeout");
        check(200, "InternalError", "200 InternalError");
        check(409, "OperationAborted", "409 OperationAborted");
    }

    #[test]
    fn what_will_not_pass() {
        use S3Permission::{Delete, List, Read, Write};
        let check = |status: u16, code: &str, needed, expect: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let error = S3Error::of_answer(status, None, &body(code), needed);
            assert_eq!(error.to_string(), expect, "{status} {code}");
            assert!(!error.is_transient(), "{status} {code}");
        };
        let said = "the store does not know the access key";
        check(403, "InvalidAccessKeyId", List, said);
        let said = "the secret key is not that of the access key";
        check(403, "SignatureDoesNotMatch", List, said);
        let said = "the clocks of the store and of this machine differ by too much";
        check(403, "RequestTimeTooSkewed", List, said);
        let said = "the access key may not list this bucket's objects";
        check(403, "AccessDenied", List, said);
        let said = "the access key may not read this bucket's objects";
        check(403, "", Read, said);
        let said = "the access key is not permitted to write here";
        check(403, "AccessDenied", Write, said);
        let said = "the access key is not permitted to delete here";
        check(401, "", Delete, said);
        check(404, "NoSuchBucket", List, "the bucket does not exist");
        check(301, "", List, "the region is wrong");
        let said = "the region is wrong";
        check(400, "AuthorizationHeaderMalformed", List, said);
        let said = "the store refused: 501 NotImplemented";
        check(501, "NotImplemented", Write, said);
        let said = "the store refused: 400 InvalidRequest";
        check(400, "InvalidRequest", Write, said);
    }

    #[test]
    fn a_wrong_region_names_the_right_one_if_the_store_does() {
        let check = |header, in_body: Option<&str>, expect: &str| {
            let body = ErrorBody {
                region: in_body.map(Into::into),
                ..body("PermanentRedirect")
            };
            let status = StatusCode::MOVED_PERMANENTLY;
            let error = S3Error::of_answer(status, header, &body, S3Permission::List);
            assert_eq!(error.to_string(), expect);
            assert_eq!(error.setting(), Some(S3Setting::Region));
        };
        check(None, None, "the region is wrong");
        let hint = "the region is wrong: the bucket is in eu-west-3";
        check(Some("eu-west-3"), None, hint);
        check(None, Some("eu-west-3"), hint);
        check(
            Some("a\nb"),
            None,
            "the region is wrong: the bucket is in a\\nb",
        );
    }

    #[test]
    fn a_store_s_words_are_short_and_on_one_line() {
        let body = ErrorBody {
            code: "Odd\n".into(),
            message: "x".repeat(10_000),
            region: None,
        };
        let said = quote(StatusCode::BAD_REQUEST, &body);
        assert_eq!(said, format!("400 Odd\\n {}", "x".repeat(LONGEST_QUOTE)));
    }
}
