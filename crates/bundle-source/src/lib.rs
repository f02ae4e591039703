#![doc = include_str!("../README.md")]

mod content;
mod listing;
mod local;
mod names;
mod oddities;
mod s3;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod wanted;
mod watch;

/// What the fuzz targets reach: nobody else sees it.
#[cfg(fuzzing)]
pub mod fuzzing {
    /// Reads a store's answer to `ListObjectsV2`; how many objects it shows.
    ///
    /// # Errors
    /// [`S3Error`](crate::S3Error) where it makes no sense.
    pub fn read_listing(body: &[u8]) -> Result<usize, crate::S3Error> {
        crate::s3::read_listing(body)
    }
}

pub use content::Content;
pub use listing::{Listed, Listing};
pub use local::{LocalSource, LocalWatch};
pub use names::REASON_SUFFIX;
pub use s3::{
    S3Config, S3Error, S3Holder, S3Keys, S3Lease, S3LeaseTimes, S3Patience, S3Permission,
    S3Setting, S3Source, S3Standing, S3Trust,
};
pub use source::{Entry, Location, ReadError, Removal, Source, SourceError};
pub use wanted::{Position, Rest, Selection, Wanted};
pub use watch::Watch;
