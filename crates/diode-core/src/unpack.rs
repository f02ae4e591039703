//! A file's bytes together with what they come to: one value, which another thread can make.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use stix_bundle::{Limits, Profile};
use tokio::task::spawn_blocking;

use crate::examine::{Examined, examine};
use crate::fingerprint::Fingerprint;

/// Unpacking more bytes than this would hold up whatever else is to be done.
const LONG_TO_UNPACK: usize = 256 << 10;

self_cell::self_cell! {
    /// Bytes, and what borrows from them.
    struct Parcel {
        owner: Bytes,
        #[covariant]
        dependent: Examined,
    }

    impl {Debug}
}

/// What is in a file.
#[derive(Debug)]
pub(crate) struct Unpacked {
    parcel: Parcel,
    fingerprint: Fingerprint,
}

impl Unpacked {
    /// The fingerprint of the file's bytes.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the file's bytes come to.
    pub(crate) fn examined(&self) -> &Examined<'_> {
        self.parcel.borrow_dependent()
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &Bytes {
        self.parcel.borrow_owner()
    }
}

/// A panic. What it says may hold some of a file, and is not told.
#[derive(Debug, thiserror::Error)]
#[error("a fault of this program's own: report it, with the file if you may")]
pub(crate) struct Fault;

/// Unpacks files by the same rules.
#[derive(Debug)]
pub(crate) struct Unpacker {
    limits: Limits,
    profile: Profile,
}

impl Unpacker {
    pub(crate) fn new(limits: Limits, profile: Profile) -> Self {
        Self { limits, profile }
    }

    /// The largest file that is looked into, in bytes.
    pub(crate) fn largest_file(&self) -> u64 {
        self.limits.max_bytes
    }

    /// Unpacks a file; a large one beside whatever else is done.
    ///
    /// # Errors
    /// [`Fault`]
    pub(crate) async fn unpack(self: &Arc<Self>, bytes: Bytes) -> Result<Unpacked, Fault> {
        if bytes.len() <= LONG_TO_UNPACK {
            let fingerprint = Fingerprint::of(&bytes);
            return Ok(Unpacked {
                parcel: self.open(bytes)?,
                fingerprint,
            });
        }
        let copy = bytes.clone();
        let digesting = spawn_blocking(move || Fingerprint::of(&copy));
        let unpacker = Arc::clone(self);
        let opening = spawn_blocking(move || unpacker.open(bytes));
        let (parcel, fingerprint) = (opening.await, digesting.await);
        Ok(Unpacked {
            parcel: parcel.map_err(|_| Fault)??,
            fingerprint: fingerprint.map_err(|_| Fault)?,
        })
    }

    fn open(&self, bytes: Bytes) -> Result<Parcel, Fault> {
        parcel(bytes, |bytes| examine(bytes, &self.limits, &self.profile))
    }
}

fn parcel(
    bytes: Bytes,
    examine: impl for<'a> FnOnce(&'a Bytes) -> Examined<'a>,
) -> Result<Parcel, Fault> {
    // Nothing is seen afterwards that was being changed.
    catch_unwind(AssertUnwindSafe(|| Parcel::new(bytes, examine))).map_err(|_| Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_and_large_files_are_unpacked_alike() {
        let unpacker = Arc::new(Unpacker::new(Limits::default(), Profile::opencti()));
        for size in [2, LONG_TO_UNPACK, LONG_TO_UNPACK + 1] {
            let mut text = b"{}".to_vec();
            text.resize(size, b' ');
            let bytes = Bytes::from(text);
            let file = unpacker.unpack(bytes.clone()).await.unwrap();
            assert_eq!(file.bytes(), &bytes);
            assert_eq!(file.fingerprint(), Fingerprint::of(&bytes), "{size}");
            assert!(matches!(file.examined(), Examined::Foreign(_)), "{size}");
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        let bytes = || Bytes::from_static(b"{}");
        assert!(parcel(bytes(), |_| Examined::Foreign("")).is_ok());
        let fault = parcel(bytes(), |_| panic!("what it held")).unwrap_err();
        assert!(!fault.to_string().contains("what it held"));
    }
}
