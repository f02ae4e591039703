//! What the platform tells of works, queues and accounts.

/// How the platform calls the stage that a work is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkStatus {
    /// `wait`: nothing was done for it yet.
    Wait,
    /// `progress`: more is expected.
    Progress,
    /// `complete`: as much was processed as was expected, or the platform closed it.
    Complete,
    /// `timeout`: the platform gave it up.
    Timeout,
    /// A stage that no platform knew when this was written.
    Other,
}

/// How far a work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkProgress {
    /// The stage that it is in.
    pub status: WorkStatus,
    /// How many messages it expects; 0 where the platform does not say.
    pub expected: i64,
    /// How many of them were processed, well or not; 0 where the platform does not say.
    pub processed: i64,
}

/// What lies in a connector's push queue, as the platform last heard from the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueDetails {
    /// How many messages.
    pub messages: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A user of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The platform's id for it.
    pub id: String,
    /// The name that the platform shows.
    pub name: String,
    /// The platform's names for what it may do.
    pub capabilities: Vec<String>,
}

impl Account {
    /// Whether it may create and change knowledge. A capability holds those that its name includes.
    ///
    /// ```
    /// use opencti_client::Account;
    ///
    /// let account = |capability: &str| Account {
    ///     id: "u".to_owned(),
    ///     name: "User".to_owned(),
    ///     capabilities: vec![capability.to_owned()],
    /// };
    /// assert!(account("BYPASS").may_write());
    /// assert!(account("KNOWLEDGE_KNUPDATE_KNDELETE").may_write());
    /// assert!(!account("KNOWLEDGE").may_write());
    /// ```
    pub fn may_write(&self) -> bool {
        let mut held = self.capabilities.iter();
        held.any(|name| name == "BYPASS" || name.contains("KNOWLEDGE_KNUPDATE"))
    }
}

/// What the platform lets us know of an applicant: there is no question for a user that a
/// connector may ask, so we try to speak in the user's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Applicant {
    /// There is such a user, and we can speak in its name.
    Known(Account),
    /// There is none, or none that can be spoken for.
    Unknown,
    /// Our account lacks `BYPASS`, so the platform answered in our own name without looking.
    CannotTell,
}
