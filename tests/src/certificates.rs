//! Certificates that tests make as they need them.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority of a test's own.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let authority = tests::certificates::Authority::new("a test's authority")?;
/// assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok(())
/// # }
/// ```
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A server's certificate, with its key.
pub struct Certified {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    /// An authority of this name.
    ///
    /// # Errors
    /// If the library fails.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().context("cannot make a key")?;
        let issuer = CertifiedIssuer::self_signed(parameters, key);
        issuer.map(Self).context("cannot make an authority")
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the server `name`.
    ///
    /// # Errors
    /// If `name` is no host name.
    pub fn certify(&self, name: &str) -> anyhow::Result<Certified> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new([name.to_owned()])?;
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = parameters.signed_by(&key, &self.0)?;
        Ok(certified(certificate.der().clone(), &key))
    }

    /// The authority's own certificate, for a server that vouches for itself.
    pub fn certify_itself(&self) -> Certified {
        certified(self.0.der().clone(), self.0.key())
    }
}

fn certified(certificate: CertificateDer<'static>, key: &KeyPair) -> Certified {
    Certified {
        certificate,
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    }
}
