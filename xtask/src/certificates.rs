//! Certificates for the tests' broker: two authorities of our own, and what the first vouches for.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use pkcs8::pkcs5::pbes2;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// The passphrase of `client-encrypted.key`. The tests know it, too.
const PASSPHRASE: &str = "of-the-tests";

/// Few: a test's key is worth nothing, and its own debug build has to decrypt it.
const ITERATIONS: u32 = 16;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Writes, into `folder`: `ca.pem`, `other-ca.pem`; `server.pem` and `server.key`, for localhost;
/// `client.pem`, `client.key` and `client-encrypted.key`.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let save = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    let ours = authority("the tests' authority")?;
    let other = authority("another authority")?;
    save("ca.pem", &ours.pem())?;
    save("other-ca.pem", &other.pem())?;
    let (certificate, key) = signed(&ours, ExtendedKeyUsagePurpose::ServerAuth)?;
    save("server.pem", &certificate)?;
    save("server.key", &key.serialize_pem())?;
    let (certificate, key) = signed(&ours, ExtendedKeyUsagePurpose::ClientAuth)?;
    save("client.pem", &certificate)?;
    save("client.key", &key.serialize_pem())?;
    save("client-encrypted.key", &encrypted(&key)?)
}

fn authority(name: &str) -> anyhow::Result<Authority> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(
        parameters,
        KeyPair::generate()?,
    )?)
}

fn signed(
    authority: &Authority,
    purpose: ExtendedKeyUsagePurpose,
) -> anyhow::Result<(String, KeyPair)> {
    let key = KeyPair::generate()?;
    let mut parameters = CertificateParams::new(["localhost".to_owned()])?;
    parameters
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    parameters.extended_key_usages = vec![purpose];
    let certificate = parameters.signed_by(&key, authority)?;
    Ok((certificate.pem(), key))
}

fn encrypted(key: &KeyPair) -> anyhow::Result<String> {
    let der = key.serialize_der();
    let key = pkcs8::PrivateKeyInfo::try_from(der.as_slice())
        .map_err(|error| anyhow::anyhow!("our own key is none: {error}"))?;
    pbes2::Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &[7; 8], &[7; 16])
        .map_err(pkcs8::Error::from)
        .and_then(|how| key.encrypt_with_params(how, PASSPHRASE))
        .and_then(|document| {
            let text = document.to_pem("ENCRYPTED PRIVATE KEY", pkcs8::LineEnding::LF);
            Ok(text?.to_string())
        })
        .map_err(|error| anyhow::anyhow!("cannot encrypt a key: {error}"))
}
