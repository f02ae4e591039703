//! What a failed handshake means, as far as an operator can act on it.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why TLS failed. `Display` is about "it", the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// Nobody whom we trust vouches for the server.
    Untrusted,
    /// The certificate is another host's.
    OtherName,
    /// The certificate is of another time.
    Expired,
    /// The certificate is otherwise not good.
    Certificate,
    /// The server wants a certificate of ours, and there is none.
    WantsCertificate,
    /// The server does not take our certificate.
    RefusesOurs,
    /// The server ends the handshake without saying why: TLS 1.2 has no word for a certificate
    /// that is missing.
    EndsIt,
    /// What answered does not speak TLS.
    NotTls,
    /// Anything else.
    Other,
}

impl TlsFault {
    /// The fault in a chain of causes; `None`: TLS did not fail.
    pub(crate) fn in_chain(error: &(dyn Error + 'static)) -> Option<Self> {
        causes(error)
            .find_map(|cause| cause.downcast_ref::<rustls::Error>())
            .map(Self::of)
    }

    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                Self::NotTls
            }
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // The second: an authority that was made anew under the name of one that is trusted.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
            // A home-made certificate that vouches for itself, which webpki takes for no server's.
            CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
                Self::Untrusted
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            _ => Self::Certificate,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired => Self::WantsCertificate,
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion => Self::EndsIt,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::RefusesOurs,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untrusted => {
                "its certificate is signed by itself, or by an authority that is not trusted here"
            }
            Self::OtherName => "its certificate is for another host name",
            Self::Expired => "its certificate has expired, or a clock is wrong",
            Self::Certificate => "its certificate is not good",
            Self::WantsCertificate => "it wants a client certificate",
            Self::RefusesOurs => "it refuses our client certificate",
            Self::EndsIt => {
                "it ends the TLS handshake, as if it wanted a client certificate or older TLS"
            }
            Self::NotTls => "it does not speak TLS",
            Self::Other => "TLS failed",
        })
    }
}

/// An error and its causes. An I/O error that wraps another one does not give it as its source.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error = *error;
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_by_the_library_s_errors() {
        use CertificateError as C;
        use TlsFault as F;
        use rustls::Error as E;

        for (error, expect) in [
            (E::InvalidCertificate(C::UnknownIssuer), F::Untrusted),
            (E::InvalidCertificate(C::NotValidForName), F::OtherName),
            (E::InvalidCertificate(C::Expired), F::Expired),
            (E::InvalidCertificate(C::NotValidYet), F::Expired),
            (E::InvalidCertificate(C::BadSignature), F::Untrusted),
            (E::InvalidCertificate(C::Revoked), F::Certificate),
            (
                E::AlertReceived(AlertDescription::CertificateRequired),
                F::WantsCertificate,
            ),
            (
                E::AlertReceived(AlertDescription::UnknownCA),
                F::RefusesOurs,
            ),
            (
                E::AlertReceived(AlertDescription::HandshakeFailure),
                F::EndsIt,
            ),
            (
                E::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                F::NotTls,
            ),
            (E::DecryptError, F::Other),
        ] {
            // As it comes: within an I/O error, within another one.
            let wrapped = io::Error::other(io::Error::other(error));
            assert_eq!(TlsFault::in_chain(&wrapped), Some(expect), "{wrapped:?}");
        }
        assert_eq!(TlsFault::in_chain(&io::Error::other("else")), None);
    }
}
