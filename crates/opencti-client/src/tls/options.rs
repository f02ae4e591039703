//! How a TLS connection is set up.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::error::TlsError;
use super::pem::Pem;
use super::verifier::NoVerification;
use crate::Secret;

/// How a server's certificate is checked, and which one we show.
///
/// The configuration for TLS is built from this and nothing else, and only where TLS is spoken:
/// a machine without certificates of its own can still use plain connections.
///
/// ```
/// use opencti_client::{Pem, TlsError, TlsOptions, Trust};
///
/// let mut options = TlsOptions::default();
/// assert_eq!(options.trust, Trust::System);
///
/// options.trust = Trust::Only(Pem::Text("no certificate".to_owned()));
/// assert!(matches!(options.check(), Err(TlsError::NoCertificate { .. })));
/// ```
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Who may vouch for a server.
    pub trust: Trust,
    /// Certificate authorities that are trusted besides.
    pub extra_roots: Vec<Pem>,
    /// Who we are, for a server that wants to know.
    pub identity: Option<Identity>,
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

/// Our certificate, and the proof that it is ours.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, and those that vouch for it.
    pub certificate: Pem,
    /// Its private key: PKCS#8, PKCS#1 or SEC1. It may be in the same file.
    pub key: Pem,
    /// The passphrase of an encrypted key, which must be PKCS#8 with PBES2 and AES.
    pub passphrase: Option<Secret>,
}

impl TlsOptions {
    /// Whether a connection could be set up: everything is read, and nothing kept.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn check(&self) -> Result<(), TlsError> {
        self.config().map(drop)
    }

    /// The configuration of a connection that speaks TLS.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsError> {
        let builder = self.verification()?;
        let Some(identity) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let certificates = identity.certificate.certificates()?;
        let key = identity.key.key(identity.passphrase.as_ref())?;
        builder
            .with_client_auth_cert(certificates, key)
            .map_err(|source| TlsError::Identity {
                place: identity.certificate.place(),
                source,
            })
    }

    fn verification(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        if self.trust == Trust::Anyone {
            let verifier = Arc::new(NoVerification(provider));
            let builder = builder.dangerous();
            return Ok(builder.with_custom_certificate_verifier(verifier));
        }
        Ok(builder.with_root_certificates(self.roots()?))
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
    for certificate in pem.certificates()? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Certificate {
                place: pem.place(),
                source,
            })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_certificates_are_named() {
        check(
            Pem::File("/nonexistent/ca.pem".into()),
            "cannot read /nonexistent/ca.pem",
        );
        check(
            Pem::Text("not pem".to_owned()),
            "no certificate in the text given",
        );
        let damaged = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        check(
            Pem::Text(damaged.to_owned()),
            "the text given is damaged PEM",
        );
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(
            Pem::Text(garbage.to_owned()),
            "the text given holds a certificate that cannot be used",
        );
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
