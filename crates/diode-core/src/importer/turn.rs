//! Whose turn it is: a source with a lease is gone over only while we have it.

use std::sync::Arc;

use super::Importer;
use crate::lease::{Lease, NotOurs};
use crate::listing::not_listed;
use crate::report::Interruption;

impl Importer {
    /// The same, for a source that other processes may be at work on.
    #[must_use]
    pub fn with_lease(self, lease: Arc<dyn Lease>) -> Self {
        Self {
            lease: Some(lease),
            ..self
        }
    }

    /// Sees to it that the source is ours for a pass; else, says what keeps us from it.
    pub(super) async fn our_turn(&mut self) -> Result<(), Interruption> {
        let Some(lease) = &self.lease else {
            return Ok(());
        };
        let taken = tokio::select! {
            taken = lease.take() => taken,
            () = self.stop.cancelled() => return Err(Interruption::Stopped),
        };
        match taken {
            Ok(turn) => {
                self.courier.stop = turn.clone();
                self.turn = turn;
                Ok(())
            }
            Err(NotOurs::Taken) => Err(Interruption::Lease),
            Err(NotOurs::Unknown(error)) => {
                not_listed(self.source.name(), &error);
                Err(Interruption::Source)
            }
        }
    }

    /// Why a pass was cut short that was told to stop: we all are to, or the source is not ours.
    pub(super) fn cause_of(&self, interruption: Interruption) -> Interruption {
        match interruption {
            Interruption::Stopped if self.is_lost() => Interruption::Lease,
            other => other,
        }
    }

    fn is_lost(&self) -> bool {
        self.turn.is_cancelled() && !self.stop.is_cancelled()
    }

    /// Lets others have the source.
    pub(crate) async fn give_back(&self) {
        if let Some(lease) = &self.lease {
            lease.give_back().await;
        }
    }
}
