//! The rules by which files are judged, and the clock.

use std::sync::Arc;
use std::time::Instant;

use bundle_source::Source;
use chrono::{DateTime, Utc};
use stix_bundle::{Limits, Profile};

use crate::plan::Policy;
use crate::reader::Reader;
use crate::unpack::Unpacker;
use crate::{Applicants, ConnectorPolicy, ValidationRules};

/// Tells the time. The program's one clock is handed in by the binary.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Tells a time that only goes on.
pub(crate) type OwnTime = Arc<dyn Fn() -> Instant + Send + Sync>;

/// By what rules files are imported, or rehearsed.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What becomes of files.
    pub policy: Policy,
    /// What is too much.
    pub limits: Limits,
    /// Which objects the platform takes.
    pub profile: Profile,
    /// Whose data it is.
    pub applicants: Applicants,
    /// Which source connectors may be registered.
    pub connectors: ConnectorPolicy,
    /// What a person looks at first.
    pub validation: ValidationRules,
}

impl Rules {
    /// Reads files of `source` by these rules.
    pub(crate) fn reader(&self, source: Arc<dyn Source>, clock: Clock) -> Reader {
        let unpacker = Unpacker::new(self.limits, self.profile.clone());
        Reader::new(source, clock, unpacker)
    }
}

/// Whose files lie where ours do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Only what is to be imported: a file that cannot be understood is rejected.
    Ours,
    /// Others keep files of their own there, as the platform does in its bucket: a file that cannot be
    /// understood may be one of theirs, and is left where it is.
    Shared,
}
