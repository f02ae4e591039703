//! How to reach a platform.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::proxy::HttpProxy;
use super::server_time::ServerTime;
use crate::backoff::Backoff;
use crate::{Secret, TlsError, TlsOptions};

/// What a [`Client`](crate::Client) needs to know. `Debug` shows no secret, nor an address in which
/// there may be one.
#[derive(Clone)]
pub struct ClientConfig {
    /// The platform's address, such as `https://opencti.example`, with its base path if it has one.
    /// A slash or `/graphql` at the end makes no difference.
    pub url: String,
    /// The token of the account that we act as.
    pub token: Secret,
    /// How the platform's certificate is checked; of no effect on `http://`.
    pub tls: TlsOptions,
    /// The proxy to go through, if any; the environment is not asked.
    pub proxy: Option<HttpProxy>,
    /// The longest time for connecting.
    pub connect_timeout: Duration,
    /// The longest time for one request, from connecting to the last byte of its answer.
    pub timeout: Duration,
    /// How a request is repeated.
    pub retry: RetryPolicy,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Headers that go with every request, by name. They win over our own `Authorization` and
    /// `User-Agent`; of two with the same name, the later one counts.
    pub headers: Vec<(String, Secret)>,
    /// The longest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Where it is noted what time it is at the platform.
    pub server_time: ServerTime,
}

impl ClientConfig {
    /// The usual configuration for the platform at `url`.
    pub fn new(url: impl Into<String>, token: Secret) -> Self {
        Self {
            url: url.into(),
            token,
            tls: TlsOptions::default(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(1),
            retry: RetryPolicy::default(),
            user_agent: concat!("diode-import/", env!("CARGO_PKG_VERSION")).to_owned(),
            headers: Vec::new(),
            max_answer_bytes: 4 << 20,
            server_time: ServerTime::default(),
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("url", &shown_address(&self.url))
            .field("token", &self.token)
            .field("tls", &self.tls)
            .field("proxy", &self.proxy)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("user_agent", &self.user_agent)
            .field("headers", &self.headers)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .field("server_time", &self.server_time)
            .finish()
    }
}

/// How often, and how soon, a request is repeated that may succeed when repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent at most; 1 for no repetition.
    pub attempts: u32,
    /// The longest wait before the first repetition; it doubles with each further one. What is
    /// waited is a random time between half of it and all of it.
    pub base: Duration,
    /// The wait never grows beyond this.
    pub cap: Duration,
}

impl RetryPolicy {
    pub(super) fn backoff(self) -> Backoff {
        Backoff {
            base: self.base,
            cap: self.cap,
        }
    }
}

impl Default for RetryPolicy {
    /// Four attempts within about ten seconds.
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(10),
        }
    }
}

/// A configuration that no client can be made of.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is no URL.
    #[error("the platform's address {address:?} is not a URL")]
    Url {
        /// The address as it was given; less what follows its scheme where a user, a password or
        /// a query may be in that.
        address: String,
        /// The cause.
        source: url::ParseError,
    },
    /// The address is a URL of another kind. It is not repeated: it may hold a password.
    #[error("the platform's address must be http:// or https://, without user, query or fragment")]
    UrlKind,
    /// The token holds characters that no header can carry, such as a line break.
    #[error("the token holds characters that cannot be sent")]
    Token,
    /// A header's name or value cannot be sent.
    #[error("the header {name:?} cannot be sent")]
    Header {
        /// The header's name as it was given.
        name: String,
    },
    /// TLS is needed and cannot be set up.
    #[error("cannot set up TLS for {host}")]
    Tls {
        /// The platform's host.
        host: String,
        /// The cause.
        source: TlsError,
    },
    /// The HTTP library refuses its configuration.
    #[error("cannot set up HTTP")]
    Http(#[source] reqwest::Error),
}

/// An address fit to be shown. What is no URL has no parts that could be told from one another, so
/// where a user, a password or a query may be in it, its scheme is all that is left.
fn shown_address(address: &str) -> String {
    if !address.contains(['@', '?', '#']) {
        return address.to_owned();
    }
    match address.split_once("://") {
        Some((scheme @ ("http" | "https"), _)) => format!("{scheme}://…"),
        _ => "…".to_owned(),
    }
}

/// The address of the GraphQL endpoint of the platform at `address`.
///
/// # Errors
/// [`ClientError::Url`], [`ClientError::UrlKind`]
pub(super) fn endpoint(address: &str) -> Result<Url, ClientError> {
    let mut url = Url::parse(address.trim()).map_err(|source| ClientError::Url {
        address: shown_address(address),
        source,
    })?;
    let kind = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if !kind {
        return Err(ClientError::UrlKind);
    }
    let path = url.path().trim_end_matches('/');
    if !path.ends_with("/graphql") {
        let path = format!("{path}/graphql");
        url.set_path(&path);
    } else if path.len() != url.path().len() {
        let path = path.to_owned();
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_addresses() {
        check(
            "https://opencti.example",
            Ok("https://opencti.example/graphql"),
        );
        check(
            "https://opencti.example/",
            Ok("https://opencti.example/graphql"),
        );
        check(
            "http://10.0.0.1:8080/base//",
            Ok("http://10.0.0.1:8080/base/graphql"),
        );
        check(
            "https://opencti.example/base/graphql",
            Ok("https://opencti.example/base/graphql"),
        );
        check(
            "https://opencti.example/graphql/",
            Ok("https://opencti.example/graphql"),
        );
        check(" http://opencti:8080\n", Ok("http://opencti:8080/graphql"));
        check(
            "https://opencti.example/mygraphql",
            Ok("https://opencti.example/mygraphql/graphql"),
        );
        let kind =
            "the platform's address must be http:// or https://, without user, query or fragment";
        check("ftp://opencti.example", Err(kind));
        check("https://me:secret@opencti.example", Err(kind));
        check("https://opencti.example/?a=b", Err(kind));
        check("opencti:8080", Err(kind));
        check(
            "opencti",
            Err("the platform's address \"opencti\" is not a URL"),
        );
        check("", Err("the platform's address \"\" is not a URL"));
        check(
            "https://opencti:808O",
            Err("the platform's address \"https://opencti:808O\" is not a URL"),
        );
        check(
            "https://me:secret@opencti:808O",
            Err("the platform's address \"https://…\" is not a URL"),
        );
        check(
            "//me:secret@opencti",
            Err("the platform's address \"…\" is not a URL"),
        );
    }

    fn check(address: &str, expect: Result<&str, &str>) {
        let found = endpoint(address).map_err(|error| error.to_string());
        let found = found.as_ref().map(Url::as_str).map_err(String::as_str);
        assert_eq!(found, expect, "{address:?}");
    }
}
