//! Why TLS cannot be set up.

use std::io;

/// Certificates or keys that cannot be used. `place` is the file, or that it was a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The system has no certificate authority that we can find and read.
    #[error("no certificate authority found on this system; give a file with those to trust")]
    NoSystemRoots,
    /// A file cannot be read.
    #[error("cannot read {place}")]
    Unreadable {
        /// Where.
        place: String,
        /// The cause.
        source: io::Error,
    },
    /// A file or text begins as PEM, and does not go on as PEM. The cause is not told: it quotes
    /// the text, which may be a key.
    #[error("{place} is damaged PEM")]
    Pem {
        /// Where.
        place: String,
    },
    /// A file or text holds no certificate.
    #[error("no certificate in {place}")]
    NoCertificate {
        /// Where.
        place: String,
    },
    /// A certificate cannot stand as a certificate authority.
    #[error("{place} holds a certificate that cannot be used")]
    Certificate {
        /// Where.
        place: String,
        /// The cause.
        source: rustls::Error,
    },
    /// A file or text holds no private key.
    #[error("no private key in {place}")]
    NoKey {
        /// Where.
        place: String,
    },
    /// A key is encrypted, and there is no passphrase.
    #[error("the private key in {place} is encrypted, and no passphrase is given")]
    NoPassphrase {
        /// Where.
        place: String,
    },
    /// A key cannot be decrypted.
    #[error("the passphrase does not fit the private key in {place}")]
    Passphrase {
        /// Where.
        place: String,
    },
    /// A key is encrypted in a way that we cannot undo.
    #[error(
        "the private key in {place} is encrypted in an old or rare way; write it anew with \
         `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW`"
    )]
    Encryption {
        /// Where.
        place: String,
    },
    /// Our certificate and our key do not belong together, or are of an unknown kind.
    #[error("the certificate in {place} cannot be used with its private key")]
    Identity {
        /// Where the certificate is.
        place: String,
        /// The cause.
        source: rustls::Error,
    },
    /// The TLS library refuses its configuration.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}
