//! Whom we trust on a TLS connection, and who we are there: for the API and the broker alike.

mod error;
mod fault;
mod options;
mod pem;
mod verifier;

pub use error::TlsError;
pub(crate) use fault::{TlsFault, causes};
pub(crate) use options::unused_config;
pub use options::{Identity, TlsOptions, Trust};
pub use pem::Pem;
