//! The trait by which a place tells that something arrived, where it can.

use std::fmt;

use async_trait::async_trait;

use crate::SourceError;

/// Tells when something may have arrived where bundle files wait.
///
/// It may tell too often, and it may miss what arrives, as where a file system tells nothing of what
/// other machines write. So whoever waits for it looks from time to time all the same.
#[async_trait]
pub trait Watch: Send + Sync + fmt::Debug {
    /// Sees to it that what arrives from now on is told, and forgets what arrived before.
    ///
    /// To be called before each listing: a place that was replaced, or came back, is watched again.
    ///
    /// # Errors
    /// [`SourceError`] where the place cannot be watched; nothing is told until a later call succeeds.
    async fn attend(&self) -> Result<(), SourceError>;

    /// Returns as soon as something may have arrived since [`attend`](Self::attend), or since this
    /// returned last. However much it was, it is told once.
    async fn arrival(&self);
}
