//! One process at a time on a source that no kernel can lock.

use std::fmt;

use async_trait::async_trait;
use bundle_source::SourceError;
use tokio_util::sync::CancellationToken;

/// What says whether a source is ours, from pass to pass.
#[async_trait]
pub trait Lease: Send + Sync + fmt::Debug {
    /// Sees to it that the source is ours for a pass, if it can be. The token is cancelled when it is
    /// ours no longer, and when we are to stop: nothing is sent from then on.
    ///
    /// # Errors
    /// [`NotOurs`]
    async fn take(&self) -> Result<CancellationToken, NotOurs>;

    /// Lets others have the source: we leave.
    async fn give_back(&self);
}

/// Why a source is not ours now.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// Another process is at work on it, which the lease has said.
    #[error("another diode-import is at work on it")]
    Taken,
    /// It cannot be asked.
    #[error(transparent)]
    Unknown(#[from] SourceError),
}
