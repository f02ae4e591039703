//! Works: what the platform shows of an import's progress.
//!
//! A work counts messages: those that it was told to expect, and those that the workers have
//! reported. It is complete as soon as the two are equal, and nothing marks it as closed for
//! more. So there is at most one open work for each source connector, which expects one thing more
//! than its messages while files may still come.
//!
//! From 6.8.7 on the workers drop the messages of a work that is not alive: a user deleted it, Redis
//! lost it, it is older than an upgrade to such a version, or the platform ended it. The platform
//! ends each work that is older than the one of its connector that was reported for last. So we report
//! for a work only when its queue is empty; before, what we expect ourselves is given back, and errors
//! are told by `toProcessed`. And a file counts as delivered only if its work was alive when it was
//! announced, and is after the last message was confirmed.
//!
//! What is told errs on one side only. A work that expects too much is put right later, when the
//! queue is empty; one that expects too little would be complete, and its last messages thrown
//! away, before the workers got to them.

mod close;
mod contract;
mod decide;
mod name;
mod open;
mod sight;
#[cfg(test)]
mod tests;

pub use contract::{Occasion, Room, Share, Shortfall, Upcoming, Works, WorksError};
pub use decide::{Hold, OpenWork};
pub use name::work_name;
pub use open::OpenWorks;
pub(crate) use sight::is_for_good;
