//! Bundle files in a bucket.
//!
//! `object_store`'s `AmazonS3` gives the credentials (static keys, or AWS's chain of environment, web
//! identity and instance role, renewed in time), the signatures and the HTTP client. The requests are
//! made here, for none of its operations keeps what a source promises:
//!
//! - *get, put*: its paths have no empty segments and no slashes at their ends, so `x//y.json` and
//!   `/z.json` could not be read and not be moved, and `a.json/` would be taken for `a.json`.
//! - *list*: one key with `//` in it fails the whole listing, so whoever may put an object could stop
//!   all imports.
//! - *delete, copy*: they are without a condition, and would hit what has been put meanwhile.
//! - *all*: what a store refuses comes back as text in which the reason would have to be searched;
//!   wrong key, wrong secret, wrong region and read-only bucket are told apart by the code in it.
//!
//! Eight kinds of request are all that a source needs.

mod client;
mod config;
mod credentials;
mod denials;
mod error;
mod keys;
mod lease;
mod listing;
mod objects;
mod reading;
mod refusals;
mod removal;
mod retry;
mod set_aside;
mod source;
mod tls;
mod xml;

pub use config::{S3Config, S3Keys, S3Patience, S3Trust};
pub use error::{S3Error, S3Permission, S3Setting};
pub use lease::{S3Holder, S3Lease, S3LeaseTimes, S3Standing};
pub use source::S3Source;

#[cfg(fuzzing)]
pub(crate) fn read_listing(body: &[u8]) -> Result<usize, S3Error> {
    Ok(xml::parse_page(body)?.objects.len())
}
