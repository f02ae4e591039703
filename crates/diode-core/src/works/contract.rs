//! How the rest of the program tells of works.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use opencti_client::{ApiError, ErrorClass, Registration, WorkId};

use crate::LedgerError;

/// A file whose messages are to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Upcoming<'a> {
    /// The source connector.
    pub connector: &'a Registration,
    /// The file's time.
    pub modified: DateTime<Utc>,
    /// How many reports of the platform's workers the work is to be told to expect.
    pub messages: usize,
    /// How many more the workers will tell it to expect, once they take a message that holds
    /// several objects from the queue. Until then the work does not know of them.
    pub added_by_workers: usize,
    /// Which work they may share.
    pub room: Room,
}

/// Which work a file's messages may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// That of the other files of its connector.
    Shared,
    /// None: the platform ties the work to the file's draft.
    Alone,
}

/// One file's part in a work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The source connector's id.
    pub connector_id: String,
    /// The work.
    pub work: WorkId,
    /// Whether other files are in it.
    pub room: Room,
    /// How many reports the workers will tell it to expect.
    pub added_by_workers: usize,
}

/// What of a file that was sent does not add up to what was told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// Messages that were told of, and which the broker refused for what they are.
    pub refused: usize,
    /// Messages that may have arrived beyond those told of, because a connection broke before it
    /// confirmed them and they were sent again.
    pub doubtful: usize,
    /// Every object that was not sent although it should have been, in words; those refused are
    /// among them.
    pub errors: Vec<String>,
}

/// When open works are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// All files there are have been gone over.
    PassEnd,
    /// Some time has passed.
    Heartbeat,
    /// The program ends, and may not come back for long.
    Leaving,
}

/// Why a work cannot be told of something.
#[derive(Debug, thiserror::Error)]
pub enum WorksError {
    /// The platform did not do what it was asked.
    #[error(transparent)]
    Platform(#[from] ApiError),
    /// What was done cannot be remembered.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl WorksError {
    /// Whether other works would be no luckier. Where the platform does not answer, each call has
    /// its retries and its patience, which are not to be spent on every one of them.
    pub(super) fn is_of_all_works(&self) -> bool {
        match self {
            Self::Platform(error) => matches!(
                error.class(),
                ErrorClass::Transient | ErrorClass::Credentials
            ),
            Self::Ledger(_) => true,
        }
    }
}

/// How works are opened, kept and closed.
///
/// For each file: [`begin`](Self::begin), then [`is_alive`](Self::is_alive) and
/// [`sent`](Self::sent), or [`broken_off`](Self::broken_off). The expectations told for a work, less those given back or
/// reported, are never fewer than the messages that its workers have yet to report.
#[async_trait]
pub trait Works: Send + Sync {
    /// The file's part in a work that expects its messages. Called before the first of them.
    ///
    /// # Errors
    /// [`WorksError`]; nothing may be sent.
    async fn begin(&self, file: &Upcoming<'_>) -> Result<Share, WorksError>;

    /// Whether the workers import what was sent. It is asked after the last message was confirmed.
    ///
    /// If not, the work was deleted or ended meanwhile, and the workers drop the messages: the share is
    /// over, and the files are to be sent again under another work.
    ///
    /// # Errors
    /// [`WorksError`]; whether they import it is not known.
    async fn is_alive(&self, share: &Share) -> Result<bool, WorksError>;

    /// Every message of the file was confirmed, but for what `shortfall` names.
    ///
    /// # Errors
    /// [`WorksError`]; the messages are delivered all the same.
    async fn sent(&self, share: &Share, shortfall: &Shortfall) -> Result<(), WorksError>;

    /// Sending broke off. `unsent` is by how many the messages that were told of exceed those that
    /// may have arrived; it is negative where more may have arrived, some of them twice.
    ///
    /// # Errors
    /// [`WorksError`]; the work expects what was told of it before.
    async fn broken_off(&self, share: &Share, unsent: i64, why: &str) -> Result<(), WorksError>;

    /// Looks at the open works, and closes those that are done. What fails is logged, and done on
    /// a later occasion.
    async fn settle(&self, occasion: Occasion);
}
