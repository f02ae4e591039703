//! Whom we trust, and the HTTP client that is made of it.

use object_store::client::ClientOptions;
use object_store::{Certificate, HeaderValue};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::config::{S3Config, S3Trust, Unusable};
use super::error::{S3Error, S3Setting};

const USER_AGENT: &str = concat!("diode-import/", env!("CARGO_PKG_VERSION"));

/// The options of an HTTP client for the store at `endpoint`.
///
/// The client never looks for the system's certificates itself: on a machine without any, it could
/// not be made even for an address without TLS. We look for them, and only if TLS will be spoken.
pub(super) fn client_options(config: &S3Config, endpoint: &Url) -> Result<ClientOptions, Unusable> {
    install_crypto();
    let mut options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(USER_AGENT))
        .with_allow_http(endpoint.scheme() == "http")
        .with_no_system_certificates(true)
        // It would count the whole body's time, and a large one takes long.
        .with_timeout_disabled()
        .with_connect_timeout(config.patience.connect)
        .with_read_timeout(config.patience.idle);
    if config.trust == S3Trust::Anyone {
        return Ok(options.with_allow_invalid_certificates(true));
    }
    let roots = roots(config)?;
    if roots.is_empty() && endpoint.scheme() == "https" {
        let why = "this system has none that we can find, and none are given";
        return Err(Unusable::secret(S3Setting::Certificates, why));
    }
    for root in roots {
        let root = Certificate::from_der(&root).map_err(setup)?;
        options = options.with_root_certificate(root);
    }
    Ok(options)
}

/// The error of an HTTP client that cannot be made.
pub(super) fn setup(error: object_store::Error) -> Unusable {
    Unusable {
        place: "TLS to the store".to_owned(),
        cause: S3Error::setup(error),
    }
}

/// Makes sure that there is a crypto provider, which the HTTP client takes for granted.
fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // It fails only where another thread has just installed one, which is as well.
        let _ = ring::default_provider().install_default();
    }
}

fn roots(config: &S3Config) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let mut roots = match &config.trust {
        S3Trust::Only(pem) => parse(pem)?,
        S3Trust::System => system_roots(),
        S3Trust::Anyone => Vec::new(),
    };
    for pem in &config.extra_roots {
        roots.extend(parse(pem)?);
    }
    Ok(roots)
}

/// Some systems carry certificates that no longer parse; the others still count.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let mut found = rustls_native_certs::load_native_certs().certs;
    found.retain(is_usable);
    found
}

fn parse(pem: &str) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let unusable = |why| Unusable::secret(S3Setting::Certificates, why);
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| unusable("they are not in PEM form"))?;
    if found.is_empty() {
        return Err(unusable("there is none in the PEM text"));
    }
    if !found.iter().all(is_usable) {
        return Err(unusable("one of them is no certificate authority's"));
    }
    Ok(found)
}

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_none_are_refused() {
        let check = |pem: &str, expect: &str| {
            let refused = parse(pem).unwrap_err();
            assert_eq!(refused.cause.setting(), Some(S3Setting::Certificates));
            assert_eq!(refused.cause.to_string(), expect);
        };
        check("", "there is none in the PEM text");
        check("/etc/ca.pem", "there is none in the PEM text");
        check(
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "they are not in PEM form",
        );
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "one of them is no certificate authority's",
        );
    }
}
