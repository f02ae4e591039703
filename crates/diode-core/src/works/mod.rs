//! Works: what the platform shows of an import's progress.
//!
//! A work counts messages: those that it was told to expect, and those that the workers have
//! reported. It is complete as soon as the two are equal, and nothing marks it as closed for
//! more; and once a later work of a connector reports, the platform ends the earlier ones by
//! force, and some versions of it throw away what is queued for them. So there is at most one open
//! work for each source connector, which expects one thing more than its messages while files may
//! still come.
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
