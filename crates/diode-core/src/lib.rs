#![doc = include_str!("../README.md")]

mod aliases;
mod applicants;
mod check;
mod claim;
mod connector_policy;
mod connectors;
mod delivery;
#[cfg(test)]
mod doubles;
mod envelope;
mod examine;
mod fingerprint;
mod head_start;
mod holder;
mod importer;
mod lease;
mod ledger;
mod listing;
mod observer;
mod outcome;
mod plan;
mod pressure;
mod private;
mod read_ahead;
mod reader;
mod refusal;
mod registrations;
mod rehearsal;
mod reminder;
mod report;
mod rules;
mod service;
mod state;
mod summary;
mod targets;
pub mod terminal;
mod trouble;
mod unpack;
mod validation;
mod works;

pub use applicants::{Applicant, Applicants, Claims, StandIn, Unmapped, UserMapping};
pub use check::{CheckReport, CheckedConnector, check};
pub use claim::{Claim, ClaimError, Claimed};
pub use connector_policy::{ConnectorPolicy, TypeConflict, Unlisted};
pub use connectors::Connectors;
pub use envelope::{Envelope, connector_id_fault, is_envelope};
pub use examine::{Examined, Import, LeftOut, examine, examine_all, left_out};
pub use fingerprint::{Fingerprint, NoFingerprint};
pub use head_start::HeadStart;
pub use holder::{LocalUser, LockHolder};
pub use importer::{Importer, Parts};
pub use lease::{Lease, NotOurs};
pub use ledger::{
    FILE_NAME, History, HistoryEntry, Known, KnownFiles, Ledger, LedgerError, Origin, Place,
    Record, SameContent, SetAside,
};
pub use observer::Observer;
pub use outcome::{Code, Outcome};
pub use plan::{AfterImport, Policy, Step, counted_as_imported, is_settled, must_wait, plan};
pub use pressure::Backpressure;
pub use private::{create_private_folder, open_private_file, open_to_others};
pub use refusal::{Finding, FindingLevel, Reason, Refusal};
pub use rehearsal::{Rehearsal, RehearsalParts};
pub use report::{FileReport, Interruption, PassReport, Sent, TakenOut};
pub use rules::{Clock, Company, Rules};
pub use service::{Greeting, Patience, Schedule, Service, StartError, greet};
pub use state::{ConnectorState, SharedState, StateKey, peer_skips, watermark};
pub use targets::warn_of_unfit_targets;
pub use trouble::chain;
pub use validation::{Unsaid, Validation, ValidationMode, ValidationRules, Way};
pub use works::{
    Hold, Occasion, OpenWork, OpenWorks, Room, Share, Shortfall, Upcoming, Works, WorksError,
    work_name,
};
