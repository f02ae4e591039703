//! What went wrong with a connection, in words that say what to do.

use std::error::Error;
use std::io;

use crate::tls::{TlsFault, causes};

/// What went wrong with a connection, where the chain of causes tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It could not be made; what is known of why begins with a colon.
    Network(&'static str),
    /// The proxy does not make it.
    Proxy(&'static str),
    /// TLS failed on it.
    Tls(TlsFault),
    /// It was made, and broke.
    Broken,
}

impl Problem {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(fault) = TlsFault::in_chain(error) {
            return Self::Tls(fault);
        }
        causes(error).find_map(known_problem).unwrap_or_else(|| {
            if !error.is_connect() {
                Self::Broken
            } else if error.is_timeout() {
                Self::Network(": no connection in time")
            } else {
                Self::Network("")
            }
        })
    }
}

/// The HTTP library tells some problems by their words alone.
fn known_problem(error: &(dyn Error + 'static)) -> Option<Problem> {
    let io = error.downcast_ref::<io::Error>().map(io::Error::kind);
    if io == Some(io::ErrorKind::ConnectionRefused) {
        return Some(Problem::Network(": connection refused"));
    }
    match error.to_string().as_str() {
        "dns error" => Some(Problem::Network(": the host name is unknown")),
        "tunnel error: proxy authorization required" => Some(Problem::Proxy(
            "it asks for a user and a password, write them into HTTPS_PROXY as \
             http://user:password@host:port",
        )),
        "tunnel error: unsuccessful" => {
            Some(Problem::Proxy("it refuses the connection, ask who runs it"))
        }
        _ => None,
    }
}

/// The setting that mends what failed in a TLS handshake with the platform.
pub(super) fn tls_advice(fault: TlsFault) -> &'static str {
    match fault {
        TlsFault::Untrusted => {
            "give that authority as HTTPS_CA_CERTIFICATES or OPENCTI_SSL_VERIFY \
             (OPENCTI_SSL_VERIFY=false would trust anybody)"
        }
        TlsFault::Expired | TlsFault::Certificate => {
            "have it renewed (OPENCTI_SSL_VERIFY=false would trust anybody)"
        }
        TlsFault::WantsCertificate | TlsFault::RefusesOurs => {
            "which this connector does not show to a platform"
        }
        TlsFault::EndsIt => "check OPENCTI_URL and the log of what answers there",
        TlsFault::OtherName | TlsFault::NotTls | TlsFault::Other => "check OPENCTI_URL",
    }
}
