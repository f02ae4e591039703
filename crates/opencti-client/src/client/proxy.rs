//! The proxy that requests go through.

use std::fmt;

use url::Url;

/// An HTTP proxy, with or without a user. `Debug` and `Display` show its host and port alone.
///
/// ```
/// use opencti_client::{HttpProxy, ProxyError};
///
/// let proxy = HttpProxy::parse("http://me:secret@proxy.example:3128")?;
/// assert_eq!(proxy.to_string(), "proxy.example:3128");
/// assert_eq!(HttpProxy::parse("proxy.example:3128")?, proxy.clone().without_user());
/// assert_eq!(HttpProxy::parse("socks5://proxy.example"), Err(ProxyError::Kind));
/// # Ok::<(), ProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpProxy(Url);

/// A text that names no proxy. The text is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is no address.
    #[error("is not an address")]
    Address,
    /// It is of a kind that we do not speak.
    #[error("is not an http or https address")]
    Kind,
}

impl HttpProxy {
    /// The proxy at `address`, such as `http://user:password@proxy:3128`; without a scheme, `http`
    /// is meant.
    ///
    /// # Errors
    /// [`ProxyError`]
    pub fn parse(address: &str) -> Result<Self, ProxyError> {
        let address = address.trim();
        let url = if address.contains("://") {
            Url::parse(address)
        } else {
            Url::parse(&format!("http://{address}"))
        };
        let url = url.map_err(|_| ProxyError::Address)?;
        match url.scheme() {
            "http" | "https" => Ok(Self(url)),
            _ => Err(ProxyError::Kind),
        }
    }

    /// The same proxy, as if it let everybody in.
    #[must_use]
    pub fn without_user(mut self) -> Self {
        // Both succeed for every address that has a host, which these two schemes demand.
        let _ = self.0.set_username("");
        let _ = self.0.set_password(None);
        self
    }

    /// Whether TLS is spoken to the proxy itself.
    pub(super) fn speaks_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }
}

impl fmt::Display for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())?;
        match self.0.port_or_known_default() {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpProxy({self})")
    }
}
