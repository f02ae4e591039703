//! Certificates and keys in PEM form.

use std::path::PathBuf;
use std::{fmt, fs};

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument, pkcs5};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::TlsError;
use crate::Secret;

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// What OpenSSL wrote into encrypted keys before PKCS#8.
const TRADITIONAL_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";

/// Certificates or a key in PEM form (RFC 7468). `Debug` does not show a text: it may be a key.
///
/// ```
/// use opencti_client::Pem;
///
/// let text = Pem::Text("-----BEGIN PRIVATE KEY-----".to_owned());
/// assert_eq!(format!("{text:?}"), "Text([redacted])");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// In a file, which is read anew for each connection to the broker: a renewed certificate
    /// needs no restart.
    File(PathBuf),
    /// As text.
    Text(String),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text([redacted])"),
        }
    }
}

impl Pem {
    /// All certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found = CertificateDer::pem_slice_iter(self.text()?.expose().as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| self.damaged())?;
        if found.is_empty() {
            let place = self.place();
            return Err(TlsError::NoCertificate { place });
        }
        Ok(found)
    }

    /// The first private key, decrypted where it is encrypted.
    pub(super) fn key(
        &self,
        passphrase: Option<&Secret>,
    ) -> Result<PrivateKeyDer<'static>, TlsError> {
        let text = self.text()?;
        let place = self.place();
        if let Some(encrypted) = encrypted_block(text.expose()) {
            let passphrase = passphrase.ok_or_else(|| TlsError::NoPassphrase {
                place: place.clone(),
            })?;
            return decrypt(encrypted, passphrase, place);
        }
        if text.expose().contains(TRADITIONAL_ENCRYPTION) {
            return Err(TlsError::Encryption { place });
        }
        match PrivateKeyDer::from_pem_slice(text.expose().as_bytes()) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey { place }),
            Err(_) => Err(self.damaged()),
        }
    }

    /// The file's name, or that it is a text.
    pub(super) fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "the text given".to_owned(),
        }
    }

    fn text(&self) -> Result<Secret, TlsError> {
        match self {
            Self::Text(text) => Ok(Secret::new(text.as_str())),
            Self::File(path) => match fs::read_to_string(path) {
                Ok(text) => Ok(Secret::new(text)),
                Err(source) => {
                    let place = self.place();
                    Err(TlsError::Unreadable { place, source })
                }
            },
        }
    }

    fn damaged(&self) -> TlsError {
        let place = self.place();
        TlsError::Pem { place }
    }
}

fn encrypted_block(text: &str) -> Option<&str> {
    let block = &text[text.find(ENCRYPTED_BEGIN)?..];
    let end = block.find(ENCRYPTED_END)? + ENCRYPTED_END.len();
    Some(&block[..end])
}

/// The key in a block of PKCS#8 (RFC 5958), encrypted with a passphrase (PBES2 of RFC 8018).
fn decrypt(
    block: &str,
    passphrase: &Secret,
    place: String,
) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unknown = || TlsError::Encryption {
        place: place.clone(),
    };
    let (_, document) = SecretDocument::from_pem(block).map_err(|_| unknown())?;
    let encrypted =
        EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| unknown())?;
    match encrypted.decrypt(passphrase.expose()) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::NoPbes1CryptSupport
            | pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::AlgorithmParametersInvalid { .. },
        )) => Err(unknown()),
        // A wrong passphrase shows as a wrong padding, or by chance as something that is no key.
        Err(_) => Err(TlsError::Passphrase { place }),
    }
}

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
