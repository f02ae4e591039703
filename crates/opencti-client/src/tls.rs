//! Whom we trust on a TLS connection, for the API and the broker alike.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How a server's certificate is checked.
///
/// The configuration for TLS is built from this and nothing else, and only where TLS is spoken:
/// a machine without certificates of its own can still use plain connections.
///
/// ```
/// use opencti_client::{TlsOptions, Trust};
///
/// assert_eq!(TlsOptions::default().trust, Trust::System);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Who may vouch for a server.
    pub trust: Trust,
    /// Certificate authorities that are trusted besides.
    pub extra_roots: Vec<Pem>,
}

/// Who may vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The system's certificate authorities, found as OpenSSL finds them: `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR`, or the system's usual places.
    #[default]
    System,
    /// These certificate authorities and not the system's.
    Only(Pem),
    /// Anybody: nothing is verified, and a man in the middle reads everything, our token first.
    Anyone,
}

/// Certificates in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// As text.
    Text(String),
}

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system has no certificate authority that we can find and read.
    #[error("no certificate authority found on this system; give a file with those to trust")]
    NoSystemRoots,
    /// A PEM file or text cannot be read.
    #[error("cannot read certificates from {place}")]
    Pem {
        /// The file, or that it was a text.
        place: String,
        /// The cause.
        source: pem::Error,
    },
    /// A PEM file or text holds no certificate.
    #[error("no certificate in {place}")]
    NoCertificate {
        /// The file, or that it was a text.
        place: String,
    },
    /// A certificate cannot stand as a certificate authority, or the TLS library refuses its
    /// configuration.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

impl TlsOptions {
    /// The configuration of a connection that speaks TLS.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        if self.trust == Trust::Anyone {
            let verifier = Arc::new(NoVerification(provider));
            let builder = builder.dangerous();
            let builder = builder.with_custom_certificate_verifier(verifier);
            return Ok(builder.with_no_client_auth());
        }
        let roots = self.roots()?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Trust::Only(bundle) = &self.trust {
            add_pem(&mut roots, bundle)?;
        }
        for extra in &self.extra_roots {
            add_pem(&mut roots, extra)?;
        }
        if self.trust == Trust::System {
            // Some systems carry certificates that no longer parse; the others still count.
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
        }
        if roots.is_empty() {
            return Err(TlsError::NoSystemRoots);
        }
        Ok(roots)
    }
}

/// The configuration of a client that will never speak TLS, for libraries that insist on one.
pub(crate) fn unused_config() -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    Ok(builder
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// Adds all certificates of `pem`; one that is no certificate authority is an error, because the
/// operator named it.
fn add_pem(roots: &mut RootCertStore, pem: &Pem) -> Result<(), TlsError> {
    let place = match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => "the PEM text given".to_owned(),
    };
    let found = match pem {
        Pem::File(path) => {
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>)
        }
        Pem::Text(text) => CertificateDer::pem_slice_iter(text.as_bytes()).collect(),
    };
    let certificates = found.map_err(|source| TlsError::Pem {
        place: place.clone(),
        source,
    })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { place });
    }
    for certificate in certificates {
        roots.add(certificate).map_err(TlsError::Setup)?;
    }
    Ok(())
}

/// Accepts every certificate, but still checks that the server holds its key: rustls asks for it,
/// and a broken handshake is better told apart from a foreign certificate.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_certificates_are_named() {
        check(
            Pem::File("/nonexistent/ca.pem".into()),
            "cannot read certificates from /nonexistent/ca.pem",
        );
        check(
            Pem::Text("not pem".to_owned()),
            "no certificate in the PEM text given",
        );
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(Pem::Text(garbage.to_owned()), "cannot set up TLS");
    }

    #[test]
    fn no_roots_are_needed_without_verification() {
        let options = TlsOptions {
            trust: Trust::Anyone,
            ..TlsOptions::default()
        };
        assert!(options.config().is_ok());
        assert!(unused_config().is_ok());
    }

    fn check(pem: Pem, expect: &str) {
        let options = TlsOptions {
            trust: Trust::Only(pem),
            ..TlsOptions::default()
        };
        assert_eq!(options.config().unwrap_err().to_string(), expect);
    }
}
